import { z } from 'zod';
import { CHUNK_ID_PATTERN } from '../../lib/node-api/targets.ts';
import { ATTACHMENT_KINDS } from '../videos/attachment.ts';

/** What a record says about the cluster it was written in. */
export const recordClusterSchema = z.object({
  id: z.uuid(),
  replicas: z.int().min(1).max(16),
  /** Ranges of the ring. */
  ranges: z.int().positive(),
});
export type RecordCluster = z.infer<typeof recordClusterSchema>;

const chunkSchema = z.tuple([
  z.union([z.string().regex(/^[0-9a-f]{16}$/), z.string().regex(CHUNK_ID_PATTERN)]),
  z.int().positive(),
  z.int().min(0).max(0xffff_ffff),
]);

const date = z.iso.datetime({ precision: 3 }).transform((text) => new Date(text));

const sha256Hex = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((hex) => Uint8Array.from(Buffer.from(hex, 'hex')));

/** The first line of a record. A reader refuses formats that it does not know, and ignores members it does not know. */
export const recordHeadSchema = z.object({
  format: z.literal(1),
  kind: z.literal('video'),
  cluster: recordClusterSchema,
  objectId: z.uuid(),
  /** Bytes. */
  size: z.int().nonnegative(),
  sha256: sha256Hex.nullable(),
  /** How many chunks the following lines name. */
  chunkCount: z.int().nonnegative(),
  video: z.object({
    id: z.uuid(),
    title: z.string(),
    description: z.string(),
    filename: z.string().nullable(),
    contentType: z.string(),
    /** Records that were written before there were accounts say neither. */
    ownerId: z.uuid().nullable().default(null),
    visibility: z.enum(['public', 'unlisted', 'private']).default('public'),
    version: z.int().positive(),
    createdAt: date,
    updatedAt: date,
  }),
  /** Absent when there are none. */
  attachments: z
    .array(
      z.object({
        objectId: z.uuid(),
        name: z.string(),
        kind: z.enum(ATTACHMENT_KINDS),
        language: z.string().nullable(),
        label: z.string().nullable(),
        contentType: z.string(),
        size: z.int().positive(),
        sha256: sha256Hex,
        createdAt: date,
        chunks: z.array(chunkSchema).min(1),
      }),
    )
    .default([]),
});
export type RecordHead = z.infer<typeof recordHeadSchema>;

/** A further line: chunks in order, each as id (without the object's prefix), length and checksum. */
export const recordChunksSchema = z.array(chunkSchema);
