export interface ChartLine {
  readonly name: string;
  /** The latest one last; null where there is none. */
  readonly values: readonly (number | null)[];
}

interface ChartProps {
  readonly title: string;
  readonly lines: readonly ChartLine[];
  /** Values across. */
  readonly length: number;
  readonly format: (value: number) => string;
}

const WIDTH = 300;
const HEIGHT = 90;

/** Lines over time, with what holds now beside their names. */
export function Chart({ title, lines, length, format }: ChartProps) {
  const greatest = Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const top = roundUp(greatest);
  return (
    <figure class="chart panel">
      <figcaption>
        <h3>{title}</h3>
        <ul>
          {lines.map(({ name, values }, index) => {
            const latest = values.findLast((value) => value !== null);
            return (
              <li key={name} class={`chart-${index + 1}`}>
                <span class="chart-dot" aria-hidden="true" />
                {name} <strong>{latest == null ? '–' : format(latest)}</strong>
              </li>
            );
          })}
        </ul>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {[0.25, 0.5, 0.75].map((share) => (
          <line key={share} class="chart-grid" x1={0} x2={WIDTH} y1={HEIGHT * share} y2={HEIGHT * share} />
        ))}
        {lines.map(({ name, values }, index) => (
          <path key={name} class={`chart-line chart-${index + 1}`} d={linePath(values, length, top)} />
        ))}
      </svg>
      <span class="chart-top">{top > 0 ? format(top) : ''}</span>
    </figure>
  );
}

/** The latest value stands at the right; gaps stay gaps. */
export function linePath(values: readonly (number | null)[], length: number, top: number): string {
  const step = WIDTH / Math.max(1, length - 1);
  const start = WIDTH - (values.length - 1) * step;
  let path = '';
  let isDrawn = false;
  for (const [index, value] of values.entries()) {
    if (value === null) {
      isDrawn = false;
      continue;
    }
    const x = start + index * step;
    const y = HEIGHT - (top === 0 ? 0 : (value / top) * HEIGHT);
    path += `${isDrawn ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    isDrawn = true;
  }
  return path;
}

/** To 1, 2 or 5 with noughts behind it, so that the scale does not dance. */
export function roundUp(value: number): number {
  if (value <= 0) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  const digit = [1, 2, 5, 10].find((one) => one * power >= value * 0.999)!;
  return digit * power;
}
