import { ascii, box, fullBox, u8, u16, u32 } from './boxes.ts';

/** ISO/IEC 23091-2 numbers of how colours are coded. */
export interface Colours {
  readonly primaries: number;
  readonly transfer: number;
  readonly matrix: number;
}

/** What the initialization segment of one track says. */
export interface TrackInit {
  readonly kind: 'video' | 'audio';
  /** Ticks a second. */
  readonly timescale: number;
  /** How samples are coded: an entry of `stsd`. */
  readonly entry: Uint8Array;
  /** ISO 639-2; null: not told. */
  readonly language?: string | null;
  /**
   * Ticks by which segments show all samples later than they are to be shown, so that none has to be shown before it is
   * decoded; taken back by an edit list. Browsers know this one kind of edit list; the other way, negative offsets in
   * segments, FFmpeg shows late.
   */
  readonly delay?: number;
  /** In square pixels; of pictures. */
  readonly width?: number;
  readonly height?: number;
}

export interface VideoInit {
  readonly timescale: number;
  readonly width: number;
  readonly height: number;
  /** `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15). */
  readonly avcConfiguration: Uint8Array;
  readonly colours: Colours;
}

export interface AudioInit {
  readonly sampleRate: number;
  readonly channels: number;
  /** `AudioSpecificConfig` (ISO/IEC 14496-3). */
  readonly aacConfiguration: Uint8Array;
}

/** Of segments, too; there is one track. */
export const TRACK_ID = 1;
/** Turns and moves nothing. */
const UNITY_MATRIX = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);

/** The initialization segment (`ftyp`, `moov`) of H.264 pictures. The same for the same description. */
export function videoInit({ avcConfiguration, colours, ...init }: VideoInit): Buffer {
  const { width, height } = init;
  return initSegment({
    kind: 'video',
    ...init,
    entry: pictureEntry({ width, height, avcConfiguration, colours, pixelAspect: [1, 1] }),
  });
}

/** The initialization segment of AAC; its timescale is the sample rate. */
export function audioInit(init: AudioInit): Buffer {
  return initSegment({ kind: 'audio', timescale: init.sampleRate, entry: soundEntry(init) });
}

/** An `avc1` of H.264; sizes are as stored. `colours` null: the stream tells itself. */
export function pictureEntry(pictures: {
  readonly width: number;
  readonly height: number;
  readonly avcConfiguration: Uint8Array;
  readonly colours: Colours | null;
  readonly pixelAspect: readonly [across: number, down: number];
}): Buffer {
  const { colours } = pictures;
  return box(
    'avc1',
    Buffer.alloc(6),
    u16(1),
    Buffer.alloc(16),
    u16(pictures.width, pictures.height),
    u32(0x480000, 0x480000, 0),
    u16(1),
    Buffer.alloc(32),
    u16(24, 0xffff),
    box('avcC', pictures.avcConfiguration),
    ...(colours === null
      ? []
      : [box('colr', ascii('nclx'), u16(colours.primaries, colours.transfer, colours.matrix), u8(0))]),
    box('pasp', u32(...pictures.pixelAspect)),
  );
}

/** An `mp4a` of AAC. */
export function soundEntry({ sampleRate, channels, aacConfiguration }: AudioInit): Buffer {
  return box(
    'mp4a',
    Buffer.alloc(6),
    u16(1),
    Buffer.alloc(8),
    u16(channels, 16, 0, 0),
    // 16.16 fixed point; greater rates do not fit and are read from the configuration.
    u32(sampleRate < 0x10000 ? sampleRate * 0x10000 : 0),
    fullBox('esds', 0, 0, elementaryStream(aacConfiguration)),
  );
}

/** The descriptors of ISO/IEC 14496-1 around an AAC configuration. */
function elementaryStream(configuration: Uint8Array): Buffer {
  const specific = descriptor(5, configuration);
  // Object type AAC, an audio stream; buffer size and bit rates unknown.
  const decoder = descriptor(4, Buffer.concat([u8(0x40, 0x15, 0, 0, 0), u32(0, 0), specific]));
  return descriptor(3, Buffer.concat([u16(TRACK_ID), u8(0), decoder, descriptor(6, u8(2))]));
}

/** With a length of four bytes, whatever it is. */
function descriptor(tag: number, content: Uint8Array): Buffer {
  const lengths = [21, 14, 7].map((shift) => 0x80 | ((content.length >> shift) & 0x7f));
  return Buffer.concat([u8(tag, ...lengths, content.length & 0x7f), content]);
}

/** The CMAF header of a track: `ftyp`, and a `moov` without samples. */
export function initSegment(init: TrackInit): Buffer {
  const { kind, timescale, width = 0, height = 0 } = init;
  const movie = box(
    'moov',
    fullBox(
      'mvhd',
      0,
      0,
      u32(0, 0, timescale, 0, 0x10000),
      u16(0x100, 0),
      Buffer.alloc(8),
      UNITY_MATRIX,
      Buffer.alloc(24),
      u32(TRACK_ID + 1),
    ),
    box(
      'trak',
      // Enabled and in the presentation.
      fullBox(
        'tkhd',
        0,
        3,
        u32(0, 0, TRACK_ID, 0, 0, 0, 0),
        u16(0, 0, kind === 'audio' ? 0x100 : 0, 0),
        UNITY_MATRIX,
        u32(width * 0x10000, height * 0x10000),
      ),
      ...editBoxes(init.delay ?? 0),
      mediaBox(init),
    ),
    box('mvex', fullBox('trex', 0, 0, u32(TRACK_ID, 1, 0, 0, 0))),
  );
  return Buffer.concat([box('ftyp', ascii('iso6'), u32(0), ascii('iso6cmfcmp41')), movie]);
}

/** Of duration 0: for as long as there are segments. */
function editBoxes(delay: number): Buffer[] {
  return delay === 0 ? [] : [box('edts', fullBox('elst', 0, 0, u32(1, 0, delay, 0x10000)))];
}

function mediaBox({ kind, timescale, entry, language = null }: TrackInit): Buffer {
  const [handler, header] =
    kind === 'video'
      ? ['vide', fullBox('vmhd', 0, 1, Buffer.alloc(8))]
      : ['soun', fullBox('smhd', 0, 0, Buffer.alloc(4))];
  const empty = (type: string) => fullBox(type, 0, 0, u32(0));
  const table = box(
    'stbl',
    fullBox('stsd', 0, 0, u32(1), entry),
    empty('stts'),
    empty('stsc'),
    fullBox('stsz', 0, 0, u32(0, 0)),
    empty('stco'),
  );
  const dataInformation = box('dinf', fullBox('dref', 0, 0, u32(1), fullBox('url ', 0, 1)));
  return box(
    'mdia',
    fullBox('mdhd', 0, 0, u32(0, 0, timescale, 0), u16(packLanguage(language), 0)),
    fullBox('hdlr', 0, 0, u32(0), ascii(handler), Buffer.alloc(12), ascii('\0')),
    box('minf', header, dataInformation, table),
  );
}

/** Three letters of five bits; `und` where nobody knows. */
function packLanguage(language: string | null): number {
  const letters = language !== null && /^[a-z]{3}$/.test(language) ? language : 'und';
  return [...letters].reduce((packed, letter) => packed * 32 + letter.charCodeAt(0) - 0x60, 0);
}
