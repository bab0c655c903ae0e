import { Level } from 'level';

/*
 * `node repair-index.ts <directory>`: repairs the LevelDB there with LevelDB's own means and reads it from beginning
 * to end. It is a program because LevelDB ends the process when it meets what it believes impossible.
 */
const location = process.argv[2]!;
await (Level as unknown as { repair(location: string): Promise<void> }).repair(location);
const database = new Level<Buffer, Buffer>(location, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
for await (const _ of database.iterator()) {
  // Reading is all there is to do.
}
await database.close();
