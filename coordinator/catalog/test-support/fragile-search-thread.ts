import { parentPort } from 'node:worker_threads';
import '../index/search-thread-main.ts';

/* The thread of searches, which ends when it is asked for the word `crash`. */
parentPort!.on('message', ({ name, args }: { name?: string; args: readonly { words?: string[] }[] }) => {
  if (name === 'page' && args[0]!.words![0] === 'crash') process.exit(7);
});
