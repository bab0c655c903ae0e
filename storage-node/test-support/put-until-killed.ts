/**
 * A process that stores and deletes chunks until it is killed: `node put-until-killed.ts DIRECTORY FIRST`. It
 * says what it begins and what has been acknowledged, a line each: `put N`, `put-done N`, `delete N`,
 * `delete-done N`. Numbers count up from FIRST.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../lib/clock/clock.ts';
import { createLogger } from '../../lib/logging/logger.ts';
import { DiskVideoRepository } from '../repository/disk-video-repository.ts';
import { numberedChunk } from './chunks.ts';

const WRITERS = 6;

const repository = await DiskVideoRepository.open({
  directory: process.argv[2]!,
  capacityBytes: 1024 ** 3,
  clock: systemClock,
  logger: createLogger({ name: 'child', level: 'silent' }),
});
let next = Number(process.argv[3]);
const say = (line: string) => writeSync(1, `${line}\n`);

await Promise.all(
  Array.from({ length: WRITERS }, async () => {
    for (;;) {
      const number = next++;
      const chunk = numberedChunk(number);
      say(`put ${number}`);
      await repository.put(chunk);
      say(`put-done ${number}`);
      if (number % 3 !== 0) continue;
      say(`delete ${number}`);
      await repository.delete(chunk.position, chunk.id);
      say(`delete-done ${number}`);
    }
  }),
);
