import type { Stream } from 'node-av/lib';
import { avGetPixFmtName } from 'node-av/lib';
import type { VideoTrack } from '../../../lib/worker-api/tasks.ts';
import type { Colours } from '../cmaf/init-segment.ts';

/** ISO/IEC 23091-2: what high definition and the web take for granted. */
const BT709: Colours = { primaries: 1, transfer: 1, matrix: 1 };
/** Of standard definition that does not say how it is coded. */
const SMPTE170M: Colours = { primaries: 6, transfer: 6, matrix: 6 };
const UNSPECIFIED = 2;
/** Lines from which on a picture that does not say how it is coded is taken for BT.709. */
const HIGH_DEFINITION_LINES = 720;

export interface ColourPlan {
  /** What the encoded pictures say of themselves; of all rungs the same, so that colours do not jump. */
  readonly colours: Colours;
  /** Filters that make it true, between the scaling; options of FFmpeg's `scale`, and what comes after it. */
  readonly scaleOptions: string;
  readonly filtersAfter: readonly string[];
}

/**
 * How the colours of a source become what every browser shows right. Matrices that browsers know are kept, and said; all
 * others (RGB, BT.2020, unusual ones) become BT.709; of high dynamic range the brightness is mapped.
 */
export function planColours(stream: Stream, track: VideoTrack): ColourPlan {
  const { codecpar } = stream;
  const matrix: number = codecpar.colorSpace;
  if (track.range !== 'sdr') {
    const transfer = track.range === 'pq' ? 'smpte2084' : 'arib-std-b67';
    return {
      colours: BT709,
      scaleOptions: '',
      filtersAfter: [
        `setparams=color_primaries=bt2020:color_trc=${transfer}:colorspace=bt2020nc`,
        'format=yuv420p10le',
        'tonemapx=tonemap=bt2390:desat=0:peak=100:t=bt709:m=bt709:p=bt709:r=tv:format=yuv420p',
      ],
    };
  }
  if (matrix === UNSPECIFIED && !isRgb(codecpar.format as Parameters<typeof avGetPixFmtName>[0])) {
    const isHigh = Math.min(track.width, track.height) >= HIGH_DEFINITION_LINES;
    return plain(isHigh ? BT709 : SMPTE170M);
  }
  if (matrix !== 1 && matrix !== 5 && matrix !== 6)
    return { colours: BT709, scaleOptions: ':out_color_matrix=bt709', filtersAfter: [] };
  const fallback = matrix;
  return plain({
    matrix,
    primaries: known(codecpar.colorPrimaries, fallback),
    transfer: known(codecpar.colorTrc, matrix === 1 ? 1 : 6),
  });
}

function plain(colours: Colours): ColourPlan {
  return { colours, scaleOptions: '', filtersAfter: [] };
}

function known(value: number, otherwise: number): number {
  return value === UNSPECIFIED || value === 0 ? otherwise : value;
}

function isRgb(format: Parameters<typeof avGetPixFmtName>[0]): boolean {
  return /^(x|0)?(rgb|bgr|gbr|argb|abgr|pal8)/.test(avGetPixFmtName(format) ?? '');
}
