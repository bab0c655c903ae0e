import { AV_NOPTS_VALUE } from 'node-av/constants';
import { Packet } from 'node-av/lib';
import type { ResultOf, SegmentPlan } from '../../../lib/worker-api/tasks.ts';
import { type SourceReader, type TaskContext, TaskFailure } from '../../task-context.ts';
import { type OpenSource, openSource } from '../libav/open-source.ts';
import { refuseLargePictures } from '../libav/picture-size.ts';
import { DURATION_SECONDS_MAX, END_SECONDS, TIMESCALE_MAX, TIMESCALE_MIN } from './limits.ts';
import {
  frameRateOf,
  isCopyablePicture,
  isCopyableSound,
  probeSource,
  toldDuration,
} from './probe-ffmpeg.ts';
import { cutByDuration } from './segment-plan.ts';

/** Ticks a second where the source's own do not fit: of MPEG, and a multiple of most picture rates. */
const TIMESCALE = 90_000;

/** The same as `inspect` for sources of all containers that FFmpeg reads: nothing of them is playable before a `copy`. */
export async function inspectByFfmpeg(
  context: TaskContext,
  mayCopyPictures: boolean,
): Promise<ResultOf<'inspect'>> {
  await using source = await openSource(livelySource(context), context.signal);
  refuseLargePictures(source.video?.codecpar ?? null);
  const durationSeconds = await measureDuration(source, context);
  const probe = probeSource(source, durationSeconds, context.source.sizeBytes);
  const { video, audio } = source;
  return {
    kind: 'inspect',
    probe,
    plan: planOf(source, durationSeconds),
    video: null,
    audio: [],
    copyable: {
      video: mayCopyPictures && video !== null && isCopyablePicture(video),
      audio: probe.audio.flatMap(({ index }) => (isCopyableSound(audio[index]!) ? [index] : [])),
    },
  };
}

/** The source, each reading of which is a sign of life: without an index, looking for the end reads all there is. */
function livelySource(context: TaskContext): SourceReader {
  return {
    sizeBytes: context.source.sizeBytes,
    read(offset, length) {
      context.progress(0.5);
      return context.source.read(offset, length);
    },
  };
}

function planOf({ video }: OpenSource, durationSeconds: number): SegmentPlan | null {
  if (video === null) return null;
  const { num, den } = video.timeBase;
  const isOwn = num === 1 && den >= TIMESCALE_MIN && den <= TIMESCALE_MAX;
  return cutByDuration(durationSeconds, isOwn ? den : TIMESCALE, frameRateOf(video));
}

/**
 * When the last picture or sound has ended, seconds after time 0. What the file says of it is looked after: it may be cut
 * off, or know nothing, in which case all of it is read.
 */
async function measureDuration(source: OpenSource, context: TaskContext): Promise<number> {
  const { video, audio } = source;
  const first = video ?? audio[0]!;
  source.select(...(video === null ? [] : [video]), ...audio);
  const told = toldDuration(source);
  if (told !== null && told > END_SECONDS) {
    const from = Math.floor((told - END_SECONDS) * TIMESCALE);
    await source.seek(first, source.timeline.fromTicks(from, TIMESCALE, first.timeBase));
  }
  const last = await readToEnd(source, context);
  const durationSeconds = last ?? told ?? 0;
  if (durationSeconds <= 0)
    throw new TaskFailure('unplayable', 'There is nothing in this file that could be shown.');
  if (durationSeconds > DURATION_SECONDS_MAX) {
    throw new TaskFailure(
      'unplayable',
      `This file says that it lasts ${Math.round(durationSeconds / 3600)} hours.`,
    );
  }
  return durationSeconds;
}

/** Null: there was no packet with a time. */
async function readToEnd(source: OpenSource, context: TaskContext): Promise<number | null> {
  const streams = source.video === null ? source.audio : [source.video, ...source.audio];
  const bases = new Map(streams.map(({ index, timeBase }) => [index, timeBase]));
  let end = -Infinity;
  using packet = new Packet();
  packet.alloc();
  while (await source.readPacket(packet)) {
    // One that shows parts of itself over and over has more packets than bytes to be read.
    context.progress(0.5);
    const base = bases.get(packet.streamIndex);
    const time = packet.pts === AV_NOPTS_VALUE ? packet.dts : packet.pts;
    if (base === undefined || time === AV_NOPTS_VALUE) continue;
    const ticks = time + (packet.duration > 0n ? packet.duration : 0n);
    end = Math.max(end, source.timeline.toTicks({ ticks, base }, TIMESCALE) / TIMESCALE);
  }
  return Number.isFinite(end) ? end : null;
}
