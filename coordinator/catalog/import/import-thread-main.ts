import { parentPort, workerData } from 'node:worker_threads';
import { freeNow } from '../../../lib/bytes/free-now.ts';
import { stepBack } from '../../../lib/lifecycle/thread-priority.ts';
import { BACKGROUND_NICENESS } from '../limits.ts';
import type { CallName, FromThread, ImportThreadData, ToThread } from './import-messages.ts';
import { transferablesOf } from './import-messages.ts';
import { type ImportCalls, ImportPipeline } from './import-pipeline.ts';

/* The thread of an import: parsing and sorting millions of movies would hold up everything else in the coordinator. */

stepBack(BACKGROUND_NICENESS);

const port = parentPort!;
const waiting = new Map<number, (value: unknown) => void>();
let calls = 0;

function send(message: FromThread, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function call<Result>(name: CallName, ...args: readonly unknown[]): Promise<Result> {
  const id = ++calls;
  return new Promise((resolve) => {
    waiting.set(id, resolve as (value: unknown) => void);
    send({ kind: 'call', id, name, args }, transferablesOf(name, args));
  });
}

const remote: ImportCalls = {
  nameGenres: (genres) => call('nameGenres', genres),
  lookUp: (identities) => call('lookUp', identities),
  insert: (copy) => call('insert', copy),
  update: (rows) => call('update', rows),
  publish: (segment, lastId) => call('publish', segment, lastId),
};
const pipeline = new ImportPipeline({ ...(workerData as ImportThreadData), calls: remote });
let work: Promise<void> = Promise.resolve();

port.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'answer':
      waiting.get(message.id)!(message.value);
      waiting.delete(message.id);
      break;
    case 'bytes':
      work = work.then(async () => {
        const { bytes } = message;
        const { length } = bytes;
        await pipeline.push(bytes);
        freeNow(bytes);
        send({ kind: 'taken', bytes: length });
      });
      break;
    case 'end':
      work = work.then(async () => send({ kind: 'done', outcome: await pipeline.end() }));
      break;
  }
});
