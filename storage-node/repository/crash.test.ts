import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { INLINE_BYTES_MAX } from '../limits.ts';
import { numberedChunk } from '../test-support/chunks.ts';
import { openDiskRepository } from '../test-support/disk-repository.ts';
import { temporaryDirectory } from '../test-support/temporary-directory.ts';
import { chunkName } from './chunk-name.ts';

const CHILD = join(import.meta.dirname, '../test-support/put-until-killed.ts');

/** What a killed process had begun and what it had acknowledged. */
interface Log {
  readonly said: Set<string>;
  readonly next: number;
}

/** Lets the child run until it has acknowledged so many changes, and kills it in the middle of others. */
async function runUntilKilled(directory: string, first: number, acknowledgements: number): Promise<Log> {
  const child = spawn(process.execPath, [CHILD, directory, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = new Set<string>();
  let done = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    said.add(line);
    if (line.includes('-done') && ++done === acknowledgements) child.kill('SIGKILL');
  }
  return { said, next: first + [...said].filter((line) => line.startsWith('put ')).length };
}

it('keeps everything acknowledged and shows nothing else after kill -9', async () => {
  const directory = await temporaryDirectory();
  const logs: Log[] = [];
  let next = 0;
  for (const acknowledgements of [40, 150, 90]) {
    const log = await runUntilKilled(directory, next, acknowledgements);
    logs.push(log);
    next = log.next;
    const said = new Set(logs.flatMap((each) => [...each.said]));

    const repository = await openDiskRepository(directory);
    const { entries } = await repository.list(0, 0xffff_ffff, { limit: 100_000 });
    const visible = new Set(entries.map(({ id }) => id));
    for (let number = 0; number < next; number++) {
      const { position, id, bytes } = numberedChunk(number);
      const stored = said.has(`put-done ${number}`) && !said.has(`delete ${number}`);
      const gone = said.has(`delete-done ${number}`);
      if (stored) expect(visible, `${number} was acknowledged`).toContain(id);
      if (gone) expect(visible, `${number} was deleted`).not.toContain(id);
      if (!visible.has(id)) continue;
      const pieces: Buffer[] = [];
      const reading = await repository.open(position, id);
      await reading!.send(0, bytes.length - 1, async (piece) => void pieces.push(Buffer.from(piece)));
      expect(Buffer.concat(pieces).equals(bytes), `the bytes of ${number}`).toBe(true);
    }

    // On the disk there is what is visible, and nothing more.
    const expected = entries
      .filter(({ length }) => length > INLINE_BYTES_MAX)
      .map(({ position, id }) => chunkName(position, id));
    const names = await readdir(join(directory, 'chunks'), { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile()).map(({ name }) => name);
    expect(files.sort()).toEqual(expected.sort());
    expect(await readdir(join(directory, 'tmp'))).toEqual([]);
    expect(repository.repaired).toMatchObject({ recovered: 0, lost: 0, quarantined: 0 });
    expect(repository.stats()).toMatchObject({ chunkCount: entries.length, quarantinedCount: 0 });
    await repository[Symbol.asyncDispose]();
  }
});
