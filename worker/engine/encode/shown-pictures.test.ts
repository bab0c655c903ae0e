import { AV_PIX_FMT_GRAY8 } from 'node-av/constants';
import { Frame } from 'node-av/lib';
import { expect, test } from 'vitest';
import { shownPictures } from './shown-pictures.ts';

/** Pictures whose brightness is their number. */
async function* picturesAt(...ticks: readonly number[]) {
  for (const [index, tick] of ticks.entries()) {
    using frame = Frame.fromVideoBuffer(Buffer.alloc(64, index), {
      width: 8,
      height: 8,
      format: AV_PIX_FMT_GRAY8,
    });
    yield { frame, tick };
  }
}

async function shown(ticks: readonly number[], boundaries: readonly number[]) {
  const all: [tick: number, picture: number, isBoundary: boolean][] = [];
  for await (const { frame, tick, isBoundary } of shownPictures(picturesAt(...ticks), boundaries))
    all.push([tick, frame.toBuffer()[0]!, isBoundary]);
  return all;
}

test('what lies in the piece, from its first boundary up to its end', async () => {
  expect(await shown([0, 10, 20, 30, 40, 50], [20, 30, 50])).toEqual([
    [20, 2, true],
    [30, 3, true],
    [40, 4, false],
  ]);
});

test('where no picture lies at a boundary, the one that is seen there is shown again', async () => {
  expect(await shown([0, 15, 45], [10, 20, 30, 60])).toEqual([
    [10, 0, true],
    [15, 1, false],
    [20, 1, true],
    [30, 1, true],
    [45, 2, false],
  ]);
});

test('the last picture is shown on to the end', async () => {
  expect(await shown([10], [10, 20, 30])).toEqual([
    [10, 0, true],
    [20, 0, true],
  ]);
});

test('before the first picture, it is shown already', async () => {
  expect(await shown([15, 25], [10, 20, 30])).toEqual([
    [10, 0, true],
    [15, 0, false],
    [20, 0, true],
    [25, 1, false],
  ]);
});

test('without any picture there is none', async () => {
  expect(await shown([], [0, 10])).toEqual([]);
  expect(await shown([15], [0, 10])).toEqual([]);
});
