import {
  type EntryList,
  entryList,
  findBox,
  fullBoxVersion,
  Mp4Error,
  readUint64,
  requireBox,
  requireBytes,
} from './boxes.ts';
import { SAMPLES_MAX } from './limits.ts';
import type { Movie, Track } from './movie.ts';

/** Where the samples of a track lie in the file and in time, in the order of decoding. Times are ticks of the track. */
export interface SampleTable {
  readonly count: number;
  readonly sizes: Uint32Array;
  readonly offsets: Float64Array;
  /** One more than samples: the last one is where the last sample ends. */
  readonly decodeTimes: Float64Array;
  /** From decoding to being shown; null: none. */
  readonly compositionOffsets: Int32Array | null;
  /** 1: decoding can begin here; null: it can everywhere. */
  readonly sync: Uint8Array | null;
  /** Which sample entry describes them, from 1 on; null: several do. */
  readonly description: number | null;
}

/**
 * Reads the tables of a track. They agree with each other on how many samples there are, or Mp4Error is thrown; where
 * samples lie may be beyond the file. Takes 25 bytes a sample, for at most SAMPLES_MAX of them.
 */
export function readSampleTable(movie: Movie, track: Track): SampleTable {
  checkCounts(movie.view, track);
  const sizes = readSizes(movie.view, track);
  return {
    count: sizes.length,
    sizes,
    ...readPlaces(movie.view, track, sizes),
    decodeTimes: readDecodeTimes(movie.view, track, sizes.length),
    compositionOffsets: readCompositionOffsets(movie.view, track, sizes.length),
    sync: readSync(movie.view, track, sizes.length),
  };
}

/** How many samples the tracks say they have together. Throws Mp4Error when one does not say so. */
export function countSamples({ view, tracks }: Movie): number {
  return tracks.reduce((sum, track) => sum + countTrackSamples(view, track), 0);
}

/** The table of the first `count` samples. */
export function cutTable(table: SampleTable, count: number): SampleTable {
  return {
    count,
    sizes: table.sizes.subarray(0, count),
    offsets: table.offsets.subarray(0, count),
    decodeTimes: table.decodeTimes.subarray(0, count + 1),
    compositionOffsets: table.compositionOffsets?.subarray(0, count) ?? null,
    sync: table.sync?.subarray(0, count) ?? null,
    description: table.description,
  };
}

/** When a sample is shown. */
export function presentationTime(table: SampleTable, index: number): number {
  return table.decodeTimes[index]! + (table.compositionOffsets?.[index] ?? 0);
}

/**
 * Looks whether time and chunks are told of as many samples as there are said to be, before memory is taken for them: a
 * number alone costs a file nothing.
 */
function checkCounts(view: DataView, track: Track): void {
  const samples = countTrackSamples(view, track);
  const times = entryList(view, requireBox(track.tables, 'stts'), 8);
  let timed = 0;
  for (let entry = 0; entry < times.count; entry++) timed += view.getUint32(times.start + entry * 8);
  if (timed < samples) throw new Mp4Error('stts has fewer samples than there are');
  const { count: chunks } = chunkList(view, track);
  const runs = entryList(view, requireBox(track.tables, 'stsc'), 12);
  let room = 0;
  for (let run = 0; run < runs.count; run++) {
    const at = runs.start + run * 12;
    const end = run + 1 < runs.count ? view.getUint32(at + 12) : chunks + 1;
    room += Math.max(0, end - view.getUint32(at)) * view.getUint32(at + 4);
  }
  if (room < samples) throw new Mp4Error('chunks have fewer samples than there are');
}

/** How many samples a track says it has. Throws Mp4Error when it does not say so. */
export function countTrackSamples(view: DataView, { tables }: Track): number {
  const box = findBox(tables, 'stsz') ?? requireBox(tables, 'stz2');
  requireBytes(box, 12);
  return view.getUint32(box.start + 8);
}

function chunkList(view: DataView, { tables }: Track): EntryList & { readonly isLong: boolean } {
  const long = findBox(tables, 'co64');
  const isLong = long !== undefined;
  return { ...entryList(view, long ?? requireBox(tables, 'stco'), isLong ? 8 : 4), isLong };
}

function checkCount(count: number): void {
  if (count > SAMPLES_MAX) throw new Mp4Error(`${count} samples`);
}

function readSizes(view: DataView, track: Track): Uint32Array {
  const plain = findBox(track.tables, 'stsz');
  if (plain === undefined) return readCompactSizes(view, track);
  requireBytes(plain, 12);
  const size = view.getUint32(plain.start + 4);
  if (size !== 0) {
    const count = view.getUint32(plain.start + 8);
    checkCount(count);
    return new Uint32Array(count).fill(size);
  }
  const { count, start } = entryList(view, plain, 4, 8);
  checkCount(count);
  const sizes = new Uint32Array(count);
  for (let index = 0; index < count; index++) sizes[index] = view.getUint32(start + index * 4);
  return sizes;
}

function readCompactSizes(view: DataView, track: Track): Uint32Array {
  const compact = requireBox(track.tables, 'stz2');
  requireBytes(compact, 12);
  const bits = view.getUint8(compact.start + 7);
  if (bits !== 4 && bits !== 8 && bits !== 16) throw new Mp4Error(`sizes of ${bits} bits`);
  const { count, start } = entryList(view, compact, bits / 8, 8);
  checkCount(count);
  const sizes = new Uint32Array(count);
  for (let index = 0; index < count; index++) {
    if (bits === 16) sizes[index] = view.getUint16(start + index * 2);
    else if (bits === 8) sizes[index] = view.getUint8(start + index);
    else sizes[index] = (view.getUint8(start + (index >> 1)) >> (index % 2 === 0 ? 4 : 0)) & 15;
  }
  return sizes;
}

/** Lays samples out in chunks: `stsc` says how many each chunk has, `stco` or `co64` where it begins. */
function readPlaces(
  view: DataView,
  track: Track,
  sizes: Uint32Array,
): Pick<SampleTable, 'offsets' | 'description'> {
  const chunks = chunkList(view, track);
  const runs = entryList(view, requireBox(track.tables, 'stsc'), 12);
  const offsets = new Float64Array(sizes.length);
  const descriptions = new Set<number>();
  let sample = 0;
  for (let run = 0; run < runs.count && sample < sizes.length; run++) {
    const at = runs.start + run * 12;
    const firstChunk = view.getUint32(at) - 1;
    const samplesInChunk = view.getUint32(at + 4);
    const endChunk = run + 1 < runs.count ? view.getUint32(at + 12) - 1 : chunks.count;
    const isOrdered = endChunk > firstChunk && (run > 0 || firstChunk === 0);
    if (!isOrdered || samplesInChunk === 0) throw new Mp4Error('stsc is broken');
    // A film has one or two: what is more need not be told apart.
    if (descriptions.size < 2) descriptions.add(view.getUint32(at + 8));
    for (let chunk = firstChunk; chunk < Math.min(endChunk, chunks.count) && sample < sizes.length; chunk++) {
      let offset = chunks.isLong
        ? readUint64(view, chunks.start + chunk * 8)
        : view.getUint32(chunks.start + chunk * 4);
      const end = Math.min(sample + samplesInChunk, sizes.length);
      for (; sample < end; sample++) {
        offsets[sample] = offset;
        offset += sizes[sample]!;
      }
    }
  }
  if (sample < sizes.length) throw new Mp4Error('chunks have fewer samples than there are');
  const [description] = descriptions;
  return { offsets, description: descriptions.size > 1 ? null : (description ?? 1) };
}

function readDecodeTimes(view: DataView, track: Track, samples: number): Float64Array {
  const { count, start } = entryList(view, requireBox(track.tables, 'stts'), 8);
  const times = new Float64Array(samples + 1);
  let sample = 0;
  let time = 0;
  for (let entry = 0; entry < count && sample < samples; entry++) {
    const end = Math.min(sample + view.getUint32(start + entry * 8), samples);
    const duration = view.getUint32(start + entry * 8 + 4);
    if (duration >= 0x8000_0000) throw new Mp4Error('time runs backwards');
    for (; sample < end; sample++) {
      times[sample] = time;
      time += duration;
    }
  }
  if (sample < samples) throw new Mp4Error('stts has fewer samples than there are');
  if (!Number.isSafeInteger(time)) throw new Mp4Error('time goes on for too long');
  // What nobody says lasts as long as what came before.
  const isLastWithoutEnd = samples > 1 && time === times[samples - 1];
  times[samples] = isLastWithoutEnd ? time + (time - times[samples - 2]!) : time;
  return times;
}

function readCompositionOffsets(view: DataView, track: Track, samples: number): Int32Array | null {
  const box = findBox(track.tables, 'ctts');
  if (box === undefined) return null;
  fullBoxVersion(view, box);
  const { count, start } = entryList(view, box, 8);
  const offsets = new Int32Array(samples);
  let sample = 0;
  for (let entry = 0; entry < count && sample < samples; entry++) {
    const end = Math.min(sample + view.getUint32(start + entry * 8), samples);
    // Version 0 has no signs by the letter, but files have them there too.
    offsets.fill(view.getInt32(start + entry * 8 + 4), sample, end);
    sample = end;
  }
  return offsets;
}

function readSync(view: DataView, track: Track, samples: number): Uint8Array | null {
  const box = findBox(track.tables, 'stss');
  if (box === undefined) return null;
  const { count, start } = entryList(view, box, 4);
  const sync = new Uint8Array(samples);
  for (let entry = 0; entry < count; entry++) {
    const sample = view.getUint32(start + entry * 4);
    if (sample >= 1 && sample <= samples) sync[sample - 1] = 1;
  }
  return sync;
}
