import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AV_CODEC_FLAG_BITEXACT,
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_NOPTS_VALUE,
  AV_PKT_DATA_DISPLAYMATRIX,
  AVFMT_GLOBALHEADER,
  type FFEncoderCodec,
} from 'node-av/constants';
import {
  Codec,
  CodecContext,
  Dictionary,
  Filter,
  type FilterContext,
  FilterGraph,
  FormatContext,
  Frame,
  Packet,
  type Stream,
} from 'node-av/lib';
import { check } from '../libav/ffmpeg-failure.ts';
import { openCodec } from '../libav/open-codec.ts';

/** A clip to be made for a test. What is left out: 2 s of 320x180 H.264 at 25 pictures a second, AAC stereo, MP4. */
export interface ClipOptions {
  readonly durationSeconds?: number;
  /** FFmpeg's name of the container. */
  readonly container?: 'mp4' | 'mov' | 'matroska' | 'mpegts' | 'avi' | 'wav' | 'mp3' | 'flac';
  /** Of the muxer: `{ movflags: '+faststart' }`. */
  readonly muxerOptions?: Readonly<Record<string, string>>;
  readonly video?: ClipVideo | null;
  /** One entry a track. */
  readonly audio?: readonly ClipAudio[];
}

export interface ClipVideo {
  readonly encoder?: string;
  readonly width?: number;
  readonly height?: number;
  /** As FFmpeg takes it: `25`, `30000/1001`. */
  readonly frameRate?: string;
  /** Pictures from one keyframe to the next. */
  readonly keyframeInterval?: number;
  readonly bFrames?: number;
  /** FFmpeg's name: `yuv420p10le`. */
  readonly pixelFormat?: string;
  /** Clockwise degrees by which a player has to turn the pictures. */
  readonly rotation?: 0 | 90 | 180 | 270;
  /** Filters after the pictures' source: `setsar=4/3`, `select='not(eq(mod(n,7),3))'`. */
  readonly filters?: string;
  /** Source of the pictures; its size and rate come after it. */
  readonly pattern?: 'testsrc2' | 'mandelbrot' | 'color=c=black' | 'smptebars';
  readonly encoderOptions?: Readonly<Record<string, string>>;
}

export interface ClipAudio {
  readonly encoder?: string;
  readonly channels?: 'mono' | 'stereo' | '5.1';
  readonly sampleRate?: number;
  readonly frequency?: number;
  /** Filters after the tone: `adelay`, `aselect`, `volume`. */
  readonly filters?: string;
}

interface Track {
  readonly graph: FilterGraph;
  readonly sink: FilterContext;
  readonly encoder: CodecContext;
  readonly stream: Stream;
  isDone: boolean;
  /** Seconds up to which frames were encoded. */
  seconds: number;
}

/** The clip's bytes: the same for the same options. */
export async function makeClip(options: ClipOptions = {}): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), 'orbitvids-clip-'));
  const path = join(directory, 'clip');
  try {
    await writeClip(path, options);
    return await readFile(path);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Writes a clip to a file, in which long ones are better kept. */
export async function writeClip(path: string, options: ClipOptions = {}): Promise<void> {
  const format = new FormatContext();
  const tracks: Track[] = [];
  check(format.allocOutputContext2(null, options.container ?? 'mp4', path), 'making a clip');
  try {
    const durationSeconds = options.durationSeconds ?? 2;
    if (options.video !== null) tracks.push(openVideo(format, durationSeconds, options.video ?? {}));
    for (const audio of options.audio ?? [{}]) tracks.push(openAudio(format, durationSeconds, audio));
    check(format.openOutputSync(), 'opening the clip');
    using muxerOptions = Dictionary.fromObject({ fflags: '+bitexact', ...options.muxerOptions });
    check(format.writeHeaderSync(muxerOptions), "writing the clip's header");
    // The track that is behind goes on, so that they lie interleaved.
    for (;;) {
      const track = tracks.filter(({ isDone }) => !isDone).sort((a, b) => a.seconds - b.seconds)[0];
      if (track === undefined) break;
      advance(format, track);
    }
    check(format.writeTrailerSync(), "writing the clip's end");
  } finally {
    for (const { encoder, graph } of tracks) {
      encoder.freeContext();
      graph.free();
    }
    format.closeOutputSync();
    format.freeContext();
  }
}

function openVideo(format: FormatContext, durationSeconds: number, video: ClipVideo): Track {
  const { width = 320, height = 180, frameRate = '25', pattern = 'testsrc2', filters, rotation = 0 } = video;
  const source = `${pattern}${pattern.includes('=') ? ':' : '='}size=${width}x${height}:rate=${frameRate}`;
  const chain = [
    source,
    `trim=duration=${durationSeconds}`,
    ...(filters === undefined ? [] : [filters]),
    `format=${video.pixelFormat ?? 'yuv420p'}`,
  ];
  const { graph, sink } = openGraph(chain.join(','), 'buffersink');

  const codec = encoderNamed(video.encoder ?? 'libx264');
  const encoder = new CodecContext();
  encoder.allocContext3(codec);
  encoder.width = sink.buffersinkGetWidth();
  encoder.height = sink.buffersinkGetHeight();
  encoder.pixelFormat = sink.buffersinkGetFormat() as CodecContext['pixelFormat'];
  encoder.timeBase = sink.buffersinkGetTimeBase();
  encoder.framerate = sink.buffersinkGetFrameRate();
  encoder.sampleAspectRatio = sink.buffersinkGetSampleAspectRatio();
  encoder.gopSize = video.keyframeInterval ?? 25;
  if (video.bFrames !== undefined) encoder.maxBFrames = video.bFrames;
  const speed: Record<string, string> =
    codec.name === 'libx264' || codec.name === 'libx265' ? { preset: 'ultrafast' } : {};
  if (codec.name === 'libx265') speed['x265-params'] = 'log-level=none:pools=1:frame-threads=1';
  const stream = openEncoder(format, codec, encoder, { ...speed, ...video.encoderOptions });
  if (rotation !== 0) {
    const matrix = displayMatrix(rotation);
    check(stream.codecpar.addCodedSideData(AV_PKT_DATA_DISPLAYMATRIX, matrix), 'turning the clip');
  }
  return { graph, sink, encoder, stream, isDone: false, seconds: 0 };
}

function openAudio(format: FormatContext, durationSeconds: number, audio: ClipAudio): Track {
  const { channels = 'stereo', sampleRate = 48_000, frequency = 440, filters } = audio;
  const codec = encoderNamed(audio.encoder ?? 'aac');
  const sampleFormat = codec.name === 'pcm_s16le' || codec.name === 'flac' ? 's16' : 'fltp';
  const chain = [
    `sine=frequency=${frequency}:sample_rate=${sampleRate}:duration=${durationSeconds}`,
    ...(filters === undefined ? [] : [filters]),
    `aformat=sample_fmts=${sampleFormat}:channel_layouts=${channels}`,
    'asetnsamples=n=1024:p=0',
  ];
  const { graph, sink } = openGraph(chain.join(','), 'abuffersink');

  const encoder = new CodecContext();
  encoder.allocContext3(codec);
  encoder.sampleRate = sink.buffersinkGetSampleRate();
  encoder.sampleFormat = sink.buffersinkGetFormat() as CodecContext['sampleFormat'];
  encoder.channelLayout = sink.buffersinkGetChannelLayout();
  encoder.timeBase = sink.buffersinkGetTimeBase();
  const stream = openEncoder(format, codec, encoder, {});
  return { graph, sink, encoder, stream, isDone: false, seconds: 0 };
}

function openGraph(
  chain: string,
  sinkName: 'buffersink' | 'abuffersink',
): { graph: FilterGraph; sink: FilterContext } {
  const graph = new FilterGraph();
  graph.alloc();
  graph.nbThreads = 1;
  const sinkFilter = Filter.getByName(sinkName);
  check(graph.parsePtr(`${chain},${sinkName}@out`), 'reading the filters');
  check(graph.configSync(), 'setting up the filters');
  const sink = graph.filters?.find((filter) => filter.filter?.name === sinkFilter?.name);
  if (sink === undefined) throw new Error('The filters have no end');
  return { graph, sink };
}

function encoderNamed(name: string): Codec {
  const codec = Codec.findEncoderByName(name as FFEncoderCodec);
  if (codec === null) throw new Error(`This FFmpeg has no encoder ${name}`);
  return codec;
}

function openEncoder(
  format: FormatContext,
  codec: Codec,
  encoder: CodecContext,
  options: Readonly<Record<string, string>>,
): Stream {
  encoder.threadCount = 1;
  encoder.setFlags(AV_CODEC_FLAG_BITEXACT);
  if (format.oformat !== null && (format.oformat.flags & AVFMT_GLOBALHEADER) !== 0)
    encoder.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  openCodec(encoder, codec, options);
  const stream = format.newStream(null);
  stream.timeBase = encoder.timeBase;
  stream.avgFrameRate = encoder.framerate;
  stream.sampleAspectRatio = encoder.sampleAspectRatio;
  check(stream.codecpar.fromContext(encoder), 'describing a stream');
  return stream;
}

/** Encodes one frame, or what is left after the last one. */
function advance(format: FormatContext, track: Track): void {
  using frame = new Frame();
  frame.alloc();
  const isOver = track.sink.buffersinkGetFrameSync(frame) < 0;
  if (!isOver && frame.pts !== AV_NOPTS_VALUE) {
    const { num, den } = track.encoder.timeBase;
    track.seconds = (Number(frame.pts) * num) / den;
  }

  // What the source said of each picture would be taken for an order.
  if (!isOver && frame.isVideo()) frame.pictType = 0 as Frame['pictType'];
  check(track.encoder.sendFrameSync(isOver ? null : frame), 'encoding a clip');

  using packet = new Packet();
  packet.alloc();
  while (track.encoder.receivePacketSync(packet) >= 0) {
    packet.streamIndex = track.stream.index;
    packet.rescaleTs(track.encoder.timeBase, track.stream.timeBase);
    check(format.interleavedWriteFrameSync(packet), 'writing a clip');
  }
  track.isDone = isOver;
}

/** Nine numbers, 16.16 and 2.30 fixed point, little-endian as FFmpeg has them in memory here. */
function displayMatrix(rotation: 90 | 180 | 270): Buffer {
  const sine = rotation === 90 ? 1 : rotation === 270 ? -1 : 0;
  const cosine = rotation === 180 ? -1 : 0;
  const numbers = [cosine, sine, 0, -sine, cosine, 0, 0, 0].map((value) => value * 65536);
  const matrix = Buffer.alloc(36);
  for (const [index, value] of [...numbers, 1 << 30].entries()) matrix.writeInt32LE(value, index * 4);
  return matrix;
}
