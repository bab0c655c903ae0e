import { Readable } from 'node:stream';
import { createDeflate, createInflate, deflateSync } from 'node:zlib';
import type { z } from 'zod';
import { positionOf } from '../../lib/hashring/index.ts';
import { prefixOf } from '../objects/chunk-id.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { Attachment } from '../videos/attachment.ts';
import { DOCUMENT_BYTES_MAX, INLINE_CHUNKS_MAX, LINE_CHUNKS_MAX, LINE_LENGTH_MAX } from './limits.ts';
import { type RecordCluster, type RecordHead, recordChunksSchema, recordHeadSchema } from './video-record.ts';

/** All that it takes to have a video back when nothing but the storage nodes is left. */
export interface VideoRecord {
  readonly cluster: RecordCluster;
  readonly objectId: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the video's bytes, 32 bytes; null when it was not known. */
  readonly sha256: Uint8Array | null;
  readonly chunks: readonly ChunkRef[];
  readonly video: RecordHead['video'];
  readonly attachments: readonly Attachment[];
}

type NamedChunk = readonly [tail: string, length: number, checksum: number];

export type RecordFault = 'damaged' | 'unknown_format';

export class RecordError extends Error {
  readonly fault: RecordFault;

  constructor(fault: RecordFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RecordError';
    this.fault = fault;
  }
}

/*
 * A record is lines of JSON in a zlib stream, whose own checksum covers all of it. The first line is the head, the
 * others name the chunks, so that a manifest of any length is written and read line by line.
 */
export async function encodeRecord(record: VideoRecord): Promise<Buffer> {
  const lines = linesOf(record);
  if (record.chunks.length <= INLINE_CHUNKS_MAX) return deflateSync([...lines].join(''));
  const pieces: Buffer[] = [];
  for await (const piece of Readable.from(lines).pipe(createDeflate())) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** Reads what `encodeRecord` made, from pieces of any length, and believes none of it unchecked. Throws RecordError. */
export async function decodeRecord(pieces: Iterable<Uint8Array>): Promise<VideoRecord> {
  let head: RecordHead | undefined;
  const chunks: ChunkRef[] = [];
  let sum = 0;
  for await (const line of inflatedLines(pieces)) {
    if (head === undefined) {
      head = parseHead(line);
      continue;
    }
    const prefix = prefixOf(head.objectId);
    for (const named of check(recordChunksSchema, parseJson(line))) {
      const chunk = chunkOf(prefix, named);
      chunks.push(chunk);
      sum += chunk.length;
    }
  }
  if (head === undefined) throw new RecordError('damaged', 'the record is empty');
  if (chunks.length !== head.chunkCount || sum !== head.size) {
    throw new RecordError('damaged', 'the record does not name all chunks of the video');
  }
  const { cluster, objectId, size, sha256, video } = head;
  const attachments = head.attachments.map((attachment) => ({
    ...attachment,
    chunks: attachment.chunks.map((named) => chunkOf(prefixOf(attachment.objectId), named)),
  }));
  return { cluster, objectId, size, sha256, chunks, video, attachments };
}

function* linesOf({
  cluster,
  objectId,
  size,
  sha256,
  chunks,
  video,
  attachments,
}: VideoRecord): Generator<string> {
  const head = {
    format: 1,
    kind: 'video',
    cluster,
    objectId,
    size,
    sha256: sha256 && Buffer.from(sha256).toString('hex'),
    chunkCount: chunks.length,
    video,
    ...(attachments.length > 0 && {
      attachments: attachments.map((attachment) => ({
        ...attachment,
        sha256: Buffer.from(attachment.sha256).toString('hex'),
        chunks: attachment.chunks.map((chunk) => nameOf(prefixOf(attachment.objectId), chunk)),
      })),
    }),
  };
  yield `${JSON.stringify(head)}\n`;
  const prefix = prefixOf(objectId);
  for (let start = 0; start < chunks.length; start += LINE_CHUNKS_MAX) {
    const line = chunks.slice(start, start + LINE_CHUNKS_MAX).map((chunk) => nameOf(prefix, chunk));
    yield `${JSON.stringify(line)}\n`;
  }
}

/** As a record writes it: what its object's id says already is left out. */
function nameOf(prefix: string, { id, length, checksum }: ChunkRef): NamedChunk {
  return [id.startsWith(prefix) ? id.slice(prefix.length) : id, length, checksum];
}

function chunkOf(prefix: string, [tail, length, checksum]: NamedChunk): ChunkRef {
  const id = tail.length === 16 ? prefix + tail : tail;
  return { id, position: positionOf(id), length, checksum };
}

async function* inflatedLines(pieces: Iterable<Uint8Array>): AsyncGenerator<string> {
  const inflate = createInflate();
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let total = 0;
  try {
    for await (const piece of Readable.from(pieces)
      .on('error', (error) => inflate.destroy(error))
      .pipe(inflate)) {
      total += (piece as Buffer).length;
      rest += decoder.decode(piece as Buffer, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop()!;
      yield* lines;
      if (rest.length > LINE_LENGTH_MAX || total > DOCUMENT_BYTES_MAX) {
        throw new RecordError('damaged', 'the record is too long');
      }
    }
  } catch (error) {
    if (error instanceof RecordError) throw error;
    throw new RecordError('damaged', 'the record cannot be decompressed', { cause: error });
  } finally {
    inflate.destroy();
  }
  if (rest !== '') throw new RecordError('damaged', 'the record ends within a line');
}

function parseHead(line: string): RecordHead {
  const value = parseJson(line) as { format?: unknown; kind?: unknown } | null;
  if (value?.format !== 1 || value.kind !== 'video') {
    const what = `format ${String(value?.format)} of kind ${String(value?.kind)}`;
    throw new RecordError('unknown_format', `the record has ${what}, which this version does not know`);
  }
  return check(recordHeadSchema, value);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new RecordError('damaged', 'the record is not JSON', { cause: error });
  }
}

function check<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new RecordError('damaged', 'the record is not what it should be', { cause: result.error });
}
