/**
 * Textbook successive shortest paths: slow, obvious, and sharing no code with the ring. Arc costs may be
 * negative as long as the arcs added contain no negative cycle.
 */
export class MinCostFlow {
  readonly #heads: number[][];
  readonly #to: number[] = [];
  readonly #room: number[] = [];
  readonly #cost: number[] = [];

  constructor(vertexCount: number) {
    this.#heads = Array.from({ length: vertexCount }, () => []);
  }

  addArc(from: number, to: number, capacity: number, cost: number): number {
    const arc = this.#to.length;
    this.#to.push(to, from);
    this.#room.push(capacity, 0);
    this.#cost.push(cost, -cost);
    this.#heads[from]!.push(arc);
    this.#heads[to]!.push(arc + 1);
    return arc;
  }

  /** Units that flow through an arc. */
  flowOn(arc: number): number {
    return this.#room[arc ^ 1]!;
  }

  /** Sends as much as possible at the least cost. */
  run(source: number, sink: number): { flow: number; cost: number } {
    let flow = 0;
    let cost = 0;
    for (;;) {
      const { distances, arcs } = this.#shortestPaths(source);
      if (distances[sink] === Number.POSITIVE_INFINITY) return { flow, cost };
      let units = Number.POSITIVE_INFINITY;
      for (let vertex = sink; vertex !== source; vertex = this.#to[arcs[vertex]! ^ 1]!) {
        units = Math.min(units, this.#room[arcs[vertex]!]!);
      }
      for (let vertex = sink; vertex !== source; vertex = this.#to[arcs[vertex]! ^ 1]!) {
        this.#room[arcs[vertex]!]! -= units;
        this.#room[arcs[vertex]! ^ 1]! += units;
      }
      flow += units;
      cost += units * distances[sink]!;
    }
  }

  #shortestPaths(source: number): { distances: number[]; arcs: number[] } {
    const distances = this.#heads.map(() => Number.POSITIVE_INFINITY);
    const arcs = this.#heads.map(() => -1);
    const queued = this.#heads.map(() => false);
    const queue = [source];
    distances[source] = 0;
    for (let next = 0; next < queue.length; next++) {
      const vertex = queue[next]!;
      queued[vertex] = false;
      for (const arc of this.#heads[vertex]!) {
        const to = this.#to[arc]!;
        const distance = distances[vertex]! + this.#cost[arc]!;
        if (this.#room[arc] === 0 || distance >= distances[to]!) continue;
        distances[to] = distance;
        arcs[to] = arc;
        if (!queued[to]) queue.push(to);
        queued[to] = true;
      }
    }
    return { distances, arcs };
  }
}
