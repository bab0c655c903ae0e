import { MEASURED_KINDS, type MeasuredKind, type Sample } from './byte-rounds.ts';
import { median, threeFigures } from './statistics.ts';
import { formatTable } from './text-table.ts';

/** Medians over the rounds of one system and kind, and how they compare with OrbitVids in the same run. */
export interface Figure {
  readonly system: string;
  readonly kind: MeasuredKind;
  readonly rounds: number;
  readonly requestsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
  readonly cpuMsPerRequest: number;
  readonly loadCpuSecondsPerGigabyte: number;
  /** Slowest and fastest round over the median. */
  readonly spread: readonly [number, number];
  /** OrbitVids' rate over this system's: above 1, OrbitVids is faster. */
  readonly oursOverRate: number;
  /** OrbitVids' CPU time over this system's: below 1, OrbitVids needs less. */
  readonly oursOverCpu: number;
}

const TITLES: Readonly<Record<MeasuredKind, string>> = {
  put: 'Uploads of 8 MiB',
  get: 'Downloads of 8 MiB',
  range: 'Ranges of 1 MiB at random offsets of 8 MiB objects',
  head: 'HEAD',
};

/**
 * Figures in the order of `systems`, the first of which is what the others are compared with. Ratios are taken
 * within a round, where both met the same machine, and then their median.
 */
export function figuresOf(samples: readonly Sample[], systems: readonly string[]): Figure[] {
  const groups = Map.groupBy(samples, ({ system, kind }) => `${kind} ${system}`);
  const ours = new Map(
    samples
      .filter(({ system }) => system === systems[0])
      .map((sample) => [`${sample.kind} ${sample.round}`, sample]),
  );
  const figures = [...groups.values()].map((group): Figure => {
    const middle = (read: (sample: Sample) => number) => median(group.map(read));
    const against = (read: (sample: Sample) => number) =>
      middle((sample) => read(ours.get(`${sample.kind} ${sample.round}`) ?? sample) / read(sample));
    const rates = group.map((sample) => sample.requestsPerSecond);
    return {
      system: group[0]!.system,
      kind: group[0]!.kind,
      rounds: group.length,
      requestsPerSecond: median(rates),
      megabytesPerSecond: middle((sample) => sample.megabytesPerSecond),
      cpuSecondsPerGigabyte: middle((sample) => sample.cpuSecondsPerGigabyte),
      cpuMsPerRequest: middle((sample) => sample.cpuMsPerRequest),
      loadCpuSecondsPerGigabyte: middle((sample) => sample.loadCpuSecondsPerGigabyte),
      spread: [Math.min(...rates) / median(rates), Math.max(...rates) / median(rates)],
      oursOverRate: against((sample) => sample.requestsPerSecond),
      oursOverCpu: against((sample) => sample.cpuMsPerRequest),
    };
  });
  return figures.toSorted((a, b) => systems.indexOf(a.system) - systems.indexOf(b.system));
}

/** One table for each kind of request. */
export function formatFigures(figures: readonly Figure[]): string {
  const tables = MEASURED_KINDS.map((kind) => {
    const isHead = kind === 'head';
    const rows = figures
      .filter((figure) => figure.kind === kind)
      .map((figure) => [
        figure.system,
        threeFigures(isHead ? figure.requestsPerSecond : figure.megabytesPerSecond),
        `${figure.spread[0].toFixed(2)}-${figure.spread[1].toFixed(2)}`,
        threeFigures(isHead ? figure.cpuMsPerRequest : figure.cpuSecondsPerGigabyte),
        threeFigures(figure.oursOverRate),
        threeFigures(figure.oursOverCpu),
        isHead ? '' : threeFigures(figure.loadCpuSecondsPerGigabyte),
      ]);
    const columns = [
      { title: 'system', align: 'left' as const },
      { title: isHead ? 'requests/s' : 'MB/s' },
      { title: 'spread' },
      { title: isHead ? 'CPU ms/request' : 'CPU s/GB' },
      { title: isHead ? 'rate, ours/its' : 'MB/s, ours/its' },
      { title: 'CPU, ours/its' },
      { title: isHead ? '' : '(load generator CPU s/GB)' },
    ];
    return `${TITLES[kind]}\n${formatTable(columns, rows)}`;
  });
  return tables.join('\n\n');
}
