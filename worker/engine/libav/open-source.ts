import {
  AV_DISPOSITION_ATTACHED_PIC,
  AV_NOPTS_VALUE,
  AVDISCARD_ALL,
  AVERROR_EOF,
  AVERROR_INVALIDDATA,
  AVMEDIA_TYPE_AUDIO,
  AVMEDIA_TYPE_VIDEO,
  AVSEEK_FLAG_BACKWARD,
} from 'node-av/constants';
import { Dictionary, FFmpegError, FormatContext, type Packet, type Stream } from 'node-av/lib';
import { type SourceReader, TaskFailure } from '../../task-context.ts';
import { check } from './ffmpeg-failure.ts';
import {
  PROBE_BYTES_MAX,
  PROBE_DURATION_SECONDS_MAX,
  STREAMS_MAX,
  UNREADABLE_PACKETS_MAX,
} from './limits.ts';
import { openSourceIo, type SourceIo } from './source-io.ts';
import { type Moment, Timeline } from './timeline.ts';

/**
 * Containers of video and sound that describe themselves. Missing on purpose: what names other files (hls, dash, concat,
 * sdp, image sequences), pictures, subtitles, and bare streams without times.
 */
const FORMATS =
  'mov,mp4,matroska,webm,mpegts,mpeg,avi,flv,live_flv,ogg,asf,mxf,rm,wav,w64,mp3,flac,aac,aiff,caf,ac3,eac3,amr,wv';

/** A source that FFmpeg reads. Belongs to one reader at a time. */
export interface OpenSource extends AsyncDisposable {
  readonly format: FormatContext;
  /** The pictures that are to be shown; null: there are none but at most a cover. */
  readonly video: Stream | null;
  /** In the order of the file: an audio track's `index` is its place here. */
  readonly audio: readonly Stream[];
  /** Turns the times of its streams into ticks. */
  readonly timeline: Timeline;
  /** Leaves the packets of all other streams out. */
  select(...streams: readonly Stream[]): void;
  /**
   * The next packet of the selected streams; false at the end, which a cut-off file reaches early. Rejects with what kept
   * it from bytes, or the signal's reason.
   */
  readPacket(packet: Packet): Promise<boolean>;
  /**
   * Goes on at the stream's keyframe at `timestamp` or, as far as the container lets know, the last one before. Falls back
   * to the beginning.
   */
  seek(stream: Stream, timestamp: bigint): Promise<void>;
}

/**
 * Opens a source by its bytes alone: no protocol is open to what the file says. Rejects with a `TaskFailure` `unplayable`
 * when it is no video or sound that FFmpeg knows.
 */
export async function openSource(reader: SourceReader, signal: AbortSignal): Promise<OpenSource> {
  signal.throwIfAborted();
  const io = openSourceIo(reader, signal);
  const format = new FormatContext();
  try {
    await openFormat(format, io);
    return describeSource(format, io);
  } catch (error) {
    await close(format, io);
    throw error;
  }
}

async function openFormat(format: FormatContext, io: SourceIo): Promise<void> {
  format.allocContext();
  format.pb = io.context;
  using options = Dictionary.fromObject({
    format_whitelist: FORMATS,
    protocol_whitelist: 'none',
    probesize: PROBE_BYTES_MAX,
    analyzeduration: PROBE_DURATION_SECONDS_MAX * 1_000_000,
    max_streams: STREAMS_MAX,
  });
  const opened = await format.openInput('', null, options);
  io.throwIfFailed();
  if (opened < 0) throw unplayable(opened);
  const looked = await format.findStreamInfo();
  io.throwIfFailed();
  if (looked < 0) throw unplayable(looked);
}

function unplayable(code: number): TaskFailure {
  const text =
    code === AVERROR_INVALIDDATA || code === AVERROR_EOF
      ? 'This file is not a video or sound that can be read, or it is damaged.'
      : `This file cannot be read as video or sound: ${FFmpegError.strerror(code)}.`;
  return new TaskFailure('unplayable', text);
}

function describeSource(format: FormatContext, io: SourceIo): OpenSource {
  const streams = format.streams;
  const video = streams.find((stream) => isShown(stream)) ?? null;
  const audio = streams.filter(
    (stream) => stream.codecpar.codecType === AVMEDIA_TYPE_AUDIO && stream.codecpar.channels > 0,
  );
  const first = video ?? audio[0];
  if (first === undefined)
    throw new TaskFailure('unplayable', 'There is neither video nor sound in this file.');

  return {
    format,
    video,
    audio,
    timeline: new Timeline(beginningOf(first)),
    select(...selected) {
      const wanted = new Set(selected.map((stream) => stream.index));
      for (const stream of streams) if (!wanted.has(stream.index)) stream.discard = AVDISCARD_ALL;
    },
    async readPacket(packet) {
      for (let unreadable = 0; unreadable < UNREADABLE_PACKETS_MAX; unreadable += 1) {
        packet.unref();
        const code = await format.readFrame(packet);
        io.throwIfFailed();
        if (code >= 0) return true;
        if (code !== AVERROR_INVALIDDATA) return false;
      }
      return false;
    },
    async seek(stream, timestamp) {
      const code = await format.seekFrame(stream.index, timestamp, AVSEEK_FLAG_BACKWARD);
      io.throwIfFailed();
      if (code >= 0) return;
      const beginning = stream.startTime === AV_NOPTS_VALUE ? 0n : stream.startTime;
      const again = await format.seekFrame(stream.index, beginning, AVSEEK_FLAG_BACKWARD);
      io.throwIfFailed();
      check(again, 'looking for a place in the file');
    },
    [Symbol.asyncDispose]: () => close(format, io),
  };
}

function isShown(stream: Stream): boolean {
  const { codecType, width, height } = stream.codecpar;
  const isCover = (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) !== 0;
  return codecType === AVMEDIA_TYPE_VIDEO && !isCover && width > 0 && height > 0;
}

function beginningOf(stream: Stream): Moment {
  const { num, den } = stream.timeBase;
  return { ticks: stream.startTime === AV_NOPTS_VALUE ? 0n : stream.startTime, base: { num, den } };
}

async function close(format: FormatContext, io: SourceIo): Promise<void> {
  await format.closeInput();
  io[Symbol.dispose]();
}
