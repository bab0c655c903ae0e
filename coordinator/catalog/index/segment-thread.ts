import { Worker } from 'node:worker_threads';
import type { IndexedMovie } from '../movie.ts';
import type { BuiltSegment } from './segment-builder.ts';

/** What the thread is told: movies, or null when there are no more. */
export type SegmentThreadMessage = readonly IndexedMovie[] | null;

/** Makes a segment in a thread of its own: a large one takes a second or two. */
export async function buildInThread(batches: AsyncIterable<readonly IndexedMovie[]>): Promise<BuiltSegment> {
  const worker = new Worker(new URL('./segment-thread-main.ts', import.meta.url));
  try {
    const built = new Promise<BuiltSegment>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`the thread ended with ${code}`)));
    });
    // Whoever waits for it comes later.
    built.catch(() => {});
    for await (const batch of batches) worker.postMessage(batch satisfies SegmentThreadMessage);
    worker.postMessage(null satisfies SegmentThreadMessage);
    return await built;
  } finally {
    await worker.terminate();
  }
}
