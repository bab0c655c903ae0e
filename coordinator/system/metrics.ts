import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { RequestTimes } from './request-times.ts';

/** What the coordinator counts about itself, in Prometheus' terms. One per process. */
export class Metrics {
  readonly registry = new Registry();
  readonly requestTimes: RequestTimes;
  readonly uploadedBytes: Counter;
  readonly sentBytes: Counter;
  readonly chunksWritten: Counter<'copies'>;
  readonly readFailovers: Counter;
  readonly badCopies: Counter<'kind'>;

  constructor() {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.requestTimes = new RequestTimes(this.registry);
    this.uploadedBytes = new Counter({
      name: 'orbitvids_uploaded_bytes_total',
      help: 'Bytes of chunks that were stored, one copy counted',
      registers,
    });
    this.sentBytes = new Counter({
      name: 'orbitvids_sent_bytes_total',
      help: 'Bytes of objects sent to clients',
      registers,
    });
    this.chunksWritten = new Counter({
      name: 'orbitvids_chunks_written_total',
      help: 'Chunks acknowledged, by whether all their copies were made at once',
      labelNames: ['copies'],
      registers,
    });
    this.readFailovers = new Counter({
      name: 'orbitvids_read_failovers_total',
      help: 'Reads that another node finished after one broke off',
      registers,
    });
    this.badCopies = new Counter({
      name: 'orbitvids_bad_copies_total',
      help: 'Copies found absent or corrupt while reading',
      labelNames: ['kind'],
      registers,
    });
  }

  /** A gauge that is read when the metrics are asked for. */
  observe(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** A counter with one label. */
  count<Label extends string>(name: string, help: string, label: Label): Counter<Label> {
    return new Counter({ name, help, labelNames: [label], registers: [this.registry] });
  }
}
