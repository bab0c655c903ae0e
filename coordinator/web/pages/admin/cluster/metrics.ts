/** What the coordinator has counted since it started, as far as it is drawn. */
export interface Counts {
  readonly atMs: number;
  readonly requests: number;
  readonly sentBytes: number;
  readonly uploadedBytes: number;
  /** Requests that took at most so long, by seconds, in order. */
  readonly buckets: readonly (readonly [seconds: number, requests: number])[];
}

/** What happened between two counts, for each second of it. */
export interface Rates {
  readonly atMs: number;
  readonly requestsPerSecond: number;
  readonly sentPerSecond: number;
  readonly uploadedPerSecond: number;
  /** Null when there were no requests. */
  readonly medianMs: number | null;
  readonly p95Ms: number | null;
}

const LINE = /^(\w+)(?:\{([^}]*)\})? ([\d.eE+-]+|\+Inf|NaN)/;

/** Reads the text that Prometheus reads. */
export function readCounts(text: string, atMs: number): Counts {
  let [requests, sentBytes, uploadedBytes] = [0, 0, 0];
  const buckets = new Map<number, number>();
  for (const line of text.split('\n')) {
    const [, name, labels = '', value = ''] = LINE.exec(line) ?? [];
    const number = Number(value);
    if (!Number.isFinite(number)) continue;
    if (name === 'orbitvids_request_seconds_count') requests += number;
    else if (name === 'orbitvids_sent_bytes_total') sentBytes += number;
    else if (name === 'orbitvids_uploaded_bytes_total') uploadedBytes += number;
    else if (name === 'orbitvids_request_seconds_bucket') {
      const le = /le="([^"]+)"/.exec(labels)?.[1];
      const seconds = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le);
      buckets.set(seconds, (buckets.get(seconds) ?? 0) + number);
    }
  }
  return { atMs, requests, sentBytes, uploadedBytes, buckets: [...buckets].sort(([a], [b]) => a - b) };
}

/** Undefined when the coordinator has been started anew in between, or another one has answered. */
export function ratesBetween(before: Counts, after: Counts): Rates | undefined {
  const seconds = (after.atMs - before.atMs) / 1000;
  if (seconds <= 0 || after.requests < before.requests || after.sentBytes < before.sentBytes)
    return undefined;
  const known = new Map(before.buckets);
  const buckets = after.buckets.map(([le, count]) => [le, count - (known.get(le) ?? 0)] as const);
  return {
    atMs: after.atMs,
    requestsPerSecond: (after.requests - before.requests) / seconds,
    sentPerSecond: (after.sentBytes - before.sentBytes) / seconds,
    uploadedPerSecond: Math.max(0, after.uploadedBytes - before.uploadedBytes) / seconds,
    medianMs: quantileMs(buckets, 0.5),
    p95Ms: quantileMs(buckets, 0.95),
  };
}

/** By a straight line within the bucket, as Prometheus does it. */
function quantileMs(buckets: readonly (readonly [number, number])[], share: number): number | null {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const wanted = total * share;
  let [lower, below] = [0, 0];
  for (const [upper, count] of buckets) {
    if (count >= wanted) {
      if (!Number.isFinite(upper)) return lower * 1000;
      const within = count === below ? 1 : (wanted - below) / (count - below);
      return (lower + (upper - lower) * within) * 1000;
    }
    [lower, below] = [upper, count];
  }
  return lower * 1000;
}
