import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { encodeRecipe, type SourceRange } from '../../../lib/worker-api/recipe.ts';
import type { Manifest } from '../../objects/manifest.ts';
import type { Rendition, RenditionPiece } from '../../renditions/rendition.ts';

export const VIDEO_MEDIA = {
  ...{ kind: 'video', codecs: 'avc1.64001f', width: 1280, height: 720, frameRate: 25 },
} as const satisfies Rendition['media'];
export const AUDIO_MEDIA = {
  ...{ kind: 'audio', codecs: 'mp4a.40.2', channels: 2, sampleRate: 48_000 },
  ...{ track: 0, language: null, label: null, isDefault: true },
} as const satisfies Rendition['media'];

export function renditionOf(overrides: Partial<Rendition> = {}): Rendition {
  return {
    ...{ id: uuidv7(), videoId: uuidv7(), name: '720p', origin: 'encoded', media: VIDEO_MEDIA },
    ...{ isReady: true, createdAt: new Date('2026-01-02T03:04:05.678Z') },
    ...overrides,
  };
}

/** An object whose chunks end where `cuts` say, or one chunk. */
export function manifestOf(size: number, cuts: readonly number[] = []): Manifest {
  const objectId = uuidv7();
  const ends = [...cuts, size];
  const chunks = ends.map((end, index) => ({
    ...{ id: `${objectId}-${index}`, position: index, checksum: 0 },
    length: end - (ends[index - 1] ?? 0),
  }));
  return { objectId, size, chunks };
}

export function pieceOf(
  overrides: Partial<RenditionPiece> & Pick<RenditionPiece, 'lengths'>,
): RenditionPiece {
  const size = overrides.lengths.reduce((sum, length) => sum + length, 0);
  return {
    ...{
      index: 0,
      object: manifestOf(size),
      init: Buffer.from('init'),
      timescale: 1000,
      servedLengths: null,
    },
    durations: overrides.lengths.map(() => 4000),
    ...overrides,
  };
}

/** Recipes as one object's bytes, and what the segments are that they make of the source. */
export function recipesOf(
  source: Uint8Array,
  segments: readonly { readonly header: Uint8Array; readonly ranges: readonly SourceRange[] }[],
) {
  const recipes = segments.map(encodeRecipe);
  return {
    bytes: Buffer.concat(recipes),
    lengths: recipes.map(({ length }) => length),
    made: segments.map(({ header, ranges }) =>
      Buffer.concat([
        header,
        ...ranges.map(({ offset, length }) => source.subarray(offset, offset + length)),
      ]),
    ),
  };
}

/** Ranges as interleaved tracks have them, and some that nobody would expect. */
export function randomRanges(sourceBytes: number, count: number, random: () => number): SourceRange[] {
  const ranges: SourceRange[] = [];
  let at = Math.floor(random() * 1000);
  for (let index = 0; index < count; index++) {
    if (random() < 0.1) at = Math.floor(random() * sourceBytes);
    const length = 1 + Math.floor(random() ** 4 * 100_000);
    if (at + length > sourceBytes) at = Math.floor(random() * 1000);
    if (at + length > sourceBytes) break;
    ranges.push({ offset: at, length });
    at += length + (random() < 0.3 ? 0 : Math.floor(random() ** 3 * 200_000));
  }
  return ranges;
}

export function noise(bytes: number): Buffer {
  return randomBytes(bytes);
}
