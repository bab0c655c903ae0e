import { type TinyH264, tinyAvcConfiguration } from './tiny-h264.ts';

/** A Matroska file of one track of H.264, 25 pictures a second. What is left out is usual. */
export interface MadeUpMatroska {
  readonly pictures: TinyH264;
  readonly samples: readonly Uint8Array[];
  /** What the header says. */
  readonly durationMs?: number;
  /** When the only cluster begins. */
  readonly clusterMs?: number;
  /** Samples were deflated. */
  readonly isDeflated?: boolean;
  /** Elements before what describes the file. */
  readonly first?: readonly Uint8Array[];
}

export const EBML = {
  ...{ seekHead: 0x114d_9b74, seek: 0x4dbb, seekId: 0x53ab, seekPosition: 0x53ac },
  ...{ tags: 0x1254_c367, tag: 0x7373, simpleTag: 0x67c8, cues: 0x1c53_bb6b },
} as const;

export function matroskaBytes(film: MadeUpMatroska): Buffer {
  const { pictures, samples, first = [], isDeflated = false, durationMs = samples.length * 40 } = film;
  const head = element(
    0x1a45_dfa3,
    element(0x4282, Buffer.from('matroska')),
    element(0x4287, bigEndian(4)),
    element(0x4285, bigEndian(2)),
  );
  const encodings = element(0x6d80, element(0x6240, element(0x5034, element(0x4254, bigEndian(0)))));
  const track = element(
    0xae,
    ...[element(0xd7, bigEndian(1)), element(0x73c5, bigEndian(1)), element(0x83, bigEndian(1))],
    ...[element(0x86, Buffer.from('V_MPEG4/ISO/AVC')), element(0x63a2, tinyAvcConfiguration(pictures))],
    element(
      0xe0,
      element(0xb0, bigEndian(pictures.across * 16)),
      element(0xba, bigEndian(pictures.down * 16)),
    ),
    ...(isDeflated ? [encodings] : []),
  );
  const duration = Buffer.alloc(8);
  duration.writeDoubleBE(durationMs);
  const blocks = samples.map((bytes, index) => {
    const header = Buffer.from([0x81, (index * 40) >> 8, (index * 40) & 255, index === 0 ? 0x80 : 0]);
    return element(0xa3, header, bytes);
  });
  const parts = [
    ...first,
    element(0x1549_a966, element(0x2a_d7b1, bigEndian(1_000_000)), element(0x4489, duration)),
    element(0x1654_ae6b, track),
    element(0x1f43_b675, element(0xe7, bigEndian(film.clusterMs ?? 0)), ...blocks),
  ];
  return Buffer.concat([head, element(0x1853_8067, ...parts)]);
}

/** With its length in eight bytes. */
export function element(id: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(content.length) | (1n << 56n));
  return Buffer.concat([bigEndian(id), length, content]);
}

/** A number in as few bytes as it takes. */
export function bigEndian(value: number): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}
