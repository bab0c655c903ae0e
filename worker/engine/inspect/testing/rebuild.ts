import { AV_NOPTS_VALUE, AV_PKT_FLAG_KEY } from 'node-av/constants';
import { Packet } from 'node-av/lib';
import { decodeRecipe } from '../../../../lib/worker-api/recipe.ts';
import type { Piece } from '../../../../lib/worker-api/tasks.ts';
import type { SourceReader } from '../../../task-context.ts';
import { openSource } from '../../libav/open-source.ts';
import { type MemoryContext, memorySource } from '../../testing/memory-context.ts';

/** A rendition as a player gets it, in one file: the initialization segment and all segments. */
export async function rebuild(piece: Piece, context: MemoryContext): Promise<Buffer> {
  const parts: Uint8Array[] = [Buffer.from(piece.init, 'base64')];
  const stored = context.bytesOf(piece.output);
  let at = 0;
  for (const [segment, length] of piece.lengths.entries()) {
    const bytes = stored.subarray(at, at + length);
    at += length;
    const made = piece.servedLengths === undefined ? bytes : await serve(bytes, context.source);
    if (made.length !== (piece.servedLengths ?? piece.lengths)[segment])
      throw new Error('a segment has another length');
    parts.push(made);
  }
  if (at !== stored.length) throw new Error('there is more than segments');
  return Buffer.concat(parts);
}

async function serve(bytes: Uint8Array, source: SourceReader): Promise<Buffer> {
  const { header, ranges } = decodeRecipe(bytes, source.sizeBytes);
  const parts = [header];
  for (const { offset, length } of ranges) parts.push(Uint8Array.from(await source.read(offset, length)));
  return Buffer.concat(parts);
}

/** What FFmpeg reads of one stream of a file. */
export interface ReadPacket {
  /** When it is shown, seconds after the file's own 0. */
  readonly seconds: number;
  readonly durationSeconds: number;
  readonly isKeyframe: boolean;
  readonly content: string;
}

/** Packets of the file's pictures, or of one of its sound tracks, in the order in which they are shown. */
export async function readPackets(file: Uint8Array, wanted: 'video' | number): Promise<ReadPacket[]> {
  await using source = await openSource(memorySource(file), new AbortController().signal);
  const stream = wanted === 'video' ? source.video : source.audio[wanted];
  if (stream === null || stream === undefined) throw new Error('there is no such stream');
  source.select(stream);
  const { num, den } = stream.timeBase;
  const packets: ReadPacket[] = [];
  using packet = new Packet();
  packet.alloc();
  while (await source.readPacket(packet)) {
    if (packet.pts === AV_NOPTS_VALUE || packet.data === null)
      throw new Error('a packet has no time or content');
    packets.push({
      seconds: (Number(packet.pts) * num) / den,
      durationSeconds: (Number(packet.duration) * num) / den,
      isKeyframe: (packet.flags & AV_PKT_FLAG_KEY) !== 0,
      content: packet.data.toString('latin1'),
    });
  }
  return packets.sort((a, b) => a.seconds - b.seconds);
}
