import { assert } from '../../lib/errors/app-error.ts';
import { preferenceOf, rangeBounds } from '../../lib/hashring/index.ts';
import type { ReadSources, StorageNode, WriteTargets } from './placement.ts';
import { type RingState, rolesOf } from './ring-state.ts';

interface RangeNodes {
  readonly writes: WriteTargets;
  readonly reads: ReadSources;
}

/** A state of the ring with its members resolved to nodes. Each range is resolved once; a later look-up is an array read. */
export class RingView {
  readonly state: RingState;
  readonly #nodes: ReadonlyMap<string, StorageNode>;
  readonly #registered: readonly StorageNode[];
  readonly #ranges: (RangeNodes | undefined)[];

  /** `nodes`, by id, have to include every member of both layouts; `registered` are those that are not removed. */
  constructor(state: RingState, nodes: ReadonlyMap<string, StorageNode>, registered: readonly StorageNode[]) {
    this.state = state;
    this.#registered = registered;
    this.#nodes = nodes;
    for (const layout of [state.base, state.target]) {
      for (const { id } of layout?.members ?? []) {
        assert(nodes.has(id), `layout ${layout!.epoch} names the unknown node ${id}`);
      }
    }
    this.#ranges = new Array(state.base.rangeCount);
  }

  /** Whether it would be the very same view with these. */
  isMadeOf(nodes: ReadonlyMap<string, StorageNode>, registered: readonly StorageNode[]): boolean {
    const { base, target } = this.state;
    const members = [...base.members, ...(target?.members ?? [])];
    return (
      members.every(({ id }) => nodes.get(id) === this.#nodes.get(id)) &&
      registered.length === this.#registered.length &&
      registered.every((node, index) => node === this.#registered[index])
    );
  }

  writeTargetsOf(range: number): WriteTargets {
    return this.#resolve(range).writes;
  }

  readSourcesOf(range: number): ReadSources {
    return this.#resolve(range).reads;
  }

  #resolve(range: number): RangeNodes {
    let resolved = this.#ranges[range];
    if (resolved === undefined) {
      resolved = this.#resolveAnew(range);
      this.#ranges[range] = resolved;
    }
    return resolved;
  }

  #resolveAnew(range: number): RangeNodes {
    const { base, target } = this.state;
    const roles = rolesOf(this.state, range);
    const resolve = (ids: readonly string[]) => Object.freeze(ids.map((id) => this.#nodes.get(id)!));
    const { first } = rangeBounds(range, base.rangeCount);
    const preferred = resolve(preferenceOf(target ?? base, first).map(({ id }) => id));
    const owners = resolve(roles.owners);
    const readers = resolve(roles.readFirst);
    const fallbacks = Object.freeze(preferred.filter((node) => !owners.includes(node)));
    // Members of the old layout that left, and nodes outside the ring, may hold what has no better copy now.
    const earlier = resolve(preferenceOf(base, first).map(({ id }) => id));
    const rest = new Set([...owners, ...preferred, ...earlier, ...this.#registered]);
    for (const node of readers) rest.delete(node);
    return {
      writes: { owners, sets: roles.writeSets.map(resolve), fallbacks },
      reads: { owners: readers, others: Object.freeze([...rest]) },
    };
  }
}
