import { parentPort, workerData } from 'node:worker_threads';
import { stepBack } from '../../../lib/lifecycle/thread-priority.ts';
import { SEARCH_NICENESS } from '../limits.ts';
import { CallPort } from './call-port.ts';
import type { IndexSource } from './catalog-index.ts';
import { type SearchCalls, SearchCore } from './search-core.ts';
import type { SearchThreadData } from './search-thread.ts';

/* The thread of a large catalog's index: everything that is searched is searched here. */

stepBack(SEARCH_NICENESS);

const calls = new CallPort(parentPort!, async (name, args) => {
  const method = core[name as keyof SearchCalls] as (...given: readonly unknown[]) => Promise<unknown>;
  try {
    return await method.apply(core, [...args]);
  } finally {
    // Before the answer, so that nobody takes it for one of an older state.
    tellState();
  }
});

const source: IndexSource = {
  read: () => calls.call('read', []),
  movies: (ids) => calls.call('movies', [ids]),
  part: (segment, kind) => calls.call('part', [segment, kind]),
};
const { cacheBytesMax } = workerData as SearchThreadData;
const core = new SearchCore({ source, cacheBytesMax, isWarm: true });
let told = '';

function tellState(): void {
  const state = JSON.stringify(core.state);
  if (state === told) return;
  told = state;
  // It fails only when nobody is there any more.
  calls.call('tellState', [core.state]).catch(() => {});
}
