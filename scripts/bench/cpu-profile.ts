import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** The parts of V8's `.cpuprofile` that are read here. Times are microseconds of the monotonic clock. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface TimeWindow {
  readonly fromUs: number;
  readonly toUs: number;
}

export interface SelfTime {
  readonly where: string;
  readonly ms: number;
}

/** Adds the time that each function of a profile had for itself within the window to `totals`, in milliseconds. */
export function addSelfTimes(path: string, window: TimeWindow, totals: Map<string, number>): void {
  const profile = JSON.parse(readFileSync(path, 'utf8')) as CpuProfile;
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  let timeUs = profile.startTime;
  for (const [index, id] of profile.samples.entries()) {
    timeUs += profile.timeDeltas[index] ?? 0;
    // A sample stands for the time until the next one.
    const durationUs = profile.timeDeltas[index + 1] ?? 0;
    if (timeUs < window.fromUs || timeUs >= window.toUs) continue;
    const name = names.get(id) ?? '(unknown)';
    totals.set(name, (totals.get(name) ?? 0) + durationUs / 1000);
  }
}

/** The functions with the most time for themselves; the time without work is left out. */
export function topSelfTimes(totals: ReadonlyMap<string, number>, count: number): SelfTime[] {
  return [...totals]
    .filter(([where]) => where !== '(idle)')
    .map(([where, ms]) => ({ where, ms }))
    .toSorted((a, b) => b.ms - a.ms)
    .slice(0, count);
}

/** The same times by file instead of by function; what has no file, such as the garbage collector, keeps its name. */
export function selfTimesByFile(totals: ReadonlyMap<string, number>): Map<string, number> {
  const byFile = new Map<string, number>();
  for (const [where, ms] of totals) {
    const file = / (\S+):\d+$/.exec(where)?.[1] ?? where;
    byFile.set(file, (byFile.get(file) ?? 0) + ms);
  }
  return byFile;
}

function nameOf(frame: CpuProfile['nodes'][number]['callFrame']): string {
  const name = frame.functionName || '(anonymous)';
  if (frame.url === '') return name;
  const file = frame.url.startsWith('node:') ? frame.url : basename(frame.url);
  return `${name} ${file}:${frame.lineNumber + 1}`;
}
