import { assign, type Layout, type Member } from '../../lib/hashring/index.ts';

/** How many chunks each node holds in each range. */
export class Evidence {
  readonly rangeCount: number;
  readonly nodeCount: number;
  readonly #counts: Uint32Array;

  constructor(rangeCount: number, nodeCount: number) {
    this.rangeCount = rangeCount;
    this.nodeCount = nodeCount;
    this.#counts = new Uint32Array(rangeCount * nodeCount);
  }

  add(range: number, node: number): void {
    this.#counts[range * this.nodeCount + node]! += 1;
  }

  /** The same in fewer, larger ranges. */
  merged(rangeCount: number): Evidence {
    const merged = new Evidence(rangeCount, this.nodeCount);
    const parts = this.rangeCount / rangeCount;
    for (const [slot, count] of this.#counts.entries()) {
      const range = Math.floor(slot / this.nodeCount / parts);
      merged.#counts[range * this.nodeCount + (slot % this.nodeCount)]! += count;
    }
    return merged;
  }

  /** The nodes that hold most of the range's chunks, most first, at most `replicas`. */
  ownersOf(range: number, replicas: number): number[] {
    const counts = this.#counts.subarray(range * this.nodeCount, (range + 1) * this.nodeCount);
    return Array.from(counts, (count, node) => ({ count, node }))
      .filter(({ count }) => count > 0)
      .sort((a, b) => b.count - a.count || a.node - b.node)
      .slice(0, replicas)
      .map(({ node }) => node);
  }
}

export interface InferredLayout {
  readonly layout: Layout;
  readonly inferredSlots: number;
  /** Inferred slots whose node does not have them in the layout. */
  readonly movedSlots: number;
}

/**
 * The layout under which as little as possible has to move: who holds a range's chunks owns the range, ranges of which
 * nobody holds anything go to whoever has room. `members[i]` is the node `i` of the evidence; undefined ones own
 * nothing. Throws RingError when the members cannot hold so many replicas.
 */
export function inferLayout(
  evidence: Evidence,
  members: readonly (Member | undefined)[],
  options: { readonly replicas: number; readonly epoch: number },
): InferredLayout {
  const { replicas, epoch } = options;
  const { rangeCount } = evidence;
  // Slots that nobody is known to have had belong to members that have left, so `assign` fills them.
  const gone = Array.from({ length: replicas }, (_, slot) => ({
    id: `gone-${slot}`,
    weight: 0,
    zone: 'gone',
  }));
  const present = members.filter((member) => member !== undefined);
  const all = [...present, ...gone];
  const table = new Uint16Array(rangeCount * replicas);
  let inferredSlots = 0;
  for (let range = 0; range < rangeCount; range++) {
    const owners = evidence.ownersOf(range, replicas).flatMap((node) => members[node] ?? []);
    inferredSlots += owners.length;
    for (let slot = 0; slot < replicas; slot++) {
      const owner = owners[slot];
      table[range * replicas + slot] = owner ? all.indexOf(owner) : present.length + slot;
    }
  }
  const previous: Layout = { epoch: epoch - 1, rangeCount, replicas, members: all, table };
  const layout = assign(previous, present, { epoch, replicas, rangeCount });
  return { layout, inferredSlots, movedSlots: countMoved(previous, layout, present.length) };
}

function countMoved(previous: Layout, layout: Layout, presentCount: number): number {
  const { replicas, rangeCount } = layout;
  let moved = 0;
  for (let range = 0; range < rangeCount; range++) {
    const slots = { start: range * replicas, end: (range + 1) * replicas };
    const now = new Set(
      Array.from(layout.table.subarray(slots.start, slots.end), (index) => layout.members[index]!.id),
    );
    for (const index of previous.table.subarray(slots.start, slots.end)) {
      if (index < presentCount && !now.has(previous.members[index]!.id)) moved += 1;
    }
  }
  return moved;
}
