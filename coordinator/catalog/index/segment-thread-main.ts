import { parentPort } from 'node:worker_threads';
import { SegmentBuilder } from './segment-builder.ts';
import type { SegmentThreadMessage } from './segment-thread.ts';

/* The thread of `buildInThread`. */
const builder = new SegmentBuilder();
parentPort!.on('message', (movies: SegmentThreadMessage) => {
  if (movies === null) parentPort!.postMessage(builder.finish());
  else for (const movie of movies) builder.add(movie);
});
