import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchRun, say } from './bench-run.ts';
import { measure, type PhaseLimits, prepare } from './byte-rounds.ts';
import { addSelfTimes, selfTimesByFile, type TimeWindow, topSelfTimes } from './cpu-profile.ts';
import { LoadGenerator } from './load-generator.ts';
import { type OrbitvidsSystem, startOrbitvids } from './orbitvids-system.ts';
import { processTree, threadCpuSeconds } from './process-usage.ts';
import { threeFigures } from './statistics.ts';
import { formatTable } from './text-table.ts';

const PROFILED_KINDS = ['put', 'get', 'range'] as const;
const TOP_COUNT = 20;

interface Window extends TimeWindow {
  readonly kind: (typeof PROFILED_KINDS)[number];
  readonly summary: string;
  /** CPU seconds by `role thread-name`. */
  readonly threads: ReadonlyMap<string, number>;
}

interface Profiled {
  readonly role: 'coordinator' | 'nodes' | 'database';
  readonly pids: readonly number[];
}

/** Runs OrbitVids alone under V8's sampling profiler and prints where uploads, downloads and ranges spend their time. */
export async function profileBytePath(run: BenchRun, limits: PhaseLimits): Promise<boolean> {
  const profiles = join(run.directory, 'profiles');
  mkdirSync(profiles);
  const system = run.resources.use(
    await startOrbitvids(run, {
      env: { NODE_OPTIONS: `--cpu-prof --cpu-prof-interval=500 --cpu-prof-dir=${profiles}` },
    }),
  );
  const load = run.resources.use(new LoadGenerator(run.signal));
  const loaded = await prepare(system, load);
  const roles = rolesOf(system);
  const windows: Window[] = [];
  for (const kind of PROFILED_KINDS) {
    // Once without a look, for whatever is compiled or allocated only once.
    await measure(loaded, kind, 0, limits, load, run);
    const before = threadsOf(roles);
    const sample = await measure(loaded, kind, 1, limits, load, run);
    const summary = `${threeFigures(sample.megabytesPerSecond)} MB/s, ${threeFigures(sample.cpuSecondsPerGigabyte)} CPU s/GB (with the profiler)`;
    windows.push({
      kind,
      fromUs: sample.fromUs,
      toUs: sample.toUs,
      summary,
      threads: difference(threadsOf(roles), before),
    });
  }
  // The profiles are written when the processes end.
  await system[Symbol.asyncDispose]();
  const files = readdirSync(profiles);
  for (const window of windows) {
    for (const role of roles) printTop(window, role, profiles, files);
    printThreads(window);
  }
  return true;
}

function rolesOf({ cluster }: OrbitvidsSystem): Profiled[] {
  return [
    { role: 'coordinator', pids: [cluster.coordinator.pid] },
    { role: 'nodes', pids: cluster.nodes.map(({ pid }) => pid) },
    // It runs without the profiler, but its threads are seen.
    { role: 'database', pids: processTree([cluster.coordinator.pid]).slice(1) },
  ];
}

function printTop(window: Window, { role, pids }: Profiled, directory: string, files: string[]): void {
  const totals = new Map<string, number>();
  for (const file of files) {
    // CPU.<date>.<time>.<pid>.<thread>.<sequence>.cpuprofile
    if (pids.includes(Number(file.split('.')[3]))) addSelfTimes(join(directory, file), window, totals);
  }
  if (totals.size === 0) return;
  const busyMs = [...totals].reduce((sum, [where, ms]) => (where === '(idle)' ? sum : sum + ms), 0);
  say(
    `\n${window.kind.toUpperCase()}, ${role}: ${window.summary}; ${busyMs.toFixed(0)} ms of JavaScript threads`,
  );
  printShares('function', totals, busyMs);
  printShares('file', selfTimesByFile(totals), busyMs);
}

function printShares(title: string, totals: ReadonlyMap<string, number>, busyMs: number): void {
  const rows = topSelfTimes(totals, TOP_COUNT).map(({ where, ms }) => [
    `${((100 * ms) / busyMs).toFixed(1)}%`,
    ms.toFixed(0),
    where,
  ]);
  say(formatTable([{ title: 'share' }, { title: 'ms' }, { title, align: 'left' }], rows));
}

function printThreads(window: Window): void {
  say(`\n${window.kind.toUpperCase()}, CPU seconds by kind of thread (also outside of JavaScript)`);
  const rows = [...window.threads]
    .toSorted((a, b) => b[1] - a[1])
    .map(([name, seconds]) => [seconds.toFixed(2), name]);
  say(formatTable([{ title: 'CPU s' }, { title: 'threads', align: 'left' }], rows));
}

function threadsOf(roles: readonly Profiled[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { role, pids } of roles) {
    for (const pid of pids) {
      for (const [id, { name, cpuSeconds }] of threadCpuSeconds(pid)) {
        const key = `${role}: ${id === pid ? 'main' : name}`;
        sums.set(key, (sums.get(key) ?? 0) + cpuSeconds);
      }
    }
  }
  return sums;
}

function difference(after: Map<string, number>, before: Map<string, number>): Map<string, number> {
  return new Map([...after].map(([name, seconds]) => [name, seconds - (before.get(name) ?? 0)]));
}
