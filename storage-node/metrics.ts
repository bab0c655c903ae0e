import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ScrubStatus } from '../lib/node-api/schema.ts';
import type { RepositoryStats } from './repository/video-repository.ts';

/** A node's Prometheus metrics. */
export interface NodeMetrics {
  readonly registry: Registry;
  /** Labels: `method`, `route`, `status`. */
  readonly requestSeconds: Histogram<'method' | 'route' | 'status'>;
  /** Chunk bytes stored. */
  readonly bytesIn: Counter;
  /** Chunk bytes sent. */
  readonly bytesOut: Counter;
}

const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** The sources are asked whenever the metrics are. */
export function createMetrics(sources: {
  stats: () => RepositoryStats;
  indexCommits: () => number;
  indexReads: () => number;
  scrub: () => Pick<ScrubStatus, 'checkedBytes' | 'foundCorrupt' | 'progress'>;
}): NodeMetrics {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `orbitvids_node_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const counter = (name: string, help: string, read: () => number) =>
    new Counter({
      name: `orbitvids_node_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  const { stats, indexCommits, indexReads, scrub } = sources;
  gauge('capacity_bytes', 'What the node may use.', () => stats().capacityBytes);
  counter('chunks_lost_total', 'Chunks whose entry was there, but not their bytes.', () => stats().lostCount);
  gauge('used_bytes', 'What counts against the capacity, reservations included.', () => stats().usedBytes);
  gauge('chunks', 'Chunks stored.', () => stats().chunkCount);
  gauge(
    'quarantined_chunks',
    'Chunks set aside because they failed verification.',
    () => stats().quarantinedCount,
  );
  gauge('disk_ok', '1 while the disk takes writes, 0 when it is full or failing.', () =>
    stats().disk === 'ok' ? 1 : 0,
  );
  counter('index_commits_total', 'Synced writes of the index.', indexCommits);
  counter('index_reads_total', 'Entries that were looked up or passed over in the index.', indexReads);
  gauge('scrub_progress', 'How far the pass of the scrub is, by position: 0 to 1.', () => scrub().progress);
  gauge('scrub_checked_bytes', 'Chunk bytes verified by the pass.', () => scrub().checkedBytes);
  gauge('scrub_found_corrupt', 'What the pass found not to be sound.', () => scrub().foundCorrupt);
  gauge('resident_bytes', 'Resident memory of the process.', () => process.memoryUsage.rss());
  counter('cpu_seconds_total', 'CPU time of the process.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  return {
    registry,
    requestSeconds: new Histogram({
      name: 'orbitvids_node_request_seconds',
      help: 'Time from a request to the end of its handling.',
      labelNames: ['method', 'route', 'status'],
      buckets: BUCKETS_S,
      registers,
    }),
    bytesIn: new Counter({
      name: 'orbitvids_node_stored_bytes_total',
      help: 'Chunk bytes received or pulled, and stored.',
      registers,
    }),
    bytesOut: new Counter({
      name: 'orbitvids_node_sent_bytes_total',
      help: 'Chunk bytes sent to readers.',
      registers,
    }),
  };
}
