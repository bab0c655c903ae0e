import { say } from './bench-run.ts';
import { median, threeFigures } from './statistics.ts';
import { runEngines } from './transcode-engine.ts';
import type { TranscodePart } from './transcode-part.ts';
import { piecesLine, piecesOf, planFilm } from './transcode-tasks.ts';

/** Pieces that the title is cut into. */
const PIECES = 4;

/** How much sooner two workers with a core each are done with one title than one worker with one core. */
export const twoWorkersPart: TranscodePart = {
  name: 'two-workers',
  async measure(bench) {
    const plan = await planFilm(bench.film);
    const pieces = piecesOf(plan, PIECES);
    say(piecesLine(plan, pieces));
    const speedUps: number[] = [];
    const walls: { readonly one: number; readonly two: number }[] = [];
    for (let round = 0; round < bench.rounds; round += 1) {
      const { wallSeconds: one } = await runEngines(bench, pieces, [0]);
      const { wallSeconds: two } = await runEngines(bench, pieces, [0, 1]);
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
