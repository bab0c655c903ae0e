import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskOf, VideoRung } from '../../lib/worker-api/tasks.ts';
import { say } from './bench-run.ts';
import { threeFigures } from './statistics.ts';
import { formatTable } from './text-table.ts';
import { runTimed } from './timed-command.ts';
import { Engine, inDirectory } from './transcode-engine.ts';
import type { TranscodeBench, TranscodePart } from './transcode-part.ts';
import { type FilmPlan, piecesOf, planFilm, RUNGS, RUNGS_BEFORE } from './transcode-tasks.ts';

/** Pieces that the film is cut into; the first one is looked at. */
const PIECES = 2;

interface Made {
  readonly kilobits: number;
  readonly ssim: number;
}

/**
 * What speed costs: each rung of a piece with its settings and with those that the ladder had before it was made fast;
 * bytes, and the structural similarity to the source's pictures, scaled to the rung's size.
 */
export const qualityPart: TranscodePart = {
  name: 'quality',
  async measure(bench) {
    const plan = await planFilm(bench.film);
    const ours = await encodeWith(bench, plan, RUNGS);
    const before = await encodeWith(bench, plan, RUNGS_BEFORE);
    const rows = RUNGS.map(({ name }, index) => {
      const [made, other] = [ours.rungs[index]!, before.rungs[index]!];
      return [
        name,
        ...[other, made].flatMap(({ kilobits, ssim }) => [threeFigures(kilobits), ssim.toFixed(4)]),
        threeFigures(made.kilobits / other.kilobits),
        (made.ssim - other.ssim).toFixed(4),
      ];
    });
    say('Quality of a piece, beside the settings before:');
    say(
      formatTable(
        [
          { title: '', align: 'left' },
          ...['before', 'now'].flatMap((when) => [{ title: `${when}: kbit/s` }, { title: `${when}: SSIM` }]),
          { title: 'bytes x' },
          { title: 'SSIM +' },
        ],
        rows,
      ),
    );
    const cpuRatio = ours.cpuSeconds / before.cpuSeconds;
    say(`CPU now / before, decoding and scaling included: ${threeFigures(cpuRatio)}`);
    return { ours: ours.rungs, before: before.rungs, cpuRatio };
  },
};

async function encodeWith(
  bench: TranscodeBench,
  plan: FilmPlan,
  rungs: readonly VideoRung[],
): Promise<{ readonly rungs: readonly Made[]; readonly cpuSeconds: number }> {
  return await inDirectory(bench.run.directory, 'quality', async (directory) => {
    await using engine = await Engine.start(bench, directory);
    const task: TaskOf<'encode'> = { ...piecesOf(plan, PIECES)[0]!, rungs: [...rungs] };
    const result = await engine.run(task);
    if (result.kind !== 'encode') throw new Error(`The result is of kind ${result.kind}`);
    const made: Made[] = [];
    for (const [index, { name, piece }] of result.videos.entries()) {
      const segments = readFileSync(join(directory, `${name}-000000`));
      const path = join(directory, `${name}.mp4`);
      writeFileSync(path, Buffer.concat([Buffer.from(piece.init, 'base64'), segments]));
      const seconds = piece.durations.reduce((sum, duration) => sum + duration) / piece.timescale;
      const kilobits = (segments.length * 8) / seconds / 1000;
      made.push({ kilobits, ssim: await similarity(bench, path, rungs[index]!) });
    }
    return { rungs: made, cpuSeconds: engine.cpuSeconds };
  });
}

/** Mean structural similarity of pictures and colours, 0 to 1, as Debian's ffmpeg has it. */
async function similarity({ run, film }: TranscodeBench, path: string, rung: VideoRung): Promise<number> {
  const filters = [
    // By their order: times of two timescales differ by a rounding.
    '[0:v]settb=1/1000,setpts=N*40[made]',
    `[1:v]scale=${rung.width}:${rung.height}:flags=bicubic,settb=1/1000,setpts=N*40[source]`,
    '[made][source]ssim=stats_file=-:shortest=1',
  ].join(';');
  const args = ['-v', 'error', '-nostdin', '-i', path, '-i', film.path, '-lavfi', filters];
  const { output } = await runTimed(run, 'ffmpeg', [...args, '-f', 'null', '/dev/null']);
  const values = [...output.matchAll(/All:([\d.]+)/g)].map(([, value]) => Number(value));
  if (values.length === 0) throw new Error('ffmpeg compared no pictures.');
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
