import { Packet } from 'node-av/lib';
import type { MadeAudio, ResultOf, TaskOf } from '../../../lib/worker-api/tasks.ts';
import { type TaskContext, TaskFailure } from '../../task-context.ts';
import { openSource } from '../libav/open-source.ts';
import { PACKETS_BETWEEN_SIGNS } from './limits.ts';
import { PictureCopier } from './picture-copier.ts';
import { SoundCopier } from './sound-copier.ts';

/**
 * Takes pictures and sound that browsers play out of any container, without decoding them, in one pass through the source.
 * Rejects with a TaskFailure `failed` when the source turns out not to be playable like this; encoding may still help.
 */
export async function copy(task: TaskOf<'copy'>, context: TaskContext): Promise<ResultOf<'copy'>> {
  await using source = await openSource(context.source, context.signal);
  const { video } = source;
  if (task.video && video === null) throw new TaskFailure('failed', 'There are no pictures in this file.');
  const missing = task.audio.find((track) => source.audio[track] === undefined);
  if (missing !== undefined)
    throw new TaskFailure('failed', `There is no sound track ${missing + 1} in this file.`);

  const pictures =
    task.video && video !== null
      ? new PictureCopier({ stream: video, source, probe: task.probe }, context)
      : null;
  const sounds = new Map(
    task.audio.map((track) => [
      source.audio[track]!.index,
      new SoundCopier(track, source, pictures !== null, context),
    ]),
  );
  source.select(...(pictures === null ? [] : [video!]), ...task.audio.map((track) => source.audio[track]!));

  let told = 1;
  const tellBoundaries = async (copier: PictureCopier, end: number): Promise<void> => {
    for (; told < end; told++) {
      const seconds = copier.boundaries[told]! / copier.timescale;
      for (const sound of sounds.values()) await sound.cutAt(seconds);
    }
  };
  using packet = new Packet();
  packet.alloc();
  for (let count = 1; await source.readPacket(packet); count++) {
    if (count % PACKETS_BETWEEN_SIGNS === 0) context.progress(shareOf(packet, context));
    if (pictures !== null && packet.streamIndex === video!.index) {
      await pictures.add(packet);
      await tellBoundaries(pictures, pictures.boundaries.length);
    } else await sounds.get(packet.streamIndex)?.add(packet);
  }

  const madeVideo = (await pictures?.finish()) ?? null;
  // All but the end, which sound has its own of.
  if (pictures !== null) await tellBoundaries(pictures, pictures.boundaries.length - 1);
  const audio: MadeAudio[] = [];
  for (const sound of sounds.values()) audio.push(await sound.finish());
  return {
    kind: 'copy',
    plan: pictures === null ? null : { timescale: pictures.timescale, boundaries: pictures.boundaries },
    video: madeVideo,
    audio,
  };
}

function shareOf(packet: Packet, { source }: TaskContext): number {
  return Math.min(0.99, Math.max(0, Number(packet.pos) / source.sizeBytes));
}
