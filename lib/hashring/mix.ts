import { adopt, checkEpoch, createLayout, type Layout } from './layout.ts';
import { type Member, sortMembers } from './members.ts';
import { RingError } from './ring-error.ts';

/**
 * The layout in which some ranges have their owners of `after` already and all others still those of `before`:
 * where a change that was stopped half-way has got to. Members of either are members; who is in both is described
 * as in `after`, who is in `before` alone has weight 0. Throws `invalid_options` when the two differ in their
 * number of ranges or replicas.
 */
export function mixLayouts(
  before: Layout,
  after: Layout,
  options: { readonly epoch: number; readonly isAfter: (range: number) => boolean },
): Layout {
  const { epoch, isAfter } = options;
  checkEpoch(epoch);
  const { rangeCount, replicas } = adopt(before);
  if (adopt(after).rangeCount !== rangeCount || after.replicas !== replicas) {
    throw new RingError('invalid_options', 'the layouts differ in their number of ranges or replicas');
  }
  const kept = new Set(after.members.map(({ id }) => id));
  const leaving = before.members
    .filter(({ id }) => !kept.has(id))
    .map((member) => ({ ...member, weight: 0 }));
  const members = sortMembers([...after.members, ...leaving]);
  const indexOf = new Map(members.map(({ id }, index) => [id, index]));
  const translate = (own: readonly Member[]) => Uint16Array.from(own, ({ id }) => indexOf.get(id)!);
  const fromBefore = translate(before.members);
  const fromAfter = translate(after.members);
  const table = new Uint16Array(rangeCount * replicas);
  for (let range = 0; range < rangeCount; range++) {
    const [source, names] = isAfter(range) ? [after, fromAfter] : [before, fromBefore];
    for (let slot = range * replicas; slot < (range + 1) * replicas; slot++) {
      table[slot] = names[source.table[slot]!]!;
    }
  }
  return createLayout({ epoch, rangeCount, replicas, members, table });
}
