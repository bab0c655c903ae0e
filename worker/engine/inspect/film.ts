import { type SourceReader, TaskFailure } from '../../task-context.ts';
import { Mp4Error } from '../mp4/boxes.ts';
import { CutOffError, findMoov } from '../mp4/find-moov.ts';
import { EDITED_SAMPLES_MAX, MOVIE_SAMPLES_MAX } from '../mp4/limits.ts';
import { EndlessEditsError, type Movie, parseMovie, type Track } from '../mp4/movie.ts';
import {
  type PictureEntry,
  parsePictureEntry,
  parseSoundEntry,
  type SoundEntry,
} from '../mp4/sample-entry.ts';
import { countSamples, countTrackSamples, readSampleTable, type SampleTable } from '../mp4/sample-table.ts';
import {
  cutAtFileEnd,
  cutAtMediaEnd,
  type Placement,
  placeTrack,
  type ShownSpan,
  shownSpan,
} from './place-track.ts';

/** An MP4 or QuickTime file with its samples in one table, as its `moov` tells it. */
export interface Film {
  readonly movie: Movie;
  /** Null: nothing but sound. */
  readonly pictures: FilmPictures | null;
  /** In the order of the file. */
  readonly sounds: readonly FilmSound[];
}

export interface FilmPictures {
  readonly track: Track;
  readonly entry: PictureEntry;
  /** Of what lies in the file and is shown. */
  readonly table: SampleTable;
  /** When they are shown, in the track's own time. */
  readonly span: ShownSpan;
  /** Null: parts of the track are shown in ways that players do not know of; all of it is what `table` has then. */
  readonly placement: Placement | null;
  /** Bytes of the file are missing. */
  readonly isCutOff: boolean;
}

export interface FilmSound {
  readonly track: Track;
  readonly entry: SoundEntry;
  readonly placement: Placement | null;
}

/**
 * Reads what a film's `moov` says. Null: it is of another format, has its samples in fragments, or is unusual in some way;
 * others may be able to read it. Rejects with a TaskFailure when it was cut off before it could say anything, and when
 * nobody should try to read it.
 */
export async function readFilm(source: SourceReader): Promise<Film | null> {
  try {
    const moov = await findMoov(source);
    return moov === undefined ? null : describeFilm(parseMovie(moov), source.sizeBytes);
  } catch (error) {
    if (error instanceof CutOffError) {
      throw new TaskFailure(
        'unplayable',
        'This video is not complete: it ends before the part that says where its pictures lie.',
        { cause: error },
      );
    }
    if (error instanceof EndlessEditsError) {
      throw new TaskFailure('unplayable', 'This video is put together from too many parts.', {
        cause: error,
      });
    }
    if (error instanceof Mp4Error) return null;
    throw error;
  }
}

/** Samples of a sound track that lie in the file and are heard, if any; null: its tables are broken. */
export function readSoundTable(
  film: Film,
  { track, placement }: FilmSound,
  fileBytes: number,
): SampleTable | null {
  try {
    const whole = readSampleTable(film.movie, track);
    return cutAtMediaEnd(cutAtFileEnd(whole, fileBytes), placement?.mediaEnd ?? Infinity);
  } catch (error) {
    if (error instanceof Mp4Error) return null;
    throw error;
  }
}

function describeFilm(movie: Movie, fileBytes: number): Film | null {
  refuseEndlessEdits(movie);
  if (movie.isFragmented || countSamples(movie) > MOVIE_SAMPLES_MAX) return null;
  const pictures = movie.tracks.find(({ handler }) => handler === 'vide');
  const sounds = movie.tracks.filter(({ handler }) => handler === 'soun');
  if (pictures === undefined && sounds.length === 0) return null;
  refuseEncrypted(movie.tracks);
  return {
    movie,
    pictures: pictures === undefined ? null : describePictures(movie, pictures, fileBytes),
    sounds: sounds.map((track) => ({
      track,
      entry: parseSoundEntry(movie.view, firstEntry(track)),
      placement: placeTrack(movie, track),
    })),
  };
}

/** FFmpeg, which would read the film otherwise, makes a list of all samples of all edits first. */
function refuseEndlessEdits({ view, tracks }: Movie): void {
  const isEndless = tracks.some((track) => {
    const parts = track.edits.filter(({ mediaTime }) => mediaTime >= 0).length;
    return parts > 1 && parts * countTrackSamples(view, track) > EDITED_SAMPLES_MAX;
  });
  if (isEndless) throw new EndlessEditsError();
}

/** Sample entries of media that is encrypted (ISO 23001-7). */
const ENCRYPTED = new Set(['encv', 'enca']);

function refuseEncrypted(tracks: readonly Track[]): void {
  if (tracks.some((track) => track.sampleEntries.some(({ type }) => ENCRYPTED.has(type)))) {
    throw new TaskFailure(
      'unplayable',
      'This video is protected against copying (DRM), so nobody but its publisher can play it.',
    );
  }
}

function describePictures(movie: Movie, track: Track, fileBytes: number): FilmPictures {
  const entry = parsePictureEntry(movie.view, firstEntry(track));
  const whole = readSampleTable(movie, track);
  const placement = placeTrack(movie, track);
  const there = cutAtFileEnd(whole, fileBytes);
  const table = cutAtMediaEnd(there, placement?.mediaEnd ?? Infinity);
  if (whole.count === 0) throw new Mp4Error('there are no pictures');
  if (table.count === 0) {
    throw new TaskFailure('unplayable', 'This video is not complete: none of its pictures are there.');
  }
  return {
    track,
    entry,
    table,
    span: shownSpan(table, placement?.mediaStart ?? -Infinity),
    placement,
    isCutOff: there.count < whole.count,
  };
}

function firstEntry(track: Track): Track['sampleEntries'][number] {
  const [entry] = track.sampleEntries;
  if (entry === undefined) throw new Mp4Error('nothing says how samples are coded');
  return entry;
}
