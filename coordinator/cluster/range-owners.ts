import { assert } from '../../lib/errors/app-error.ts';
import { type Layout, ownersOfRange, preferenceOf, rangeBounds } from '../../lib/hashring/index.ts';
import type { StorageNode } from './placement.ts';

/** A layout with its members resolved to nodes. Each range is resolved once; a later lookup is an array read. */
export class RangeOwners {
  readonly layout: Layout;
  readonly #nodes: ReadonlyMap<string, StorageNode>;
  readonly #owners: (readonly StorageNode[] | undefined)[];
  readonly #fallbacks: (readonly StorageNode[] | undefined)[];

  /** `nodes`, by id, have to include every member of the layout. */
  constructor(layout: Layout, nodes: ReadonlyMap<string, StorageNode>) {
    this.layout = layout;
    this.#nodes = new Map(
      layout.members.map(({ id }) => {
        const node = nodes.get(id);
        assert(node !== undefined, `layout ${layout.epoch} names the unknown node ${id}`);
        return [id, node];
      }),
    );
    this.#owners = new Array(layout.rangeCount);
    this.#fallbacks = new Array(layout.rangeCount);
  }

  /** Whether the members would resolve to the very same nodes again. */
  isMadeOf(nodes: ReadonlyMap<string, StorageNode>): boolean {
    return [...this.#nodes.values()].every((node) => nodes.get(node.id) === node);
  }

  /** The range's owners, primary first. */
  ownersOf(range: number): readonly StorageNode[] {
    let owners = this.#owners[range];
    if (owners === undefined) {
      owners = Object.freeze(ownersOfRange(this.layout, range).map(({ id }) => this.#nodes.get(id)!));
      this.#owners[range] = owners;
    }
    return owners;
  }

  /** Every other member with a weight, in the range's preference order. */
  fallbacksOf(range: number): readonly StorageNode[] {
    let fallbacks = this.#fallbacks[range];
    if (fallbacks === undefined) {
      const { first } = rangeBounds(range, this.layout.rangeCount);
      const others = preferenceOf(this.layout, first).slice(this.layout.replicas);
      fallbacks = Object.freeze(others.map(({ id }) => this.#nodes.get(id)!));
      this.#fallbacks[range] = fallbacks;
    }
    return fallbacks;
  }
}
