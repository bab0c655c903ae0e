import { ascii, box, fullBox, u8, u16, u32 } from './boxes.ts';

/** ISO/IEC 23091-2 numbers of how colours are coded. */
export interface Colours {
  readonly primaries: number;
  readonly transfer: number;
  readonly matrix: number;
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

const TRACK_ID = 1;
/** Turns and moves nothing. */
const UNITY_MATRIX = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);
const LANGUAGE_UNDETERMINED = 0x55c4;

/** The initialization segment (`ftyp`, `moov`) of H.264 pictures. The same for the same description. */
export function videoInit(init: VideoInit): Buffer {
  const { primaries, transfer, matrix } = init.colours;
  const entry = box(
    'avc1',
    Buffer.alloc(6),
    u16(1),
    Buffer.alloc(16),
    u16(init.width, init.height),
    u32(0x480000, 0x480000, 0),
    u16(1),
    Buffer.alloc(32),
    u16(24, 0xffff),
    box('avcC', init.avcConfiguration),
    box('colr', ascii('nclx'), u16(primaries, transfer, matrix), u8(0)),
    box('pasp', u32(1, 1)),
  );
  const media = { handler: 'vide', header: fullBox('vmhd', 0, 1, Buffer.alloc(8)), entry };
  return initSegment(init.timescale, media, u32(init.width * 0x10000, init.height * 0x10000), 0);
}

/** The initialization segment of AAC; its timescale is the sample rate. */
export function audioInit(init: AudioInit): Buffer {
  const entry = box(
    'mp4a',
    Buffer.alloc(6),
    u16(1),
    Buffer.alloc(8),
    u16(init.channels, 16, 0, 0),
    // 16.16 fixed point; greater rates do not fit and are read from the configuration.
    u32(init.sampleRate < 0x10000 ? init.sampleRate * 0x10000 : 0),
    fullBox('esds', 0, 0, elementaryStream(init.aacConfiguration)),
  );
  const media = { handler: 'soun', header: fullBox('smhd', 0, 0, Buffer.alloc(4)), entry };
  return initSegment(init.sampleRate, media, u32(0, 0), 0x100);
}

/** The descriptors of ISO/IEC 14496-1 around an AAC configuration. */
function elementaryStream(configuration: Uint8Array): Buffer {
  const specific = descriptor(5, configuration);
  // Object type AAC, an audio stream; buffer size and bit rates unknown.
  const decoder = descriptor(4, Buffer.concat([u8(0x40, 0x15, 0, 0, 0), u32(0, 0), specific]));
  return descriptor(3, Buffer.concat([u16(TRACK_ID), u8(0), decoder, descriptor(6, u8(2))]));
}

function descriptor(tag: number, content: Uint8Array): Buffer {
  if (content.length > 0x7f)
    throw new RangeError('A descriptor is longer than its one byte of length can say');
  return Buffer.concat([u8(tag, content.length), content]);
}

function initSegment(
  timescale: number,
  media: { readonly handler: string; readonly header: Buffer; readonly entry: Buffer },
  sizes: Buffer,
  volume: number,
): Buffer {
  const empty = (type: string) => fullBox(type, 0, 0, u32(0));
  const table = box(
    'stbl',
    fullBox('stsd', 0, 0, u32(1), media.entry),
    empty('stts'),
    empty('stsc'),
    fullBox('stsz', 0, 0, u32(0, 0)),
    empty('stco'),
  );
  const dataInformation = box('dinf', fullBox('dref', 0, 0, u32(1), fullBox('url ', 0, 1)));
  const track = box(
    'trak',
    // Enabled and in the presentation.
    fullBox('tkhd', 0, 3, u32(0, 0, TRACK_ID, 0, 0, 0, 0), u16(0, 0, volume, 0), UNITY_MATRIX, sizes),
    box(
      'mdia',
      fullBox('mdhd', 0, 0, u32(0, 0, timescale, 0), u16(LANGUAGE_UNDETERMINED, 0)),
      fullBox('hdlr', 0, 0, u32(0), ascii(media.handler), Buffer.alloc(12), ascii('\0')),
      box('minf', media.header, dataInformation, table),
    ),
  );
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
    track,
    box('mvex', fullBox('trex', 0, 0, u32(TRACK_ID, 1, 0, 0, 0))),
  );
  return Buffer.concat([box('ftyp', ascii('iso6'), u32(0), ascii('iso6cmfccmf2mp41')), movie]);
}
