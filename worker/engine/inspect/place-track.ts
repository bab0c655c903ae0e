import type { Edit, Movie, Track } from '../mp4/movie.ts';
import { cutTable, presentationTime, type SampleTable } from '../mp4/sample-table.ts';

/** When the media of a track is shown: its edit list, where that is one part shown after a pause. */
export interface Placement {
  /** Ticks of the track after the beginning of the movie at which the part begins to be shown. */
  readonly startTicks: number;
  /** Where in the track's own time the part begins and ends; Infinity: with the track. */
  readonly mediaStart: number;
  readonly mediaEnd: number;
}

/** Null: the edit list shows several parts, or one at another speed. */
export function placeTrack(movie: Movie, track: Track): Placement | null {
  const first = track.edits.findIndex(({ mediaTime }) => mediaTime >= 0);
  if (first === -1)
    return track.edits.length === 0 ? { startTicks: 0, mediaStart: 0, mediaEnd: Infinity } : null;
  const edit = track.edits[first]!;
  const isLast = track.edits.slice(first + 1).every(({ mediaTime }) => mediaTime === -1);
  const pauses = track.edits.slice(0, first);
  if (!isLast || !edit.isPlainRate || pauses.some(({ mediaTime }) => mediaTime !== -1)) return null;
  const ticks = ({ duration }: Edit): number => (duration * track.timescale) / movie.timescale;
  const startTicks = Math.round(pauses.reduce((sum, pause) => sum + ticks(pause), 0));
  // The length is in ticks of the movie, which may be longer than a sample: what ends within one of them is shown.
  const slack = track.timescale / movie.timescale;
  const mediaEnd = edit.duration === 0 ? Infinity : edit.mediaTime + ticks(edit) - slack;
  return { startTicks, mediaStart: edit.mediaTime, mediaEnd };
}

/** Samples up to the first one that is not in the file any more: what a file that was cut off has. */
export function cutAtFileEnd(table: SampleTable, fileBytes: number): SampleTable {
  const { count, offsets, sizes } = table;
  for (let index = 0; index < count; index++) {
    if (offsets[index]! + sizes[index]! > fileBytes) return cutTable(table, index);
  }
  return table;
}

/** Without the samples at the end that begin when the shown part has ended. */
export function cutAtMediaEnd(table: SampleTable, mediaEnd: number): SampleTable {
  let count = table.count;
  while (count > 1 && presentationTime(table, count - 1) >= mediaEnd) count -= 1;
  return count === table.count ? table : cutTable(table, count);
}

/** When samples are shown, in the track's own time. */
export interface ShownSpan {
  readonly start: number;
  readonly end: number;
  /** There are some before, which only others need. */
  readonly hasHidden: boolean;
}

/** The span of a table that has samples; those before `mediaStart` are not shown, unless all are. */
export function shownSpan(table: SampleTable, mediaStart: number): ShownSpan {
  let start = Infinity;
  let earliest = Infinity;
  let end = -Infinity;
  for (let index = 0; index < table.count; index++) {
    const time = presentationTime(table, index);
    const duration = table.decodeTimes[index + 1]! - table.decodeTimes[index]!;
    if (time < earliest) earliest = time;
    if (time < start && time >= mediaStart) start = time;
    if (time + duration > end) end = time + duration;
  }
  return start === Infinity
    ? { start: earliest, end, hasHidden: true }
    : { start, end, hasHidden: earliest < start };
}
