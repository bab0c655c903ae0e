import type { SegmentPlan } from '../../../lib/worker-api/tasks.ts';
import { FRAME_SAMPLES, SEGMENT_SECONDS, TAIL_SECONDS_MAX } from './limits.ts';

/**
 * Where segments of sound end: at the plan's boundaries, to the nearest AAC frame; without a plan, and after its end, every
 * few seconds. In frames from time 0 on.
 */
export class Cuts {
  /** At least so many frames there shall be: sound is as long as the pictures. */
  readonly framesMin: number;
  readonly #planned: number[] = [];
  readonly #period: number;
  #last = 0;

  constructor(plan: SegmentPlan | null, sampleRate: number) {
    const framesASecond = sampleRate / FRAME_SAMPLES;
    this.#period = Math.round(SEGMENT_SECONDS * framesASecond);
    const ends = (plan?.boundaries ?? [0])
      .slice(1)
      .map((tick) => Math.round((tick / plan!.timescale) * framesASecond));
    this.framesMin = ends.at(-1) ?? 0;
    // Of boundaries closer together than a frame one is enough. The last one cuts nothing off that ends soon.
    for (const end of ends) if (end > (this.#planned.at(-1) ?? 0)) this.#planned.push(end);
    const final = this.#planned.pop();
    const room = Math.round(TAIL_SECONDS_MAX * framesASecond);
    const begin = this.#planned.at(-1) ?? 0;
    if (final !== undefined) this.#planned.push(Math.max(final + room, begin + this.#period));
  }

  /** Whether a segment ends after so many frames. */
  isCut(frames: number): boolean {
    if (this.#planned.length > 0 ? frames !== this.#planned[0] : frames - this.#last < this.#period)
      return false;
    this.#planned.shift();
    this.#last = frames;
    return true;
  }
}
