/**
 * Runs OrbitVids beside what else stores and serves files, on this machine and in one run:
 * `node scripts/bench-bytes.ts [--seconds 4] [--count N] [--rounds 3] [--peers nginx,nginx-tuned,swift]
 * [--connections 8] [--json FILE] [--dir DIRECTORY] [--profile]`.
 *
 * Eight connections upload objects of 8 MiB, read them, read ranges of 1 MiB and ask HEAD. The systems take turns
 * in every round, so that whatever else the machine does hits all of them; medians over the rounds. Figures of
 * two runs or machines do not compare; ratios within one run do.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say } from './bench/bench-run.ts';
import { type BenchSystem, MissingPeer, type StartSystem } from './bench/bench-system.ts';
import { profileBytePath } from './bench/byte-profile.ts';
import { figuresOf, formatFigures } from './bench/byte-report.ts';
import {
  type LoadedSystem,
  MEASURED_KINDS,
  measure,
  type PhaseLimits,
  prepare,
  type Sample,
} from './bench/byte-rounds.ts';
import { diskSpeed } from './bench/disk-speed.ts';
import { LoadGenerator } from './bench/load-generator.ts';
import { describeMachine, machineLine } from './bench/machine.ts';
import { startOrbitvids } from './bench/orbitvids-system.ts';
import { PEERS } from './bench/systems.ts';

interface Options {
  readonly limits: PhaseLimits;
  readonly rounds: number;
  readonly peers: readonly string[];
  readonly json: string | undefined;
  readonly directory: string;
  readonly profile: boolean;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '4' },
      count: { type: 'string', default: '100000' },
      rounds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '8' },
      peers: { type: 'string', default: Object.keys(PEERS).join(',') },
      json: { type: 'string' },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
      profile: { type: 'boolean', default: false },
    },
  });
  const peers = values.peers.split(',').filter((name) => name !== '');
  const unknown = peers.filter((name) => PEERS[name] === undefined && name !== 'none');
  if (unknown.length > 0) throw new Error(`--peers knows ${Object.keys(PEERS).join(', ')} and none.`);
  return {
    limits: {
      seconds: positive('seconds', values.seconds),
      count: positive('count', values.count),
      connections: positive('connections', values.connections),
    },
    rounds: positive('rounds', values.rounds),
    peers: peers.filter((name) => name !== 'none'),
    json: values.json,
    directory: values.dir,
    profile: values.profile,
  };
}

async function startAll(run: BenchRun, peers: readonly string[]): Promise<BenchSystem[]> {
  const starts: StartSystem[] = [(run) => startOrbitvids(run), ...peers.map((name) => PEERS[name]!)];
  const systems: BenchSystem[] = [];
  for (const start of starts) {
    try {
      const system = run.resources.use(await start(run));
      systems.push(system);
      say(`${system.name}: ${system.description}`);
    } catch (error) {
      if (!(error instanceof MissingPeer)) throw error;
      say(`left out: ${error.message}`);
    }
  }
  return systems;
}

function rotate<Item>(items: readonly Item[], turns: number): Item[] {
  const start = turns % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

async function compare(run: BenchRun, options: Options): Promise<boolean> {
  const machine = describeMachine();
  say(machineLine(machine));
  const diskRate = await diskSpeed(run.directory);
  say(
    `the disk took ${diskRate.toFixed(0)} MB/s in synced files of 8 MiB: ${(diskRate / 3).toFixed(0)} MB/s of uploads with three copies`,
  );
  const systems = await startAll(run, options.peers);
  const load = run.resources.use(new LoadGenerator(run.signal));
  const loaded: LoadedSystem[] = [];
  for (const system of systems) loaded.push(await prepare(system, load));
  const samples: Sample[] = [];
  // Round 0 does not count: whoever compiles while running has done most of it by then.
  for (let round = 0; round <= options.rounds; round++) {
    for (const kind of MEASURED_KINDS) {
      // Everybody is first, second and last in turn.
      for (const entry of rotate(loaded, round)) {
        const sample = await measure(entry, kind, round, options.limits, load, run);
        if (round > 0) samples.push(sample);
      }
    }
    process.stderr.write(`round ${round} of ${options.rounds} done\n`);
  }
  const figures = figuresOf(
    samples,
    systems.map(({ name }) => name),
  );
  const { limits, rounds } = options;
  say(
    `${limits.connections} connections, ${limits.seconds} s a phase, medians of ${rounds} interleaved rounds; MB is 10^6 and GB 10^9 bytes;`,
  );
  say(
    `CPU time is that of all of a system's processes, without the load generator; "ours" is ${systems[0]?.name}.`,
  );
  say();
  say(formatFigures(figures));
  if (options.json !== undefined)
    writeFileSync(
      options.json,
      `${JSON.stringify({ machine, diskRate, limits, rounds, figures, samples }, null, 2)}\n`,
    );
  return true;
}

const options = readOptions();
await runBench(options.directory, (run) =>
  options.profile ? profileBytePath(run, options.limits) : compare(run, options),
);
