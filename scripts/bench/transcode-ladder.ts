import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Task } from '../../lib/worker-api/tasks.ts';
import { BUFFER_SECONDS } from '../../worker/engine/encode/x264-settings.ts';
import { say } from './bench-run.ts';
import { median, threeFigures } from './statistics.ts';
import { formatTable } from './text-table.ts';
import { runTimed, type Timed } from './timed-command.ts';
import type { TranscodeBench, TranscodePart } from './transcode-part.ts';
import { AUDIO_BIT_RATE, audioTask, type FilmPlan, piecesOf, planFilm, RUNGS } from './transcode-tasks.ts';

const ENGINE_MAIN = join(import.meta.dirname, 'transcode-engine-main.ts');
/** Hours that an hour of video takes in the system that is to be outdone. */
const HOURS_AN_HOUR_TODAY = [1.25, 1.5] as const;

interface Sample extends Timed {
  readonly bytes: number;
}

/**
 * What the ladder costs beside one plain command of FFmpeg that decodes once and writes the same rungs with the same
 * settings of the same encoders, in turns; how fast it is; how many bytes it makes.
 */
export const ladderPart: TranscodePart = {
  name: 'ladder',
  async measure(bench) {
    const { film, rounds } = bench;
    const plan = await planFilm(film);
    const slots = availableParallelism();
    const ours: Sample[] = [];
    const plain: Sample[] = [];
    for (let round = 0; round < rounds; round += 1) {
      plain.push(await runPlain(bench, plan));
      ours.push(await runWorker(bench, [...piecesOf(plan, slots), audioTask(plan)], slots));
    }
    return report(plan.probe.durationSeconds, film.sizeBytes, ours, plain);
  },
};

/** Does a task in a process like a worker's child, which may keep one core busy, or only the one that it is pinned to. */
export async function runEngine(bench: TranscodeBench, task: Task, core?: number): Promise<Sample> {
  const { run, film } = bench;
  return inDirectory(run.directory, `engine-${task.taskId}`, (directory) => {
    const tasksPath = join(run.directory, `${task.taskId}.json`);
    writeFileSync(tasksPath, JSON.stringify([task]));
    return runTimed(run, process.execPath, [ENGINE_MAIN, film.path, directory, tasksPath, '1'], core);
  });
}

/** Does tasks as a worker does that takes as many at a time as the machine has cores. */
async function runWorker(bench: TranscodeBench, tasks: readonly Task[], slots: number): Promise<Sample> {
  const queue = [...tasks];
  const done: Sample[] = [];
  const start = performance.now();
  await Promise.all(
    Array.from({ length: slots }, async () => {
      for (let task = queue.shift(); task !== undefined; task = queue.shift())
        done.push(await runEngine(bench, task));
    }),
  );
  return {
    wallSeconds: (performance.now() - start) / 1000,
    cpuSeconds: done.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    bytes: done.reduce((sum, { bytes }) => sum + bytes, 0),
    output: '',
  };
}

function runPlain({ run, film }: TranscodeBench, { plan }: FilmPlan): Promise<Sample> {
  const keyframes = plan.boundaries.slice(0, -1).map((tick) => (tick / plan.timescale).toFixed(6));
  return inDirectory(run.directory, 'plain', (directory) => {
    const split = `[0:v]split=${RUNGS.length}${RUNGS.map((_, index) => `[s${index}]`).join('')}`;
    const scales = RUNGS.map(({ width, height }, index) => `[s${index}]scale=${width}:${height}[v${index}]`);
    const outputs = RUNGS.flatMap(({ crf, preset, bitRateMax, name }, index) =>
      [
        `-map [v${index}] -c:v libx264 -preset ${preset} -crf ${crf} -profile:v high -maxrate ${bitRateMax}`,
        `-bufsize ${bitRateMax * BUFFER_SECONDS} -g ${2 ** 30} -forced-idr 1 -force_key_frames ${keyframes.join(',')}`,
        `-movflags +frag_keyframe+empty_moov ${join(directory, `${name}.mp4`)}`,
      ].flatMap((part) => part.split(' ')),
    );
    const audio = `-map 0:a -c:a aac -b:a ${AUDIO_BIT_RATE} -ac 2 ${join(directory, 'audio.m4a')}`.split(' ');
    const input = [
      '-v',
      'error',
      '-nostdin',
      '-y',
      '-i',
      film.path,
      '-filter_complex',
      [split, ...scales].join(';'),
    ];
    return runTimed(run, 'ffmpeg', [...input, ...outputs, ...audio]);
  });
}

async function inDirectory(
  parent: string,
  name: string,
  work: (directory: string) => Promise<Timed>,
): Promise<Sample> {
  const directory = join(parent, name);
  mkdirSync(directory);
  try {
    const timed = await work(directory);
    const bytes = readdirSync(directory).reduce((sum, file) => sum + statSync(join(directory, file)).size, 0);
    return { ...timed, bytes };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function report(seconds: number, sourceBytes: number, ours: readonly Sample[], plain: readonly Sample[]) {
  const cpuRatio = median(ours.map(({ cpuSeconds }, index) => cpuSeconds / plain[index]!.cpuSeconds));
  const row = (name: string, samples: readonly Sample[]) => {
    const wall = median(samples.map(({ wallSeconds }) => wallSeconds));
    return [
      name,
      threeFigures(median(samples.map(({ cpuSeconds }) => cpuSeconds))),
      threeFigures(wall),
      threeFigures(seconds / wall),
      threeFigures(wall / seconds),
      threeFigures(median(samples.map(({ bytes }) => bytes)) / 1e6),
    ];
  };
  say(
    `The ladder ${RUNGS.map(({ name }) => name).join(', ')} and sound of ${threeFigures(seconds)} s of 1080p:`,
  );
  say(
    formatTable(
      [
        { title: '', align: 'left' },
        { title: 'CPU s' },
        { title: 'wall s' },
        { title: 'x real time' },
        { title: 'hours an hour' },
        { title: 'MB' },
      ],
      [row('plain ffmpeg', plain), row('engine', ours)],
    ),
  );
  const hoursAnHour = median(ours.map(({ wallSeconds }) => wallSeconds)) / seconds;
  const faster = HOURS_AN_HOUR_TODAY.map((hours) => hours / hoursAnHour);
  const bytesRatio = median(ours.map(({ bytes }) => bytes)) / sourceBytes;
  say(
    `CPU of the engine / plain ffmpeg, median of ${ours.length} rounds: ${threeFigures(cpuRatio)} (at most 1.15)`,
  );
  say(
    `Faster than ${HOURS_AN_HOUR_TODAY.join('-')} hours an hour: ${faster.map(threeFigures).join('-')} times (at least 3)`,
  );
  say(`Bytes of all renditions / the source's: ${threeFigures(bytesRatio)} (at most 1.6)`);
  return { cpuRatio, hoursAnHour, bytesRatio };
}
