import type { Layout } from '../../lib/hashring/index.ts';

export interface RangeCounts {
  readonly ranges: number;
  /** Ranges whose first owner it is. */
  readonly primaryRanges: number;
}

/** How many ranges each member owns, by id; members that own none have zeros. */
export function countRanges({ members, table, replicas }: Layout): Map<string, RangeCounts> {
  const ranges = new Uint32Array(members.length);
  const primaryRanges = new Uint32Array(members.length);
  table.forEach((member, slot) => {
    ranges[member]!++;
    if (slot % replicas === 0) primaryRanges[member]!++;
  });
  return new Map(
    members.map(({ id }, index) => [id, { ranges: ranges[index]!, primaryRanges: primaryRanges[index]! }]),
  );
}
