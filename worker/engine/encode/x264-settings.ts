import type { VideoRung } from '../../../lib/worker-api/tasks.ts';

/** Seconds of the greatest bit rate that a player has to have room for. */
export const BUFFER_SECONDS = 2;

/** H.264's levels (ITU-T H.264, table A-1): macroblocks a second and a picture, bits a second in the High profile. */
const LEVELS = [
  { idc: 30, blocksPerSecond: 40_500, blocks: 1620, bitRate: 12_500_000 },
  { idc: 31, blocksPerSecond: 108_000, blocks: 3600, bitRate: 17_500_000 },
  { idc: 32, blocksPerSecond: 216_000, blocks: 5120, bitRate: 25_000_000 },
  { idc: 40, blocksPerSecond: 245_760, blocks: 8192, bitRate: 25_000_000 },
  { idc: 42, blocksPerSecond: 522_240, blocks: 8704, bitRate: 62_500_000 },
  { idc: 50, blocksPerSecond: 589_824, blocks: 22_080, bitRate: 168_750_000 },
  { idc: 51, blocksPerSecond: 983_040, blocks: 36_864, bitRate: 300_000_000 },
  { idc: 52, blocksPerSecond: 2_073_600, blocks: 36_864, bitRate: 300_000_000 },
  { idc: 60, blocksPerSecond: 4_177_920, blocks: 139_264, bitRate: 300_000_000 },
  { idc: 62, blocksPerSecond: 16_711_680, blocks: 139_264, bitRate: 1_000_000_000 },
] as const;

/** The lowest level that holds the rung: ten times its number. */
export function levelOf(rung: VideoRung, frameRate: number): number {
  const blocks = Math.ceil(rung.width / 16) * Math.ceil(rung.height / 16);
  const level = LEVELS.find(
    (each) =>
      blocks <= each.blocks && blocks * frameRate <= each.blocksPerSecond && rung.bitRateMax <= each.bitRate,
  );
  return (level ?? LEVELS.at(-1)!).idc;
}

/**
 * Parameters of x264 beyond the preset's. `superfast` searches less for motion, which is what saves time, and does not look
 * ahead, which saves little: without it the same quality takes two fifths more bytes.
 */
export function x264Parameters(preset: string): string {
  return preset === 'superfast' ? 'open-gop=0:mbtree=1:rc-lookahead=10' : 'open-gop=0';
}

/**
 * Options of libx264. Nothing here depends on the machine or the piece: all pieces of a rung begin with the same
 * initialization segment.
 */
export function x264Options(rung: VideoRung, frameRate: number): Record<string, string> {
  const level = levelOf(rung, frameRate);
  return {
    preset: rung.preset,
    crf: String(rung.crf),
    profile: 'high',
    level: `${Math.floor(level / 10)}.${level % 10}`,
    // Pictures that are told to be keyframes are ones on which nothing before may depend; no others are needed.
    'forced-idr': '1',
    g: String(2 ** 30),
    // Lengths before each unit, as segments want them, and parameters apart.
    'x264-params': `annexb=0:${x264Parameters(rung.preset)}`,
  };
}
