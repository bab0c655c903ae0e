import type { RingArc } from '../../../api/types.ts';

/** How the ring is laid out around the circle: ranges as they follow each other, or those with the same owners together. */
export type RingOrder = 'owners' | 'position';

/** Of a circle with the centre at 0. */
export interface Band {
  readonly radius: number;
  readonly width: number;
}

/** All arcs of one band that belong to one owner, or are in one phase, as the line of one path. */
export interface BandPath {
  readonly band: number;
  readonly key: string;
  readonly path: string;
}

interface Piece {
  readonly ranges: number;
  readonly owners: readonly string[];
  readonly phase: RingArc['phase'];
  readonly isMoving: boolean;
}

/** Phases of ranges that move, from the first to the last. */
export const PHASES = ['before', 'dual', 'readNew', 'newOnly', 'after'] as const;

/**
 * Draws who owns what: a band for each copy, the first owners outside. `nodeIds` is the order of nodes around the circle
 * when ranges are put together by their owners.
 */
export function drawOwners(
  arcs: readonly RingArc[],
  bands: readonly Band[],
  order: RingOrder,
  nodeIds: readonly string[],
): BandPath[] {
  const pieces = piecesOf(arcs, order, nodeIds);
  return bands.flatMap((band, copy) => drawBand(pieces, band, copy, ({ owners }) => owners[copy]));
}

/** Draws which ranges are on their way to other owners, and how far; nothing when none is. */
export function drawPhases(
  arcs: readonly RingArc[],
  band: Band,
  order: RingOrder,
  nodeIds: readonly string[],
): BandPath[] {
  const pieces = piecesOf(arcs, order, nodeIds);
  return drawBand(pieces, band, 0, ({ isMoving, phase }) => (isMoving && phase !== null ? phase : undefined));
}

function piecesOf(arcs: readonly RingArc[], order: RingOrder, nodeIds: readonly string[]): Piece[] {
  const pieces = arcs.map(({ firstRange, lastRange, owners, phase, target }) => ({
    ranges: lastRange - firstRange + 1,
    owners,
    phase,
    isMoving: target !== null,
  }));
  if (order === 'position') return pieces;
  const places = new Map(nodeIds.map((id, index) => [id, index]));
  const placeOf = (id: string | undefined) => (id === undefined ? -1 : (places.get(id) ?? nodeIds.length));
  const phaseOf = ({ isMoving, phase }: Piece) => (isMoving && phase !== null ? PHASES.indexOf(phase) : -1);
  return pieces.sort((a, b) => {
    for (let copy = 0; copy < Math.max(a.owners.length, b.owners.length); copy++) {
      const difference = placeOf(a.owners[copy]) - placeOf(b.owners[copy]);
      if (difference !== 0) return difference;
    }
    return phaseOf(a) - phaseOf(b);
  });
}

/** Pieces of the same key that follow each other are one arc. */
function drawBand(
  pieces: readonly Piece[],
  { radius }: Band,
  band: number,
  keyOf: (piece: Piece) => string | undefined,
): BandPath[] {
  const total = pieces.reduce((sum, { ranges }) => sum + ranges, 0);
  const paths = new Map<string, string[]>();
  let at = 0;
  for (let index = 0; index < pieces.length; ) {
    const key = keyOf(pieces[index]!);
    const from = at;
    while (index < pieces.length && keyOf(pieces[index]!) === key) at += pieces[index++]!.ranges;
    if (key === undefined) continue;
    const list = paths.get(key) ?? [];
    list.push(arcPath(from / total, at / total, radius));
    paths.set(key, list);
  }
  return [...paths].map(([key, list]) => ({ band, key, path: list.join('') }));
}

/** From one share of the circle to another, clockwise from the top. */
export function arcPath(from: number, to: number, radius: number): string {
  // A whole circle has no beginning that differs from its end, so it is drawn as two halves.
  if (to - from > 0.9999)
    return arcPath(from, from + 0.5, radius) + arcPath(from + 0.5, from + 0.9998, radius);
  const large = to - from > 0.5 ? 1 : 0;
  return `M${pointAt(from, radius)}A${radius} ${radius} 0 ${large} 1 ${pointAt(to, radius)}`;
}

function pointAt(share: number, radius: number): string {
  const angle = (share - 0.25) * 2 * Math.PI;
  return `${round(radius * Math.cos(angle))} ${round(radius * Math.sin(angle))}`;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
