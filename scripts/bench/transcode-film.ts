import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchRun } from './bench-run.ts';
import { runTimed } from './timed-command.ts';
import type { BenchFilm } from './transcode-part.ts';

/** What a camera or a download site gives: 1080p, H.264 at 8 Mbit/s, a keyframe every 2 s. */
const CODING =
  '-c:v libx264 -preset veryfast -b:v 8M -maxrate 10M -bufsize 16M -g 60 -pix_fmt yuv420p -c:a aac -b:a 192k';
/** Noise of a sensor: without it upscaled and drawn pictures would be far too easy. */
const FILTERS = 'scale=1920:1080:flags=bicubic,noise=alls=5:allf=t';

/**
 * The film that is measured with: `source`, brought to 1080p, or a flight into the Mandelbrot set with tones, which moves
 * everywhere and has fine detail.
 */
export async function makeFilm(
  run: BenchRun,
  source: string | undefined,
  seconds: number,
): Promise<BenchFilm> {
  const path = join(run.directory, 'film.mp4');
  const input =
    source === undefined
      ? [
          '-f',
          'lavfi',
          '-i',
          'mandelbrot=size=960x540:rate=30',
          '-f',
          'lavfi',
          '-i',
          'aevalsrc=0.1*sin(440*t*2*PI)+0.05*random(0):d=36000:c=stereo:s=48000',
        ]
      : ['-stream_loop', '-1', '-i', source];
  const args = [
    ...input,
    '-t',
    String(seconds),
    '-vf',
    FILTERS,
    ...CODING.split(' '),
    '-movflags',
    '+faststart',
    path,
  ];
  await runTimed(run, 'ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args]);
  return { path, sizeBytes: statSync(path).size };
}
