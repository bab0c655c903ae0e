import type { LoadAnswer, LoadCommand } from './load-messages.ts';
import { ReadWriteLoad } from './read-write-load.ts';

/** The load as a process of its own, driven over IPC: what the trial does meanwhile must not show in its times. */

let load: ReadWriteLoad | undefined;

async function answer(command: LoadCommand): Promise<LoadAnswer> {
  if (command.action === 'start') {
    load = new ReadWriteLoad(command.settings);
    load.start();
    return { started: true };
  }
  if (load === undefined) throw new Error('The load was not started.');
  if (command.action === 'ledger') return { ledger: load.ledger() };
  if (command.action === 'stop') await load.stop();
  return { sample: load.sample() };
}

process.on('message', (command: LoadCommand) => {
  answer(command).then(
    (result) => process.send?.(result),
    (error: unknown) => process.send?.({ error: String(error) } satisfies LoadAnswer),
  );
});
process.on('disconnect', () => process.exit(0));
