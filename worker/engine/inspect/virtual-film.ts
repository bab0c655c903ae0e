import type { AudioFormat, VideoFormat } from '../../../lib/worker-api/tasks.ts';
import { initSegment } from '../cmaf/init-segment.ts';
import { presentationTime, type SampleTable } from '../mp4/sample-table.ts';
import type { Film, FilmPictures, FilmSound } from './film.ts';
import { DELAY_SECONDS_MAX, DURATION_TICKS_MAX, SEGMENTS_MAX, SOUND_SEGMENT_SECONDS } from './limits.ts';
import { aacCodecs, avcCodecs, isPlayablePicture, isPlayableSound } from './playable.ts';
import { cutSound, type SampleCuts } from './segment-plan.ts';
import { isServable, type VirtualRendition } from './virtual-rendition.ts';

/** Whether browsers play the pictures, and nothing but the film itself has to be known to show them. */
export function isPlayableFilm({ track, entry, table, span, placement }: FilmPictures): boolean {
  return (
    isPlayablePicture(entry, track) &&
    track.isSelfContained &&
    table.description === 1 &&
    // Pictures before the beginning would be seen: browsers do not know of edit lists.
    placement !== null &&
    !span.hasHidden
  );
}

/** The film's pictures as a rendition; null: where they lie does not allow for it. They are playable. */
export function virtualPictures(
  pictures: FilmPictures,
  cuts: SampleCuts,
  name: string,
): (VirtualRendition & { format: VideoFormat }) | null {
  const { track, entry, table, span } = pictures;
  const { avc } = entry;
  const { samples, boundaries } = cuts;
  if (avc === null || !isServable({ table, samples })) return null;
  const decodeTimes = table.decodeTimes;
  const { offsets, delay } = offsetsFromZero(table, span.start);
  if (delay > DELAY_SECONDS_MAX * track.timescale || delay > DURATION_TICKS_MAX) return null;
  const aspect = entry.pixelAspect ?? avc.sequence.pixelAspect ?? 1;
  const width = Math.min(65_535, Math.max(1, Math.round(avc.sequence.width * aspect)));
  const { height } = avc.sequence;
  const { timescale, language } = track;
  const seconds = (span.end - span.start) / timescale;
  return {
    ...{ name, timescale, table, samples, boundaries, decodeTimes, compositionOffsets: offsets },
    init: initSegment({
      kind: 'video',
      timescale,
      language,
      entry: entry.bytes,
      delay,
      width,
      height,
    }),
    format: {
      codecs: avcCodecs(entry.format, avc.codecsSuffix),
      ...{ width, height, frameRate: table.count / seconds },
    },
  };
}

/**
 * How long after being decoded pictures are shown, when decoding begins at 0, like showing, and all are shown `delay` later
 * so that none is shown before it is decoded.
 */
function offsetsFromZero(table: SampleTable, start: number): { offsets: Int32Array; delay: number } {
  const { count, decodeTimes } = table;
  let delay = 0;
  for (let index = 0; index < count; index++) {
    delay = Math.max(delay, decodeTimes[index]! - (presentationTime(table, index) - start));
  }
  const offsets = new Int32Array(count);
  for (let index = 0; index < count; index++) {
    offsets[index] = presentationTime(table, index) - start + delay - decodeTimes[index]!;
  }
  return { offsets, delay };
}

/** When time 0 of a film is, in seconds of the movie: when the first picture is shown, of sound alone when it begins. */
export interface Zero {
  readonly ticks: number;
  readonly timescale: number;
}

export function zeroOf(film: Film): Zero {
  const { pictures, sounds } = film;
  if (pictures !== null) {
    const { placement, span, track } = pictures;
    return {
      ticks: span.start - (placement?.mediaStart ?? 0) + (placement?.startTicks ?? 0),
      timescale: track.timescale,
    };
  }
  const [first] = sounds;
  return { ticks: first?.placement?.startTicks ?? 0, timescale: first?.track.timescale ?? 1 };
}

/** Whether browsers play the sound, and nothing but the film itself has to be known to play it. */
export function isPlayableFilmSound({ track, entry, placement }: FilmSound, table: SampleTable): boolean {
  return (
    isPlayableSound(entry) &&
    track.isSelfContained &&
    table.description === 1 &&
    table.compositionOffsets === null &&
    placement !== null
  );
}

/**
 * Sound of the film as a rendition, from time 0 on; null: where it lies does not allow for it, or there is none after time 0.
 * `cutSeconds` are the times at which the pictures are cut, in seconds. It is playable.
 */
export function virtualSound(
  sound: FilmSound,
  table: SampleTable,
  zero: Zero,
  cutSeconds: readonly number[],
  name: string,
): (VirtualRendition & { format: AudioFormat }) | null {
  const { track, entry, placement } = sound;
  if (placement === null || entry.bytes === null || entry.aac === null) return null;
  const { timescale, language } = track;
  const begin = placement.startTicks - Math.round((zero.ticks * timescale) / zero.timescale);
  const heard = fromTimeZero(table, begin - placement.mediaStart, Math.max(0, begin));
  if (heard === null) return null;
  const wanted = cutSeconds.map((seconds) => seconds * timescale);
  const cuts = cutSound(heard.decodeTimes, wanted, SOUND_SEGMENT_SECONDS * timescale);
  const isPlan =
    cuts.samples.length <= SEGMENTS_MAX &&
    cuts.boundaries.every((time, index) => {
      const duration = index === 0 ? 1 : time - cuts.boundaries[index - 1]!;
      return duration > 0 && duration <= DURATION_TICKS_MAX;
    });
  if (!isPlan || !isServable({ table: heard, samples: cuts.samples })) return null;
  return {
    ...{ name, timescale, table: heard, decodeTimes: heard.decodeTimes, compositionOffsets: null, ...cuts },
    init: initSegment({
      kind: 'audio',
      timescale,
      language,
      entry: entry.bytes,
    }),
    format: {
      codecs: aacCodecs(entry.aac.objectType),
      channels: entry.channels,
      sampleRate: entry.sampleRate,
    },
  };
}

/**
 * Frames that are heard from `first` on, with their times moved by `shift`. The frame in which that moment lies begins at
 * it, and lasts less for it, so that what follows is heard when it should be. Null: there are none.
 */
function fromTimeZero(table: SampleTable, shift: number, first: number): SampleTable | null {
  let skipped = 0;
  while (skipped < table.count && table.decodeTimes[skipped + 1]! + shift <= first) skipped += 1;
  if (skipped === table.count) return null;
  const decodeTimes = table.decodeTimes.slice(skipped, table.count + 1);
  for (let index = 0; index < decodeTimes.length; index++) decodeTimes[index] = decodeTimes[index]! + shift;
  decodeTimes[0] = Math.max(decodeTimes[0]!, first);
  return {
    count: table.count - skipped,
    sizes: table.sizes.subarray(skipped),
    offsets: table.offsets.subarray(skipped),
    decodeTimes,
    compositionOffsets: null,
    sync: null,
    description: table.description,
  };
}
