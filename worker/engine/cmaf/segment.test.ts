import { expect, test } from 'vitest';
import { makeAudioSegment, makeSegment } from './segment.ts';

const BYTES = new Uint8Array([1, 2, 3]);

function samplesAt(...times: readonly number[]) {
  return times.map((time, index) => ({ bytes: BYTES, time, isSync: index === 0 }));
}

/** Of the run: durations and offsets, and the beginning. */
function read(parts: readonly Uint8Array[]) {
  const bytes = Buffer.concat(parts);
  const start = Number(bytes.readBigUInt64BE(bytes.indexOf('tfdt') + 8));
  const run = bytes.indexOf('trun');
  const rows = Array.from({ length: bytes.readUInt32BE(run + 8) }, (_, index) => run + 16 + index * 16);
  return {
    bytes,
    start,
    dataOffset: bytes.readUInt32BE(run + 12),
    durations: rows.map((row) => bytes.readUInt32BE(row)),
    offsets: rows.map((row) => bytes.readInt32BE(row + 12)),
  };
}

test('a segment begins to be decoded when it is first shown, and nothing is shown before it is decoded', () => {
  const times = [1000, 1400, 1200, 1100, 1300, 1500];
  const { start, durations, offsets } = read(
    makeSegment({ sequence: 1, start: 1000, end: 1600, samples: samplesAt(...times) }),
  );
  expect(start).toBe(1000);
  expect(durations.reduce((sum, each) => sum + each)).toBe(600);
  let decoded = start;
  for (const [index, duration] of durations.entries()) {
    expect(decoded + offsets[index]!).toBe(times[index]);
    expect(offsets[index]).toBeGreaterThanOrEqual(0);
    expect(duration).toBeGreaterThan(0);
    decoded += duration;
  }
});

test('ticks that leave no room between pictures give negative offsets rather than wrong times', () => {
  const times = [0, 3, 2, 1];
  const { durations, offsets } = read(
    makeSegment({ sequence: 1, start: 0, end: 4, samples: samplesAt(...times) }),
  );
  let decoded = 0;
  for (const [index, duration] of durations.entries()) {
    expect(decoded + offsets[index]!).toBe(times[index]);
    decoded += duration;
  }
  expect(decoded).toBe(4);
});

test('its bytes lie where its header says', () => {
  const { bytes, dataOffset } = read(
    makeSegment({ sequence: 7, start: 0, end: 40, samples: samplesAt(0, 20) }),
  );
  expect([...bytes.subarray(dataOffset)]).toEqual([1, 2, 3, 1, 2, 3]);
  expect(bytes.readUInt32BE(0) + 8).toBe(dataOffset);
});

test('samples that do not fill exactly their segment are a mistake', () => {
  const make = (times: readonly number[]) => () =>
    makeSegment({ sequence: 1, start: 0, end: 40, samples: samplesAt(...times) });
  expect(make([10, 20])).toThrow(RangeError);
  expect(make([0, 40])).toThrow(RangeError);
  expect(make([20, 0])).toThrow(RangeError);
  expect(make([])).toThrow(RangeError);
});

test('a segment of sound says the length of a frame once', () => {
  const parts = makeAudioSegment(1, 2048, 1024, [BYTES, BYTES]);
  const bytes = Buffer.concat(parts);
  const header = bytes.indexOf('tfhd');
  expect(bytes.readUInt32BE(header + 12)).toBe(1024);
  const run = bytes.indexOf('trun');
  expect([bytes.readUInt32BE(run + 8), bytes.readUInt32BE(run + 16)]).toEqual([2, 3]);
});
