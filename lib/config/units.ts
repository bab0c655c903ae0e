import { z } from 'zod';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
  TIB: 1024 ** 4,
};

const DURATION_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** "512MiB", "1.5 GB" or "1048576" to bytes; undefined when it is not a size. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim());
  const unit = match === null ? undefined : SIZE_UNITS[match[2]!.toUpperCase()];
  if (match === null || unit === undefined) return undefined;
  const bytes = Math.floor(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** "30s", "5m", "250ms" or "250" (milliseconds) to milliseconds; undefined when it is not a duration. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/.exec(text.trim());
  const unit = match === null ? undefined : DURATION_UNITS[match[2]!];
  if (match === null || unit === undefined) return undefined;
  return Math.round(Number(match[1]) * unit);
}

/** A zod schema for a size in an environment variable; yields bytes. */
export function sizeBytes() {
  return parsed(parseSizeBytes, 'a size such as 512MiB');
}

/** A zod schema for a duration in an environment variable; yields milliseconds. */
export function durationMs() {
  return parsed(parseDurationMs, 'a duration such as 30s');
}

function parsed(parse: (text: string) => number | undefined, expected: string) {
  return z.string().transform((text, context) => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `expected ${expected}, got "${text}"` });
    return z.NEVER;
  });
}

/** Origins such as `https://videos.example`, separated by commas, or `*`; by default none. */
export function webOrigins(byDefault: '' | '*' = '') {
  return z
    .string()
    .default(byDefault)
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .refine((origins) => origins.every((origin) => origin === '*' || URL.parse(origin)?.origin === origin), {
      message: 'expected origins such as https://videos.example, or *',
    });
}
