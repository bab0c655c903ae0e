/** The middle value; of an even number of values the upper one of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** The value that `share` percent of the values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const rank = Math.ceil((share / 100) * values.length);
  return Float64Array.from(values).sort()[Math.max(0, rank - 1)]!;
}

/** A number with about three figures that count: 1234, 123, 12.3, 1.23, 0.0123. */
export function threeFigures(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value >= 100) return value.toFixed(0);
  if (value < 0.1) return value.toFixed(4);
  return value.toFixed(value >= 10 ? 1 : 2);
}
