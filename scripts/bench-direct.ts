/**
 * What direct uploads spare the coordinator: its CPU seconds a GB beside those of uploads that pass it, in one run:
 * `node scripts/bench-direct.ts [--rounds 3] [--size 1GiB] [--parallel 4] [--json FILE] [--dir DIRECTORY]`.
 *
 * A direct upload is counted until its SHA-256 is known as well, which a proxied one has at its end. What the coordinator
 * takes while nothing happens is measured between the rounds, and its median subtracted; the table has both. Exits with 1 when direct
 * uploads take more than 5 %.
 */
import { randomBytes } from 'node:crypto';
import { openAsBlob, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../lib/clock/clock.ts';
import { uploadDirect } from '../lib/upload-client/direct-upload.ts';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say, size } from './bench/bench-run.ts';
import { describeMachine, machineLine } from './bench/machine.ts';
import { type OrbitvidsSystem, startOrbitvids } from './bench/orbitvids-system.ts';
import { cpuSecondsOf, processTree } from './bench/process-usage.ts';
import { median, threeFigures } from './bench/statistics.ts';
import { streamedUpload } from './bench/streamed-upload.ts';
import { formatTable } from './bench/text-table.ts';

const MIB = 1024 * 1024;
const GB = 1e9;
const SHARE_MAX = 0.05;
const IDLE_MS = 4000;
/** What the coordinator does by the clock would hide what a GB costs, the more so the slower the disks are. */
const QUIET = {
  ...{ HEALTH_INTERVAL: '20s', DOWN_AFTER: '2m', SWEEP_INTERVAL: '1h', CENSUS_INTERVAL: '1h' },
  // A new cluster looks through all of its ranges once.
  RANGES: '256',
};
const POLL_MS = 1000;

interface Usage {
  readonly seconds: number;
  readonly coordinator: number;
  readonly database: number;
  readonly nodes: number;
}

/** CPU seconds and time, a GB. */
interface Round extends Usage {
  readonly way: 'proxied' | 'direct';
  readonly round: number;
}

function look({ cluster }: OrbitvidsSystem): Usage {
  const coordinator = cluster.coordinator.pid;
  const children = processTree([coordinator]).filter((pid) => pid !== coordinator);
  return {
    seconds: performance.now() / 1000,
    coordinator: cpuSecondsOf([coordinator]),
    database: cpuSecondsOf(children),
    nodes: cpuSecondsOf(cluster.nodes.map(({ pid }) => pid)),
  };
}

function between(before: Usage, after: Usage): Usage {
  return {
    seconds: after.seconds - before.seconds,
    coordinator: after.coordinator - before.coordinator,
    database: after.database - before.database,
    nodes: after.nodes - before.nodes,
  };
}

function perGb(used: Usage, bytes: number): Usage {
  const share = bytes / GB;
  return {
    seconds: used.seconds / share,
    coordinator: used.coordinator / share,
    database: used.database / share,
    nodes: used.nodes / share,
  };
}

async function writeFileOf(path: string, block: Buffer, sizeBytes: number): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (let written = 0; written < sizeBytes; written += block.length) {
      await file.write(block, 0, Math.min(block.length, sizeBytes - written));
    }
  } finally {
    await file.close();
  }
}

async function untilHashed(system: OrbitvidsSystem, id: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const response = await fetch(`${system.cluster.url}/api/v1/videos/${id}`, { signal });
    const { sha256 } = (await response.json()) as { sha256: string | null };
    if (sha256 !== null) return;
    await systemClock.sleep(POLL_MS, signal);
  }
}

/** Until repair says that every copy of every chunk is there: what it has to do is nothing then. */
async function untilWhole(
  system: OrbitvidsSystem,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const response = await fetch(`${system.cluster.url}/api/v1/admin/repair`, { headers, signal });
    if (((await response.json()) as { complete: boolean }).complete) return;
    await systemClock.sleep(POLL_MS, signal);
  }
}

async function measure(
  run: BenchRun,
  options: { rounds: number; sizeBytes: number; parallel: number },
): Promise<{ rounds: Round[]; idleShare: number }> {
  const { rounds, sizeBytes, parallel } = options;
  const { signal } = run;
  const block = randomBytes(MIB);
  const path = join(run.directory, 'source.mp4');
  await writeFileOf(path, block, sizeBytes);
  const system = run.resources.use(await startOrbitvids(run, { env: QUIET }));
  const { target } = system;
  const token = target.headers.authorization!.replace('Bearer ', '');
  const ways = {
    proxied: () => streamedUpload(target, block, sizeBytes, signal),
    direct: async () => {
      const file = await openAsBlob(path);
      const { id } = await uploadDirect(file, {
        url: target.url,
        token,
        contentType: 'video/mp4',
        parallel,
        signal,
      });
      await untilHashed(system, id, signal);
      return id;
    },
  };
  // Code that has not run yet is slow.
  for (const way of [ways.proxied, ways.direct]) await way();
  await untilWhole(system, target.headers, signal);
  const results: Round[] = [];
  const idle: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const way of ['proxied', 'direct'] as const) {
      const before = look(system);
      await systemClock.sleep(IDLE_MS, signal);
      const nothing = between(before, look(system));
      idle.push(nothing.coordinator / nothing.seconds);
      const start = look(system);
      await ways[way]();
      const used = perGb(between(start, look(system)), sizeBytes);
      results.push({ way, round, ...used });
      say(`round ${round} ${way}: coordinator ${threeFigures(used.coordinator)} CPU s/GB`);
      // Copies that a quorum could do without are made afterwards, and count for nobody's round.
      await untilWhole(system, target.headers, signal);
    }
  }
  return { rounds: results, idleShare: median(idle) };
}

/** Says it, and returns what direct uploads take of what proxied ones do. */
function report(results: readonly Round[], idleShare: number): number {
  const of = (way: Round['way'], name: keyof Usage) =>
    median(results.filter((result) => result.way === way).map((result) => result[name]));
  const net = (way: Round['way']) =>
    median(
      results
        .filter((result) => result.way === way)
        .map(({ coordinator, seconds }) => coordinator - idleShare * seconds),
    );
  const rows = (['proxied', 'direct'] as const).map((way) => [
    way,
    threeFigures(net(way)),
    ...(['coordinator', 'database', 'nodes', 'seconds'] as const).map((name) => threeFigures(of(way, name))),
  ]);
  say(
    formatTable(
      [
        { title: 'upload', align: 'left' },
        { title: 'coordinator CPU s/GB' },
        { title: 'with its idle time' },
        { title: 'database CPU s/GB' },
        { title: 'nodes CPU s/GB' },
        { title: 's/GB' },
      ],
      rows,
    ),
  );
  say(`while nothing happens: ${threeFigures(idleShare)} CPU seconds a second`);
  return net('direct') / net('proxied');
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    size: { type: 'string', default: '1GiB' },
    parallel: { type: 'string', default: '4' },
    json: { type: 'string' },
    dir: { type: 'string', default: DEFAULT_DIRECTORY },
  },
});
const options = {
  rounds: positive('rounds', values.rounds),
  sizeBytes: size('size', values.size),
  parallel: positive('parallel', values.parallel),
};
await runBench(values.dir, async (run) => {
  const machine = describeMachine();
  say(machineLine(machine));
  const { rounds, idleShare } = await measure(run, options);
  const share = report(rounds, idleShare);
  say(`direct / proxied, coordinator CPU a GB: ${(share * 100).toFixed(1)} % (at most ${SHARE_MAX * 100} %)`);
  if (values.json !== undefined) {
    writeFileSync(
      values.json,
      `${JSON.stringify({ machine, options, rounds, idleShare, share }, null, 2)}\n`,
    );
  }
  return share <= SHARE_MAX;
});
