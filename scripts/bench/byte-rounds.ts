import { execFileSync } from 'node:child_process';
import { systemClock } from '../../lib/clock/clock.ts';
import type { BenchRun } from './bench-run.ts';
import type { BenchSystem } from './bench-system.ts';
import type { LoadGenerator } from './load-generator.ts';
import type { LoadKind, LoadPhase } from './load-plan.ts';
import { cpuSecondsOf } from './process-usage.ts';

export const MEASURED_KINDS = ['put', 'get', 'range', 'head'] as const;
export type MeasuredKind = (typeof MEASURED_KINDS)[number];

/** One phase of one system. */
export interface Sample {
  readonly system: string;
  readonly kind: MeasuredKind;
  readonly round: number;
  readonly requestsPerSecond: number;
  /** 10^6 bytes a second. */
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
  readonly cpuMsPerRequest: number;
  /** When the load ran, in microseconds of the monotonic clock. */
  readonly fromUs: number;
  readonly toUs: number;
  /** What the load generator itself used; not part of the system's figure. */
  readonly loadCpuSecondsPerGigabyte: number;
}

export interface PhaseLimits {
  readonly seconds: number;
  readonly count: number;
  readonly connections: number;
}

/** Objects that reads choose from: few enough to stay in the page cache of every system. */
const READ_SET = 32;
/** Copies that were not waited for and updates in the background still count. */
const SETTLE_MS = 500;

/** Uploads are few a second, so whoever compiles while running would take minutes of them to have done it. */
const WARM_UP_UPLOADS = 800;
const WARM_UP_BYTES = 512 * 1024;

/** A system with the objects that its reads take turns at. */
export interface LoadedSystem {
  readonly system: BenchSystem;
  readonly names: readonly string[];
}

/** Fills the system with what will be read, and has it do many small uploads, which do not count. */
export async function prepare(system: BenchSystem, load: LoadGenerator): Promise<LoadedSystem> {
  const phase: LoadPhase = {
    kind: 'put',
    target: system.target,
    connections: 4,
    secondsMax: 120,
    countMax: READ_SET,
    names: ['read'],
  };
  const { names } = await load.run(phase);
  const small: LoadPhase = {
    ...phase,
    ...{ connections: 8, countMax: WARM_UP_UPLOADS, names: ['small'], uploadBytes: WARM_UP_BYTES },
  };
  await removeAll(small, (await load.run(small)).names, load);
  // Once through, so that the first round reads from the page cache as the later ones do.
  await load.run({ ...phase, kind: 'get', names });
  return { system, names };
}

/** Runs one phase and says what it took. Uploaded objects are deleted again, outside of the measurement. */
export async function measure(
  { system, names }: LoadedSystem,
  kind: MeasuredKind,
  round: number,
  limits: PhaseLimits,
  load: LoadGenerator,
  run: BenchRun,
): Promise<Sample> {
  const phase: LoadPhase = {
    kind,
    target: system.target,
    connections: limits.connections,
    secondsMax: limits.seconds,
    countMax: limits.count,
    names: kind === 'put' ? [`round-${round}`] : names,
  };
  const checked = await load.check(phase);
  // What another system left to be written must not be written on this one's account.
  if (kind === 'put') execFileSync('sync');
  await systemClock.sleep(SETTLE_MS, run.signal);
  const before = cpuSecondsOf(system.pids());
  const fromUs = monotonicUs();
  const result = await load.run(phase);
  const toUs = monotonicUs();
  await systemClock.sleep(SETTLE_MS, run.signal);
  const cpuSeconds = cpuSecondsOf(system.pids()) - before;
  if (kind === 'put') await removeAll(phase, [...checked.names, ...result.names], load);
  const gigabytes = result.bytes / 1e9;
  return {
    system: system.name,
    kind,
    round,
    requestsPerSecond: result.requests / result.seconds,
    megabytesPerSecond: result.bytes / 1e6 / result.seconds,
    cpuSecondsPerGigabyte: cpuSeconds / gigabytes,
    cpuMsPerRequest: (cpuSeconds * 1000) / result.requests,
    fromUs,
    toUs,
    loadCpuSecondsPerGigabyte: result.cpuSeconds / gigabytes,
  };
}

async function removeAll(phase: LoadPhase, names: readonly string[], load: LoadGenerator): Promise<void> {
  const kind: LoadKind = 'delete';
  await load.run({ ...phase, kind, names, countMax: names.length, secondsMax: 120 });
}

function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
