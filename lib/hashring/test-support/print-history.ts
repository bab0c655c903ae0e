/** Prints every layout of the history given as JSON, encoded, in hexadecimal: one line each. */
import { encodeLayout } from '../codec.ts';
import { type History, playHistory } from './histories.ts';

for (const { layout } of playHistory(JSON.parse(process.argv[2]!) as History, 256)) {
  console.log(Buffer.from(encodeLayout(layout)).toString('hex'));
}
