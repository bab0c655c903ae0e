import { positionOf } from '../../lib/hashring/index.ts';
import type { PhaseName, Ring } from './admin-schema.ts';

interface RangeState {
  readonly owners: readonly string[];
  readonly target: readonly string[];
  readonly phase: PhaseName | null;
}

/** The ring at one moment, by range. */
export class RingMap {
  readonly step: number;
  readonly replicas: number;
  readonly rangeCount: number;
  readonly isStable: boolean;
  readonly #ranges: RangeState[] = [];
  readonly #shift: number;

  constructor(ring: Ring) {
    this.step = ring.step;
    this.replicas = ring.replicas;
    this.rangeCount = ring.rangeCount;
    this.isStable = ring.targetEpoch === null && ring.rebalanceId === null;
    this.#shift = 32 - Math.log2(ring.rangeCount);
    for (const { firstRange, lastRange, owners, target, phase } of ring.arcs) {
      const state = { owners, target: target ?? owners, phase };
      for (let range = firstRange; range <= lastRange; range++) this.#ranges[range] = state;
    }
    if (this.#ranges.length !== ring.rangeCount || this.#ranges.includes(undefined as never))
      throw new Error('The arcs of the ring do not cover it.');
  }

  get writeQuorum(): number {
    return Math.floor(this.replicas / 2) + 1;
  }

  rangeOfChunk(chunkId: string): number {
    return positionOf(chunkId) >>> this.#shift;
  }

  /** Owners by the layout in use; while the range changes hands, of the one it comes from. */
  ownersOf(range: number): readonly string[] {
    return this.#ranges[range]!.owners;
  }

  /**
   * The sets of nodes each of which holds whatever was acknowledged in the range: the old owners until nobody reads
   * from them any more, the new ones from when somebody does.
   */
  basesOf(range: number): readonly (readonly string[])[] {
    const { owners, target, phase } = this.#ranges[range]!;
    switch (phase) {
      case null:
      case 'before':
      case 'dual':
        return [owners];
      case 'readNew':
        return [owners, target];
      default:
        return [target];
    }
  }

  /** Bases of the range that were in use at both moments. */
  commonBases(later: RingMap, range: number): readonly (readonly string[])[] {
    const keys = new Set(later.basesOf(range).map(keyOf));
    return this.basesOf(range).filter((base) => keys.has(keyOf(base)));
  }
}

function keyOf(base: readonly string[]): string {
  return base.toSorted().join();
}
