import { say } from './bench-run.ts';
import { median, threeFigures } from './statistics.ts';
import { runEngine } from './transcode-ladder.ts';
import type { TranscodeBench, TranscodePart } from './transcode-part.ts';
import { type FilmPlan, piecesOf, planFilm } from './transcode-tasks.ts';

/** Pieces that the title is cut into; each is a process of its own, as in a worker. */
const PIECES = 4;

/** How much sooner two workers with a core each are done with one title than one worker with one core. */
export const twoWorkersPart: TranscodePart = {
  name: 'two-workers',
  async measure(bench) {
    const plan = await planFilm(bench.film);
    const speedUps: number[] = [];
    const walls: { readonly one: number; readonly two: number }[] = [];
    for (let round = 0; round < bench.rounds; round += 1) {
      const one = await encodeWith(bench, plan, [0]);
      const two = await encodeWith(bench, plan, [0, 1]);
      walls.push({ one, two });
      speedUps.push(one / two);
    }
    const speedUp = median(speedUps);
    const [one, two] = [median(walls.map((wall) => wall.one)), median(walls.map((wall) => wall.two))];
    say(
      `One title of ${PIECES} pieces: one worker on one core ${threeFigures(one)} s, two on a core each ` +
        `${threeFigures(two)} s, ${threeFigures(speedUp)} times as fast (at least 1.8)`,
    );
    return { oneWorkerSeconds: one, twoWorkersSeconds: two, speedUp };
  },
};

/** Seconds until workers on the given cores have taken all pieces, one after another each. */
async function encodeWith(bench: TranscodeBench, plan: FilmPlan, cores: readonly number[]): Promise<number> {
  const pieces = piecesOf(plan, PIECES);
  const start = performance.now();
  await Promise.all(
    cores.map(async (core) => {
      for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift())
        await runEngine(bench, piece, core);
    }),
  );
  return (performance.now() - start) / 1000;
}
