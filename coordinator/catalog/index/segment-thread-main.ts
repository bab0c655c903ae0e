import { parentPort } from 'node:worker_threads';
import { stepBack } from '../../../lib/lifecycle/thread-priority.ts';
import { BACKGROUND_NICENESS } from '../limits.ts';
import { SegmentBuilder } from './segment-builder.ts';
import type { SegmentThreadMessage } from './segment-thread.ts';

/* The thread of `buildInThread`. */
stepBack(BACKGROUND_NICENESS);
const builder = new SegmentBuilder();
parentPort!.on('message', (movies: SegmentThreadMessage) => {
  if (movies === null) parentPort!.postMessage(builder.finish());
  else for (const movie of movies) builder.add(movie);
});
