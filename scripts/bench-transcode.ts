/**
 * What transcoding costs, beside what it is compared with:
 * `node scripts/bench-transcode.ts [--source FILE] [--seconds 30] [--rounds 3] [--parts ladder,two-workers,quality] [--json FILE] [--dir DIRECTORY]`.
 *
 * Works on a 1080p film that Debian's ffmpeg makes of the source, or out of nothing. What is compared takes turns; medians.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DEFAULT_DIRECTORY, positive, runBench, say } from './bench/bench-run.ts';
import { describeMachine, machineLine } from './bench/machine.ts';
import { threeFigures } from './bench/statistics.ts';
import { makeFilm } from './bench/transcode-film.ts';
import { ladderPart } from './bench/transcode-ladder.ts';
import { qualityPart } from './bench/transcode-quality.ts';
import { twoWorkersPart } from './bench/transcode-two-workers.ts';

const PARTS = [ladderPart, twoWorkersPart, qualityPart];

const { values } = parseArgs({
  options: {
    source: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    rounds: { type: 'string', default: '3' },
    parts: { type: 'string', default: PARTS.map(({ name }) => name).join(',') },
    json: { type: 'string' },
    dir: { type: 'string', default: DEFAULT_DIRECTORY },
  },
});
const wanted = values.parts.split(',').map((name) => {
  const part = PARTS.find((each) => each.name === name);
  if (part === undefined)
    throw new Error(`--parts: there is no ${name}, only ${PARTS.map((each) => each.name)}.`);
  return part;
});
const seconds = positive('seconds', values.seconds);
const rounds = positive('rounds', values.rounds);

await runBench(values.dir, async (run) => {
  const machine = describeMachine();
  say(machineLine(machine));
  const film = await makeFilm(run, values.source, seconds);
  say(
    `Film: ${threeFigures(seconds)} s, ${threeFigures(film.sizeBytes / 1e6)} MB, of ${values.source ?? 'a generated picture'}`,
  );
  const figures: Record<string, unknown> = {};
  for (const part of wanted) {
    say();
    figures[part.name] = await part.measure({ run, film, rounds });
  }
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ machine, rounds, seconds, figures }, null, 2)}\n`);
  }
  return true;
});
