import { expect, test } from 'vitest';
import { makeAudioSegment, makeSegment } from './segment.ts';

const BYTES = new Uint8Array([1, 2, 3]);

function samplesAt(...times: readonly number[]) {
  return times.map((time, index) => ({ bytes: BYTES, time, isSync: index === 0 }));
}

/** What a reader makes of a segment's header: flags say what is there of each sample (ISO/IEC 14496-12, 8.8.7 and 8.8.8). */
function read(parts: readonly Uint8Array[]) {
  const bytes = Buffer.concat(parts);
  const header = bytes.indexOf('tfhd') + 4;
  const hasDefaultDuration = (bytes.readUInt32BE(header) & 0x08) !== 0;
  const run = bytes.indexOf('trun') + 4;
  const flags = bytes.readUInt32BE(run);
  const fields = [0x100, 0x200, 0x400, 0x800].filter((flag) => (flags & flag) !== 0);
  const rows = Array.from(
    { length: bytes.readUInt32BE(run + 4) },
    (_, index) => run + 12 + index * fields.length * 4,
  );
  const column = (flag: number) => rows.map((row) => bytes.readInt32BE(row + fields.indexOf(flag) * 4));
  return {
    bytes,
    start: Number(bytes.readBigUInt64BE(bytes.indexOf('tfdt') + 8)),
    dataOffset: bytes.readUInt32BE(run + 8),
    durations: hasDefaultDuration ? rows.map(() => bytes.readUInt32BE(header + 8)) : column(0x100),
    sizes: column(0x200),
    offsets: fields.includes(0x800) ? column(0x800) : rows.map(() => 0),
    fields,
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
  const { durations, sizes, fields, start } = read(makeAudioSegment(1, 2048, 1024, [BYTES, BYTES]));
  expect({ durations, sizes, start }).toEqual({ durations: [1024, 1024], sizes: [3, 3], start: 2048 });
  expect(fields).toEqual([0x200]);
});
