import {
  encodeRecipe,
  RECIPE_GAP_BYTES_MAX,
  RECIPE_RANGES_MAX,
  RECIPE_READINGS_MAX,
  RECIPE_SERVED_BYTES_MAX,
  type SourceRange,
  servedLengthOf,
} from '../../../lib/worker-api/recipe.ts';
import type { Piece } from '../../../lib/worker-api/tasks.ts';
import type { TaskContext } from '../../task-context.ts';
import { type FragmentSamples, writeFragmentHeader } from '../cmaf/fragment.ts';
import { PieceWriter } from '../cmaf/piece-writer.ts';
import type { SampleTable } from '../mp4/sample-table.ts';
import { SEGMENT_SAMPLES_MAX } from './limits.ts';

/** A rendition whose media stay where they are. */
export interface VirtualRendition {
  /** Of the output. */
  readonly name: string;
  readonly init: Uint8Array;
  readonly timescale: number;
  readonly table: SampleTable;
  /** The first sample of each segment, and one beyond the last of all. */
  readonly samples: readonly number[];
  /** One more than segments. */
  readonly boundaries: readonly number[];
  /** When samples are decoded, and the last one has been; as fragments have it. */
  readonly decodeTimes: Float64Array;
  /** From `decodeTimes` to being shown; null: none. */
  readonly compositionOffsets: Int32Array | null;
}

/** The content type of an output that holds recipes. */
const CONTENT_TYPE = 'application/octet-stream';

/**
 * Whether segments can be made of the source by recipes: none has too many samples or bytes or lies in too many places, and
 * all samples have bytes.
 */
export function isServable({ table, samples }: Pick<VirtualRendition, 'table' | 'samples'>): boolean {
  for (let segment = 0; segment + 1 < samples.length; segment++) {
    if (samples[segment + 1]! - samples[segment]! > SEGMENT_SAMPLES_MAX) return false;
    let ranges = 0;
    let readings = 0;
    let bytes = 0;
    let end = Number.NEGATIVE_INFINITY;
    for (let sample = samples[segment]!; sample < samples[segment + 1]!; sample++) {
      const size = table.sizes[sample]!;
      if (size === 0) return false;
      const gap = table.offsets[sample]! - end;
      if (gap !== 0) ranges += 1;
      if (gap < 0 || gap > RECIPE_GAP_BYTES_MAX) readings += 1;
      end = table.offsets[sample]! + size;
      bytes += size;
    }
    // Headers are left a share of the bytes that no real one reaches.
    if (ranges > RECIPE_RANGES_MAX || readings > RECIPE_READINGS_MAX) return false;
    if (bytes > RECIPE_SERVED_BYTES_MAX / 2) return false;
  }
  return true;
}

/** Writes the recipes of all segments, whose rendition is servable. */
export async function writeRecipes(rendition: VirtualRendition, context: TaskContext): Promise<Piece> {
  const writer = new PieceWriter(context, rendition.name, CONTENT_TYPE);
  const servedLengths: number[] = [];
  for (let segment = 0; segment + 1 < rendition.samples.length; segment++) {
    context.signal.throwIfAborted();
    const recipe = {
      header: writeFragmentHeader(segment + 1, samplesOf(rendition, segment)),
      ranges: rangesOf(rendition, segment),
    };
    const duration = rendition.boundaries[segment + 1]! - rendition.boundaries[segment]!;
    await writer.add(duration, [encodeRecipe(recipe)]);
    servedLengths.push(servedLengthOf(recipe));
  }
  return { ...(await writer.finish(rendition.init, rendition.timescale)), servedLengths };
}

function samplesOf(rendition: VirtualRendition, segment: number): FragmentSamples {
  const { table, decodeTimes, compositionOffsets } = rendition;
  const first = rendition.samples[segment]!;
  const end = rendition.samples[segment + 1]!;
  const durations = new Float64Array(end - first);
  for (let sample = first; sample < end; sample++) {
    durations[sample - first] = decodeTimes[sample + 1]! - decodeTimes[sample]!;
  }
  return {
    decodeTime: decodeTimes[first]!,
    durations,
    sizes: table.sizes.subarray(first, end),
    compositionOffsets: compositionOffsets?.subarray(first, end) ?? null,
    sync: table.sync?.subarray(first, end) ?? null,
  };
}

/** Where the segment's samples lie, those that touch together. */
function rangesOf({ table, samples }: VirtualRendition, segment: number): SourceRange[] {
  const ranges: SourceRange[] = [];
  let offset = 0;
  let length = 0;
  for (let sample = samples[segment]!; sample < samples[segment + 1]!; sample++) {
    if (table.offsets[sample] !== offset + length) {
      if (length > 0) ranges.push({ offset, length });
      offset = table.offsets[sample]!;
      length = 0;
    }
    length += table.sizes[sample]!;
  }
  ranges.push({ offset, length });
  return ranges;
}
