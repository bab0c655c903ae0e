import type {
  MadeAudio,
  MadeVideo,
  Probe,
  ResultOf,
  SegmentPlan,
  TaskOf,
} from '../../../lib/worker-api/tasks.ts';
import { type TaskContext, TaskFailure } from '../../task-context.ts';
import { openSource } from '../libav/open-source.ts';
import { refuseLargePictures } from '../libav/picture-size.ts';
import { type Film, type FilmPictures, readFilm, readSoundTable } from './film.ts';
import { inspectByFfmpeg } from './inspect-ffmpeg.ts';
import { CUT_OFF_SECONDS_MIN, DURATION_SECONDS_MAX, TIMESCALE_MAX } from './limits.ts';
import { isPicture } from './picture-bytes.ts';
import { probeSource } from './probe-ffmpeg.ts';
import { FILM_CONTAINER, probePictures, probeSound, saysEverything } from './probe-film.ts';
import { cutAtKeyframes, cutAtPictures, cutByDuration, type SampleCuts } from './segment-plan.ts';
import {
  isPlayableFilm,
  isPlayableFilmSound,
  virtualPictures,
  virtualSound,
  zeroOf,
} from './virtual-film.ts';
import { writeRecipes } from './virtual-rendition.ts';

type Inspected = ResultOf<'inspect'>;

/**
 * Says what the source is and how it is to be cut, and makes it playable at once where browsers play it as it is. Reads
 * only what describes it: of MP4 the `moov` and one picture. Rejects with a TaskFailure `unplayable` when it is no video.
 *
 * A file that was cut off, but has its `moov`, is what is left of it: it ends with the last sample that is whole.
 */
export async function inspect(_task: TaskOf<'inspect'>, context: TaskContext): Promise<Inspected> {
  const read = await readFilm(context.source);
  context.signal.throwIfAborted();
  context.progress(0.3);
  if (read === null) return inspectByFfmpeg(context, true);
  // Of several parts that are shown one after another FFmpeg knows the times; their pictures cannot be taken as they are.
  if (read.pictures !== null && read.pictures.placement === null) return inspectByFfmpeg(context, false);

  const { probe, hasSameTracks } = await probeFilm(read, context);
  refuseLargePictures(probe.video);
  // What FFmpeg takes for no pictures, like those of chapters, is none.
  const film = probe.video === null ? { ...read, pictures: null } : read;
  context.signal.throwIfAborted();
  context.progress(0.6);
  const { plan, cuts } = film.pictures === null ? NO_PICTURES : planPictures(film.pictures);
  const pictures = await makePictures(film.pictures, cuts, context);
  const sounds = hasSameTracks ? await makeSounds(film, plan, context) : NO_SOUNDS;
  return {
    kind: 'inspect',
    probe,
    plan,
    video: pictures.video,
    audio: sounds.audio,
    copyable: { video: pictures.isCopyable, audio: sounds.copyable },
  };
}

const NO_PICTURES = { plan: null, cuts: null };
const NO_SOUNDS = { audio: [], copyable: [] };

/**
 * What the film says of itself, and FFmpeg where it does not know the codecs. `hasSameTracks`: who counts sound tracks comes
 * to the same.
 */
async function probeFilm(
  film: Film,
  context: TaskContext,
): Promise<{ probe: Probe; hasSameTracks: boolean }> {
  const { pictures } = film;
  const sounds = film.sounds.map((sound, index) => {
    const table = readSoundTable(film, sound, context.source.sizeBytes);
    const { track, placement } = sound;
    const start = (placement?.startTicks ?? 0) - (placement?.mediaStart ?? 0);
    const isEmpty = table?.count === 0;
    const end = table === null || isEmpty ? 0 : (table.decodeTimes[table.count]! + start) / track.timescale;
    return { probe: probeSound(sound, index, table), end, isEmpty };
  });
  const zero = zeroOf(film);
  const soundEnd = Math.max(0, ...sounds.map(({ end }) => end - zero.ticks / zero.timescale));
  const pictureSeconds =
    pictures === null ? 0 : (pictures.span.end - pictures.span.start) / pictures.track.timescale;
  checkWhatIsThere(
    pictures,
    pictureSeconds,
    sounds.every(({ isEmpty }) => isEmpty),
  );
  const durationSeconds = Math.max(pictureSeconds, soundEnd);
  if (durationSeconds > DURATION_SECONDS_MAX) {
    throw new TaskFailure(
      'unplayable',
      `This file says that it lasts ${Math.round(durationSeconds / 3600)} hours.`,
    );
  }
  const { sizeBytes } = context.source;
  const sequence = pictures?.entry.avc?.sequence;
  if (!saysEverything(film)) {
    await using source = await openSource(context.source, context.signal);
    const probe = probeSource(source, durationSeconds, sizeBytes);
    const hasSameTracks = source.audio.length === sounds.length;
    const audio = hasSameTracks ? probe.audio.filter(({ index }) => !sounds[index]!.isEmpty) : probe.audio;
    return { probe: { ...probe, audio }, hasSameTracks };
  }
  const probe = {
    container: FILM_CONTAINER,
    durationSeconds,
    sizeBytes,
    bitRate: durationSeconds > 0 ? Math.max(1, Math.round((sizeBytes * 8) / durationSeconds)) : null,
    video: pictures === null || sequence === undefined ? null : probePictures(pictures, sequence),
    audio: sounds.filter(({ isEmpty }) => !isEmpty).map((sound) => sound.probe),
  };
  return { probe, hasSameTracks: true };
}

function checkWhatIsThere(pictures: FilmPictures | null, pictureSeconds: number, isSilent: boolean): void {
  if (pictures === null && isSilent) {
    throw new TaskFailure('unplayable', 'This file is not complete: none of its sound is there.');
  }
  if (pictures?.isCutOff && pictureSeconds < CUT_OFF_SECONDS_MIN) {
    throw new TaskFailure('unplayable', 'This video is not complete: hardly any of its pictures are there.');
  }
}

/** At keyframes where the film can be played as it is; elsewhere wherever pictures are, as segments are encoded anyway. */
function planPictures(pictures: FilmPictures): { plan: SegmentPlan; cuts: SampleCuts | null } {
  const { table, track, span } = pictures;
  const { timescale } = track;
  const isFine = timescale <= TIMESCALE_MAX;
  const cuts = isFine && isPlayableFilm(pictures) ? cutAtKeyframes(table, timescale, span) : null;
  const boundaries = cuts?.boundaries ?? (isFine ? cutAtPictures(table, timescale, span) : null);
  if (boundaries !== null) return { plan: { timescale, boundaries: [...boundaries] }, cuts };
  const seconds = (span.end - span.start) / timescale;
  return { plan: cutByDuration(seconds, Math.min(timescale, TIMESCALE_MAX), null), cuts: null };
}

/** `cuts` null: browsers do not play them. */
async function makePictures(
  pictures: FilmPictures | null,
  cuts: SampleCuts | null,
  context: TaskContext,
): Promise<{ video: MadeVideo | null; isCopyable: boolean }> {
  const isPlayable = pictures !== null && cuts !== null && (await isPicture(pictures, context.source));
  if (!isPlayable) return { video: null, isCopyable: false };
  const rendition = virtualPictures(pictures, cuts, 'video');
  if (rendition === null) return { video: null, isCopyable: true };
  const piece = await writeRecipes(rendition, context);
  const shown = rendition.format;
  const name = `${Math.min(shown.width, shown.height)}p`;
  return { video: { name, format: shown, piece }, isCopyable: false };
}

/** One table at a time: they are the largest thing in memory. */
async function makeSounds(
  film: Film,
  plan: SegmentPlan | null,
  context: TaskContext,
): Promise<{ audio: MadeAudio[]; copyable: number[] }> {
  const audio: MadeAudio[] = [];
  const copyable: number[] = [];
  const cutSeconds = plan === null ? [] : plan.boundaries.slice(1, -1).map((time) => time / plan.timescale);
  const zero = zeroOf(film);
  for (const [track, sound] of film.sounds.entries()) {
    const table = readSoundTable(film, sound, context.source.sizeBytes);
    if (table === null || table.count === 0 || !isPlayableFilmSound(sound, table)) continue;
    const rendition = virtualSound(sound, table, zero, cutSeconds, `audio-${track}`);
    if (rendition === null) {
      copyable.push(track);
      continue;
    }
    context.signal.throwIfAborted();
    const piece = await writeRecipes(rendition, context);
    audio.push({ name: `audio-${track}`, track, format: rendition.format, piece });
  }
  return { audio, copyable };
}
