import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BUFFER_SECONDS, x264Parameters } from '../../worker/engine/encode/x264-settings.ts';
import { say } from './bench-run.ts';
import { median, threeFigures } from './statistics.ts';
import { formatTable } from './text-table.ts';
import { runTimed } from './timed-command.ts';
import { type EnginesSample, inDirectory, runEngines } from './transcode-engine.ts';
import type { TranscodeBench, TranscodePart } from './transcode-part.ts';
import {
  AUDIO_BIT_RATE,
  audioTask,
  type FilmPlan,
  piecesLine,
  piecesOf,
  planFilm,
  RUNGS,
} from './transcode-tasks.ts';

/** Pieces that the film is cut into for each core: the more, the less a core is left without one at the end. */
const PIECES_A_CORE = 2;
/** Hours that an hour of video takes in the system that is to be outdone. */
const HOURS_AN_HOUR_TODAY = [1.25, 1.5] as const;

/**
 * What the ladder costs beside one plain command of FFmpeg that decodes once and writes the same rungs with the same
 * settings of the same encoders, in turns; how fast it is; how many bytes it makes.
 */
export const ladderPart: TranscodePart = {
  name: 'ladder',
  async measure(bench) {
    const { film, rounds } = bench;
    const plan = await planFilm(film);
    const cores = Array.from({ length: availableParallelism() }, () => undefined);
    // In the order in which a coordinator lends them.
    const tasks = [audioTask(plan), ...piecesOf(plan, cores.length * PIECES_A_CORE)];
    say(piecesLine(plan, tasks));
    const ours: EnginesSample[] = [];
    const plain: EnginesSample[] = [];
    for (let round = 0; round < rounds; round += 1) {
      plain.push(await runPlain(bench, plan));
      ours.push(await runEngines(bench, tasks, cores));
    }
    return report(plan.probe.durationSeconds, film.sizeBytes, ours, plain);
  },
};

function runPlain({ run, film }: TranscodeBench, { plan }: FilmPlan): Promise<EnginesSample> {
  const keyframes = plan.boundaries.slice(0, -1).map((tick) => (tick / plan.timescale).toFixed(6));
  return inDirectory(run.directory, 'plain', (directory) => {
    const split = `[0:v]split=${RUNGS.length}${RUNGS.map((_, index) => `[s${index}]`).join('')}`;
    const scales = RUNGS.map(({ width, height }, index) => `[s${index}]scale=${width}:${height}[v${index}]`);
    const outputs = RUNGS.flatMap(({ crf, preset, bitRateMax, name }, index) =>
      [
        `-map [v${index}] -c:v libx264 -preset ${preset} -crf ${crf} -profile:v high -maxrate ${bitRateMax}`,
        `-x264-params ${x264Parameters(preset)}`,
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

function report(
  seconds: number,
  sourceBytes: number,
  ours: readonly EnginesSample[],
  plain: readonly EnginesSample[],
) {
  const cpuRatio = median(ours.map(({ cpuSeconds }, index) => cpuSeconds / plain[index]!.cpuSeconds));
  const row = (name: string, samples: readonly EnginesSample[]) => {
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
