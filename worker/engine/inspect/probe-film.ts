import type { AudioTrack, VideoTrack } from '../../../lib/worker-api/tasks.ts';
import type { SequenceParameters } from '../mp4/h264.ts';
import type { SampleTable } from '../mp4/sample-table.ts';
import type { Film, FilmPictures, FilmSound } from './film.ts';
import { rotationOf } from './playable.ts';

/** FFmpeg's name of the container. */
export const FILM_CONTAINER = 'mov,mp4,m4a,3gp,3g2,mj2';

/** Transfer characteristics of H.273 by which pictures are HDR. */
const PQ = 16;
const HLG = 18;
/** As FFmpeg names them. */
const PROFILES = new Map([
  [66, 'Baseline'],
  [77, 'Main'],
  [88, 'Extended'],
  [100, 'High'],
  [110, 'High 10'],
  [122, 'High 4:2:2'],
  [244, 'High 4:4:4 Predictive'],
]);
/** What a picture may last longer or less long than others, and how many may do so, at one rate. */
const DURATION_TOLERANCE = 0.05;
const DIFFERENT_SHARE = 0.01;
/** Second bit of the constraints: Baseline without what Main does not have. */
const CONSTRAINED = 0x40;

/** Whether the film says everything that a probe says, so that nobody else needs to look at it. */
export function saysEverything(film: Film): boolean {
  const { pictures, sounds } = film;
  return (
    (pictures === null || (pictures.entry.format === 'avc1' && pictures.entry.avc !== null)) &&
    sounds.every(({ entry }) => entry.aac !== null && entry.channels >= 1 && entry.channels <= 64)
  );
}

/** Pictures of H.264. */
export function probePictures(
  { track, entry, table, span }: FilmPictures,
  sequence: SequenceParameters,
): VideoTrack {
  const seconds = (span.end - span.start) / track.timescale;
  const transfer = entry.transfer ?? sequence.transfer;
  return {
    codec: 'h264',
    profile: profileOf(sequence),
    width: sequence.width,
    height: sequence.height,
    rotation: rotationOf(track.matrix),
    pixelAspect: entry.pixelAspect ?? sequence.pixelAspect ?? 1,
    frameRate: table.count > 1 && seconds > 0 ? table.count / seconds : null,
    isVariableFrameRate: isVariable(table),
    bitDepth: sequence.bitDepth,
    range: transfer === PQ ? 'pq' : transfer === HLG ? 'hlg' : 'sdr',
    bitRate: bitRateOf(table, seconds),
  };
}

/** `table` null: nobody can tell how long it is. */
export function probeSound(
  { track, entry }: FilmSound,
  index: number,
  table: SampleTable | null,
): AudioTrack {
  const seconds = table === null ? 0 : table.decodeTimes[table.count]! / track.timescale;
  return {
    index,
    codec: 'aac',
    channels: entry.channels,
    sampleRate: entry.sampleRate,
    language: track.language,
    title: track.name,
    isDefault: track.isEnabled,
    bitRate: table === null ? entry.bitRate : bitRateOf(table, seconds),
  };
}

function profileOf({ profileIdc, constraints }: SequenceParameters): string | null {
  const name = PROFILES.get(profileIdc) ?? null;
  return profileIdc === 66 && (constraints & CONSTRAINED) !== 0 ? `Constrained ${name}` : name;
}

/** Whether durations differ by more than rounding, and not just where parts were joined; of the last picture nobody knows. */
function isVariable({ count, decodeTimes }: SampleTable): boolean {
  const known = count - 1;
  if (known < 2) return false;
  const average = decodeTimes[known]! / known;
  const tolerance = Math.max(1, average * DURATION_TOLERANCE);
  let different = 0;
  for (let index = 0; index < known; index++) {
    if (Math.abs(decodeTimes[index + 1]! - decodeTimes[index]! - average) > tolerance) different += 1;
  }
  return different > known * DIFFERENT_SHARE;
}

function bitRateOf({ count, sizes }: SampleTable, seconds: number): number | null {
  let bytes = 0;
  for (let index = 0; index < count; index++) bytes += sizes[index]!;
  const rate = seconds > 0 ? Math.round((bytes * 8) / seconds) : 0;
  return rate > 0 ? rate : null;
}
