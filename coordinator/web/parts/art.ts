/** Pictures made of a name, for films and videos that have none: always the same for the same name. */

export interface Shape {
  readonly kind: 'ring' | 'disc' | 'arc';
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  /** Of a line. */
  readonly width: number;
  /** Which of the picture's colours. */
  readonly tone: number;
  /** Where an arc begins and ends, as a share of the circle. */
  readonly from: number;
  readonly to: number;
}

export interface Art {
  /** Background, two colours upon it, and the colour of text. */
  readonly colours: readonly [string, string, string, string];
  readonly shapes: readonly Shape[];
}

const PALETTES: readonly Art['colours'][] = [
  ['#1c2a3f', '#ff8a5b', '#f3d9b1', '#fff7ea'],
  ['#7a2f3b', '#f2b880', '#2b1720', '#fff1e3'],
  ['#0f4c4a', '#e8c468', '#9fd8c4', '#f6fff9'],
  ['#3b2f63', '#f48fb1', '#8fb8ff', '#fdf4ff'],
  ['#a6442a', '#ffd9a0', '#3a1d14', '#fff6ea'],
  ['#20382b', '#c9d66b', '#e9805f', '#f8ffe9'],
  ['#2a3d66', '#8fd3e8', '#ffb199', '#f2f9ff'],
  ['#4a3426', '#e6a15c', '#b9c7a8', '#fff5e6'],
  ['#5a1f4d', '#ffa07a', '#c9a8ff', '#fff0fa'],
  ['#13323f', '#ff6f61', '#f6e2b3', '#effaff'],
];

/** Within a picture so wide and high. */
export function makeArt(name: string, width: number, height: number): Art {
  const random = randomOf(name);
  const colours = PALETTES[Math.floor(random() * PALETTES.length)]!;
  const x = width * (0.15 + random() * 0.7);
  const y = height * (0.15 + random() * 0.4);
  const unit = Math.min(width, height);
  const shapes: Shape[] = [
    { kind: 'disc', x, y, radius: unit * (0.12 + random() * 0.16), width: 0, tone: 1, from: 0, to: 1 },
  ];
  const rings = 3 + Math.floor(random() * 4);
  let radius = unit * (0.3 + random() * 0.1);
  for (let ring = 0; ring < rings; ring++) {
    const from = random();
    const isWhole = random() < 0.35;
    const lineWidth = unit * (random() < 0.3 ? 0.05 : 0.008 + random() * 0.015);
    const tone = random() < 0.6 ? 2 : 1;
    const to = isWhole ? from + 1 : from + 0.25 + random() * 0.55;
    shapes.push({ kind: isWhole ? 'ring' : 'arc', x, y, radius, width: lineWidth, tone, from, to });
    const turn = random() * 2 * Math.PI;
    const moon = unit * (0.015 + random() * 0.035);
    const [moonX, moonY] = [x + radius * Math.cos(turn), y + radius * Math.sin(turn)];
    shapes.push({ kind: 'disc', x: moonX, y: moonY, radius: moon, width: 0, tone: 3 - tone, from: 0, to: 1 });
    radius += unit * (0.1 + random() * 0.14);
  }
  return { colours, shapes };
}

/** As SVG writes the line of an arc. */
export function arcPath({
  x,
  y,
  radius,
  from,
  to,
}: Pick<Shape, 'x' | 'y' | 'radius' | 'from' | 'to'>): string {
  const point = (share: number) => {
    const angle = (share - 0.25) * 2 * Math.PI;
    return `${round(x + radius * Math.cos(angle))} ${round(y + radius * Math.sin(angle))}`;
  };
  return `M${point(from)}A${round(radius)} ${round(radius)} 0 ${to - from > 0.5 ? 1 : 0} 1 ${point(to)}`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Numbers from 0 to 1 that follow from the text (FNV-1a, then xorshift). */
function randomOf(text: string): () => number {
  let state = 0x811c9dc5;
  for (const char of text) state = Math.imul(state ^ char.codePointAt(0)!, 0x01000193);
  state ||= 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
