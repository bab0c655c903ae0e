import type { Frame, Stream } from 'node-av/lib';
import type { Picture, ResultOf, TaskOf, VideoTrack } from '../../../lib/worker-api/tasks.ts';
import { type TaskContext, TaskFailure } from '../../task-context.ts';
import { type ColourPlan, planColours } from '../libav/colours.ts';
import { type OpenSource, openSource } from '../libav/open-source.ts';
import { PictureFilter } from '../libav/picture-filter.ts';
import { showingFilters } from '../libav/showing-filters.ts';
import { decoderThreads } from '../libav/threads.ts';
import { encodeJpeg, WebpAnimation } from './encode-picture.ts';
import {
  EXACT_SECONDS_MAX,
  POSTER_QUANTIZER,
  POSTER_SHARE,
  POSTER_WIDTH_MAX,
  PREVIEW_QUALITY,
  PREVIEW_RATE,
  PREVIEW_SCENE_SECONDS,
  PREVIEW_SCENES,
  PREVIEW_WIDTH,
  TILE_WIDTH,
} from './limits.ts';
import { keyframesAt, picturesAt } from './moments.ts';
import { scorePicture } from './picture-score.ts';
import { shownSize } from './shown-size.ts';
import { SpriteSheet, sheetName, storyboardVtt, tilesOf } from './storyboard.ts';

interface Film {
  readonly source: OpenSource;
  readonly stream: Stream;
  readonly track: VideoTrack;
  readonly colours: ColourPlan;
  readonly durationSeconds: number;
  readonly threads: number;
}

/** Poster, storyboard and preview; of sound alone nothing. */
export async function makePictures(
  task: TaskOf<'pictures'>,
  context: TaskContext,
): Promise<ResultOf<'pictures'>> {
  const track = task.probe.video;
  if (track === null) return { kind: 'pictures', pictures: [] };
  await using source = await openSource(context.source, context.signal);
  if (source.video === null) throw new TaskFailure('unplayable', 'There are no pictures in this file.');
  const film: Film = {
    source,
    stream: source.video,
    track,
    colours: planColours(source.video, track),
    durationSeconds: task.probe.durationSeconds,
    threads: decoderThreads(context),
  };
  const pictures: Picture[] = [];
  const posterSeconds = await makeStoryboard(film, context, pictures);
  await makePoster(film, posterSeconds, context, pictures);
  await makePreview(film, context, pictures);
  context.progress(1);
  return { kind: 'pictures', pictures };
}

/** Resolves with the time of the tile that looks best as a poster. */
async function makeStoryboard(film: Film, context: TaskContext, pictures: Picture[]): Promise<number> {
  const { durationSeconds } = film;
  const { width, height } = shownSize(film.track, TILE_WIDTH);
  const { periodSeconds, count } = tilesOf(durationSeconds);
  const times = Array.from({ length: count }, (_, index) => index * periodSeconds);
  using filter = new PictureFilter(jpegFilters(film, width, height));
  const sheet = new SpriteSheet(width, height);
  const best = { seconds: 0, score: -1 };
  let latest: Buffer | undefined;
  let made = 0;

  const fillUpTo = async (end: number) => {
    for (; made < end; made += 1) {
      sheet.add(latest!);
      if (sheet.isFull || made === count - 1) await writeSheet(sheet, sheetName(made), context, pictures);
    }
  };
  for await (const { frame, index } of momentsOf(film, times)) {
    context.signal.throwIfAborted();
    const tile = filter.filterOne(frame).toBuffer();
    // What lies between two pictures shows the first of them.
    latest ??= tile;
    await fillUpTo(index);
    latest = tile;
    const seconds = times[index]!;
    const score = scorePicture(tile, width, height);
    if (seconds <= durationSeconds * POSTER_SHARE && score > best.score)
      Object.assign(best, { seconds, score });
    context.progress((index / count) * 0.8);
  }
  if (latest === undefined) throw new TaskFailure('failed', 'No picture of the video could be decoded.');
  await fillUpTo(count);
  const vtt = storyboardVtt({ count, periodSeconds, durationSeconds, tileWidth: width, tileHeight: height });
  await write(context, pictures, 'storyboard.vtt', 'text/vtt', Buffer.from(vtt));
  return best.seconds;
}

async function writeSheet(
  sheet: SpriteSheet,
  name: string,
  context: TaskContext,
  pictures: Picture[],
): Promise<void> {
  const { jpeg, width, height } = sheet.take();
  await write(context, pictures, name, 'image/jpeg', jpeg, { width, height });
}

function momentsOf(film: Film, times: readonly number[]) {
  return film.durationSeconds <= EXACT_SECONDS_MAX
    ? picturesAt(film.source, film.stream, times, film.threads)
    : keyframesAt(film.source, film.stream, times);
}

async function makePoster(
  film: Film,
  seconds: number,
  context: TaskContext,
  pictures: Picture[],
): Promise<void> {
  const { width, height } = shownSize(film.track, POSTER_WIDTH_MAX);
  using filter = new PictureFilter(jpegFilters(film, width, height));
  await film.source.seek(film.stream, timestampOf(film, seconds));
  for await (const { frame } of momentsOf(film, [seconds])) {
    const jpeg = encodeJpeg(filter.filterOne(frame), POSTER_QUANTIZER);
    await write(context, pictures, 'poster.jpg', 'image/jpeg', jpeg, { width, height });
    return;
  }
}

async function makePreview(film: Film, context: TaskContext, pictures: Picture[]): Promise<void> {
  const { width, height } = shownSize(film.track, PREVIEW_WIDTH);
  using filter = new PictureFilter(showingFilters(width, height, film.track, film.colours));
  using animation = new WebpAnimation(width, height, PREVIEW_RATE, PREVIEW_QUALITY);
  const add = (frame: Frame) => animation.add(filter.filterOne(frame));
  for (const start of scenesOf(film.durationSeconds)) {
    const times = Array.from(
      { length: Math.round(PREVIEW_SCENE_SECONDS * PREVIEW_RATE) },
      (_, index) => start + index / PREVIEW_RATE,
    );
    await film.source.seek(film.stream, timestampOf(film, start));
    for await (const { frame } of picturesAt(film.source, film.stream, times, film.threads)) {
      context.signal.throwIfAborted();
      add(frame);
    }
    context.progress(0.8 + (0.2 * start) / Math.max(start, film.durationSeconds));
  }
  if (animation.pictureCount === 0) return;
  await write(context, pictures, 'preview.webp', 'image/webp', animation.finish(), { width, height });
}

/** Seconds at which the preview's scenes begin, evenly through the video; of a short one it is all one scene. */
function scenesOf(durationSeconds: number): number[] {
  if (durationSeconds < PREVIEW_SCENES * PREVIEW_SCENE_SECONDS * 2) return [0];
  return Array.from(
    { length: PREVIEW_SCENES },
    (_, index) => (durationSeconds * (index + 0.5)) / PREVIEW_SCENES,
  );
}

/** As JPEG wants them: full range, the matrix of BT.601. */
function jpegFilters(film: Film, width: number, height: number): string {
  const { matrix } = film.colours.colours;
  return [
    showingFilters(width, height, film.track, film.colours),
    `setparams=colorspace=${matrix}:range=tv`,
    'scale=out_range=pc:out_color_matrix=smpte170m',
    'format=yuvj420p',
  ].join(',');
}

function timestampOf({ source, stream }: Film, seconds: number): bigint {
  return source.timeline.fromTicks(Math.round(seconds * 1000), 1000, stream.timeBase);
}

async function write(
  context: TaskContext,
  pictures: Picture[],
  name: string,
  contentType: Picture['contentType'],
  bytes: Buffer,
  size: { readonly width: number; readonly height: number } | null = null,
): Promise<void> {
  const output = await context.openOutput(name, contentType);
  await output.append([bytes]);
  pictures.push({
    output: name,
    name,
    contentType,
    width: size?.width ?? null,
    height: size?.height ?? null,
  });
}
