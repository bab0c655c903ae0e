import { expect, it } from 'vitest';
import { YoungGarbage } from './young-garbage.ts';

const MIB = 1024 * 1024;

it('collects once for every so many bytes received', () => {
  let collections = 0;
  const garbage = new YoungGarbage(4 * MIB, () => {
    collections += 1;
  });
  for (let piece = 0; piece < 160; piece++) garbage.add(64 * 1024);
  expect(collections).toBe(2);
});

it('has V8 free buffers that nobody refers to any more', () => {
  const garbage = new YoungGarbage(4 * MIB);
  const outside = () => process.memoryUsage().arrayBuffers;
  garbage.add(4 * MIB);
  const before = outside();
  for (let round = 0; round < 16 * 64; round++) {
    Buffer.allocUnsafeSlow(64 * 1024);
    garbage.add(64 * 1024);
  }
  // 64 MiB were received, of which at most a few are still around.
  expect(outside() - before).toBeLessThan(16 * MIB);
});
