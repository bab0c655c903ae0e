import { deflateSync } from 'node:zlib';
import { box, fullBox, u32 } from '../cmaf/boxes.ts';
import { pictureEntry } from '../cmaf/init-segment.ts';
import { FTYP, filmMoov, type MadeUpTrack } from '../mp4/testing/film-bytes.ts';
import { bigEndian, EBML, element, matroskaBytes } from './matroska-bytes.ts';
import { type TinyH264, tinyAvcConfiguration, tinyPicture } from './tiny-h264.ts';

/*
 * Files that were made to exhaust whoever reads them: small, and each the same whenever it is made.
 */

const SMALL: TinyH264 = { across: 20, down: 12, bitDepth: 8, references: 1 };

function samplesOf(pictures: TinyH264, count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => tinyPicture(pictures, index));
}

/** MP4, the media before the tables. */
function mp4Of(
  pictures: TinyH264,
  samples: readonly Uint8Array[],
  changes: Partial<MadeUpTrack> = {},
): Buffer {
  const entry = pictureEntry({
    ...{ width: Math.min(pictures.across * 16, 65_535), height: Math.min(pictures.down * 16, 65_535) },
    ...{ avcConfiguration: tinyAvcConfiguration(pictures), colours: null, pixelAspect: [1, 1] },
  });
  const { replace, ...rest } = changes;
  const track: MadeUpTrack = {
    ...{ kind: 'video', timescale: 12_800, count: samples.length, duration: 512, keyframeInterval: 1e9 },
    ...{ size: samples.map(({ length }) => length), chunkSamples: samples.length },
    ...{ chunkOffsets: [FTYP.length + 8], ...rest },
    replace: { stsd: fullBox('stsd', 0, 0, u32(1), entry), ...replace },
  };
  return Buffer.concat([FTYP, box('mdat', ...samples), filmMoov({ tracks: [track] })]);
}

/** Pictures of 16384 x 16384, of which only a corner is there. */
export function hugePictures(): Buffer {
  const corner = { across: 64, down: 1, bitDepth: 8, references: 1 } as const;
  return mp4Of({ ...corner, across: 1024, down: 1024 }, samplesOf(corner, 25));
}

/** Pictures as large as are decoded, of 10 bits, of which a decoder has to keep sixteen: 3.4 GB. */
export function manyLargePictures(): Buffer {
  const pictures = { across: 512, down: 512, bitDepth: 10, references: 16 } as const;
  return mp4Of(pictures, samplesOf(pictures, 100));
}

/** Every picture is hundreds of slices of one macroblock each. */
export function manySlices(): Buffer {
  const pictures = { ...SMALL, slices: SMALL.across * SMALL.down };
  return mp4Of(pictures, samplesOf(pictures, 25));
}

/** Many pictures of 2048 x 2048, each a few bytes. */
export function laboriousPictures(): Buffer {
  const pictures = { across: 128, down: 128, bitDepth: 8, references: 1 } as const;
  return mp4Of(pictures, samplesOf(pictures, 2000));
}

/** Tables that say in a few bytes that they have so many samples. */
function boastfulTables(count: number, sampleDuration: number): Buffer {
  return mp4Of(SMALL, samplesOf(SMALL, 25), {
    replace: {
      stsz: fullBox('stsz', 0, 0, u32(1, count)),
      stts: fullBox('stts', 0, 0, u32(1, count, sampleDuration)),
      stsc: fullBox('stsc', 0, 0, u32(1, 1, count, 1)),
    },
  });
}

/** As many samples as a number takes. */
export function billionsOfSamples(): Buffer {
  return boastfulTables(0xffff_ffff, 512);
}

/** As many as FFmpeg takes for possible. */
export function manySamples(): Buffer {
  return boastfulTables(0x0300_0000, 1);
}

/** Offsets of samples that are not there. */
export function billionsOfOffsets(): Buffer {
  return mp4Of(SMALL, samplesOf(SMALL, 25), {
    compositionOffsets: [0],
    replace: { ctts: fullBox('ctts', 0, 0, u32(0xffff_ffff, 1, 512)) },
  });
}

/** Lasts 10^9 seconds by its tables. */
export function endlessMp4(): Buffer {
  return mp4Of(SMALL, samplesOf(SMALL, 10), { timescale: 1, duration: 100_000_000 });
}

/** The same, by its header and by the time of its pictures. */
export function endlessMatroska(): Buffer {
  const samples = samplesOf(SMALL, 10);
  return matroskaBytes({ pictures: SMALL, samples, durationMs: 1e12, clusterMs: 1e12 });
}

/** Lasts 10^9 seconds by its header alone. */
export function boastfulMatroska(): Buffer {
  return matroskaBytes({ pictures: SMALL, samples: samplesOf(SMALL, 25), durationMs: 1e12 });
}

/** Each edit shows the whole again. */
export function editsWithoutEnd(editCount: number, sampleCount: number): Buffer {
  const samples = samplesOf(SMALL, sampleCount);
  const edits = Array.from({ length: editCount }, () => ({ duration: sampleCount * 40, mediaTime: 0 }));
  return mp4Of(SMALL, samples, { edits });
}

/** What the file lists are its lists, over and over. */
export function listsOfThemselves(): Buffer {
  const seek = (id: number, position: number) =>
    element(EBML.seek, element(EBML.seekId, bigEndian(id)), element(EBML.seekPosition, bigEndian(position)));
  const ids = [EBML.seekHead, EBML.cues, EBML.tags];
  const seeks = Array.from({ length: 3000 }, (_, index) => seek(ids[index % 3]!, 0));
  const first = [element(EBML.seekHead, ...seeks)];
  return matroskaBytes({ pictures: SMALL, samples: samplesOf(SMALL, 25), first });
}

/** Elements in elements, thousands deep. */
export function nestedWithoutEnd(): Buffer {
  let tag = element(EBML.simpleTag);
  for (let depth = 0; depth < 2000; depth++) tag = element(EBML.simpleTag, tag);
  const first = [element(EBML.tags, element(EBML.tag, tag))];
  return matroskaBytes({ pictures: SMALL, samples: samplesOf(SMALL, 25), first });
}

/** Samples of 64 MiB each, deflated. */
export function inflatingSamples(): Buffer {
  const deflated = deflateSync(Buffer.alloc(64 * 1024 * 1024));
  const samples = Array.from({ length: 25 }, () => deflated);
  return matroskaBytes({ pictures: SMALL, samples, isDeflated: true });
}
