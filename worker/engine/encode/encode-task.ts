import type { MadeVideo, ResultOf, SegmentPlan, TaskOf } from '../../../lib/worker-api/tasks.ts';
import { type TaskContext, TaskFailure } from '../../task-context.ts';
import { planColours } from '../libav/colours.ts';
import { openSource } from '../libav/open-source.ts';
import { readPictures } from '../libav/source-pictures.ts';
import { coresOf, decoderThreads } from '../libav/threads.ts';
import { Cadence } from './cadence.ts';
import { ENCODER_THREADS_MAX, FINE_TIMESCALE, TICK_DIVISION } from './limits.ts';
import { RungEncoder } from './rung-encoder.ts';
import { ScalingChain } from './scaling-chain.ts';
import { type ShownPicture, shownPictures } from './shown-pictures.ts';

type EncodeTask = TaskOf<'encode'>;

/**
 * Encodes a piece for all its rungs, decoding once. Every segment begins exactly at its boundary with a picture that needs
 * no other one; so pieces fit together, and rungs can be changed at any boundary, whoever made them.
 */
export async function encode(task: EncodeTask, context: TaskContext): Promise<ResultOf<'encode'>> {
  const { firstSegment, segmentCount } = task;
  const track = task.probe.video;
  const { timescale, boundaries } = pieceOf(task);
  if (track === null || boundaries.length !== segmentCount + 1)
    throw new TaskFailure('failed', 'The task asks for pictures that the video does not have.');

  await using source = await openSource(context.source, context.signal);
  const stream = source.video;
  if (stream === null) throw new TaskFailure('unplayable', 'There are no pictures in this file.');
  const colours = planColours(stream, track);
  // The greatest first, as they are made of one another.
  const rungs = task.rungs.toSorted((a, b) => b.width * b.height - a.width * a.height);
  const cadences = rungs.map(
    (rung) => new Cadence(track.frameRate, track.isVariableFrameRate, rung.frameRateMax, timescale),
  );
  using chain = new ScalingChain(rungs, track, colours);
  using stack = new DisposableStack();
  const encoders = rungs.map((rung, index) =>
    stack.use(
      new RungEncoder(context, {
        rung,
        frameRate: cadences[index]!.frameRate,
        colours: colours.colours,
        timescale,
        boundaries,
        firstSegment,
        threads: Math.min(coresOf(context), ENCODER_THREADS_MAX),
      }),
    ),
  );

  const pictures = readPictures({
    source,
    stream,
    timescale,
    from: boundaries[0]!,
    until: boundaries.at(-1)!,
    threads: decoderThreads(context),
  });
  let count = 0;
  for await (const picture of shownPictures(pictures, boundaries)) {
    context.signal.throwIfAborted();
    await encodePicture(picture, chain, cadences, encoders);
    count += 1;
    context.progress((picture.tick - boundaries[0]!) / (boundaries.at(-1)! - boundaries[0]!));
  }
  if (count === 0) throw noPictures(boundaries, timescale);
  const made: MadeVideo[] = [];
  for (const encoder of encoders) made.push(await encoder.finish());
  return { kind: 'encode', videos: task.rungs.map(({ name }) => made.find((video) => video.name === name)!) };
}

/**
 * The piece's part of the plan, in ticks that are fine enough for several to lie between two pictures (see
 * `makeSegment`); the plan's own are whole numbers of them.
 */
function pieceOf({ plan, firstSegment, segmentCount }: EncodeTask): SegmentPlan {
  const factor = plan.timescale <= FINE_TIMESCALE ? TICK_DIVISION : 1;
  const boundaries = plan.boundaries.slice(firstSegment, firstSegment + segmentCount + 1);
  return { timescale: plan.timescale * factor, boundaries: boundaries.map((tick) => tick * factor) };
}

async function encodePicture(
  { frame, tick, isBoundary }: ShownPicture,
  chain: ScalingChain,
  cadences: readonly Cadence[],
  encoders: readonly RungEncoder[],
): Promise<void> {
  const wants = cadences.map((cadence) => cadence.keep(tick, isBoundary));
  for (const scaled of chain.scale(frame, wants))
    await encoders[scaled.index]!.encode(scaled.frame, tick, isBoundary);
}

function noPictures(boundaries: readonly number[], timescale: number): TaskFailure {
  const [from, until] = [boundaries[0]!, boundaries.at(-1)!].map((tick) => (tick / timescale).toFixed(1));
  return new TaskFailure('failed', `No picture between ${from} s and ${until} s could be decoded.`);
}
