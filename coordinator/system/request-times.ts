import { Histogram, type Registry } from 'prom-client';

type Observer = Histogram.Internal<'method' | 'status'>;

/** How long requests take, by method and status. Finding the labels of each anew would cost more than counting it. */
export class RequestTimes {
  readonly #histogram: Histogram<'method' | 'status'>;
  /** By method, then by status: a few dozen in all, since the parser refuses methods that it does not know. */
  readonly #observers = new Map<string, Map<number, Observer>>();

  constructor(registry: Registry) {
    this.#histogram = new Histogram({
      name: 'orbitvids_request_seconds',
      help: 'Time from a request to the end of its response',
      labelNames: ['method', 'status'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers: [registry],
    });
  }

  observe(method: string, status: number, seconds: number): void {
    (this.#observers.get(method)?.get(status) ?? this.#add(method, status)).observe(seconds);
  }

  #add(method: string, status: number): Observer {
    const observer = this.#histogram.labels(method, String(status));
    const ofMethod = this.#observers.get(method) ?? new Map<number, Observer>();
    this.#observers.set(method, ofMethod.set(status, observer));
    return observer;
  }
}
