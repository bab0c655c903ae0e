interface RunningDrop {
  readonly first: number;
  readonly last: number;
  readonly ended: Promise<void>;
}

/**
 * Drops that have begun. Whoever asks what lies in a range is answered when those in it have ended: an answer from their
 * midst would count chunks that are about to go. A coordinator may have given up such a drop long ago, when this node
 * stood still, and may be making the node an owner of the range again.
 */
export class RunningDrops {
  readonly #running = new Set<RunningDrop>();

  /** Runs the drop of a range; rejects as it does. */
  async run<Result>(first: number, last: number, drop: () => Promise<Result>): Promise<Result> {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const running = { first, last, ended };
    this.#running.add(running);
    try {
      return await drop();
    } finally {
      this.#running.delete(running);
      end();
    }
  }

  /** Resolves when no drop is under way that has any of the range. */
  async ended(first: number, last: number): Promise<void> {
    for (;;) {
      const inTheWay = [...this.#running].filter((drop) => drop.first <= last && first <= drop.last);
      if (inTheWay.length === 0) return;
      await Promise.all(inTheWay.map((drop) => drop.ended));
    }
  }
}
