import type { Generated, Kysely, Transaction as KyselyTransaction } from 'kysely';

/**
 * The tables as Kysely sees them. On both engines bigint arrives as a number (never beyond 2^53-1), timestamps
 * as Date with whole milliseconds, bytea as Uint8Array.
 */
export interface Schema {
  cluster: ClusterTable;
  nodes: NodesTable;
  layouts: LayoutsTable;
  objects: ObjectsTable;
  chunks: ChunksTable;
  videos: VideosTable;
  leases: LeasesTable;
}

/** Exactly one row, from the first start on. */
export interface ClusterTable {
  singleton: Generated<boolean>;
  id: Generated<string>;
  created_at: Generated<Date>;
  replicas: number;
  range_count: number;
  admin_token_hash: Uint8Array | null;
}

/** `joined`: registered, owns nothing. `active`: a member of the layout. `removed`: kept for the record. */
export type NodeState = 'joined' | 'active' | 'removed';

export interface NodesTable {
  id: string;
  url: string;
  zone: string;
  weight: number;
  state: NodeState;
  capacity_bytes: number;
  registered_at: Generated<Date>;
  last_seen_at: Generated<Date>;
}

export interface LayoutsTable {
  epoch: number;
  /** See `encodeLayout`. */
  encoded: Uint8Array;
  created_at: Generated<Date>;
}

export type ObjectState = 'open' | 'committed';

export interface ObjectsTable {
  id: string;
  state: ObjectState;
  /** Null while open, like `sha256`. */
  size: number | null;
  sha256: Uint8Array | null;
  /** Null when committed. */
  lease_expires_at: Date | null;
  created_at: Generated<Date>;
}

/** The manifests of committed objects. */
export interface ChunksTable {
  object_id: string;
  index: number;
  id: string;
  position: number;
  length: number;
  checksum: number;
}

export interface VideosTable {
  id: string;
  object_id: string;
  title: string;
  description: Generated<string>;
  filename: string | null;
  content_type: string;
  size: number;
  sha256: Uint8Array;
  /** Grows with every edit; the entity tag is made of it. */
  version: Generated<number>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

export interface LeasesTable {
  name: string;
  holder: string;
  expires_at: Date;
}

/**
 * Failures that speak about the database and not about a statement arrive as `database_unavailable`. PGlite has
 * one connection: inside a transaction use that transaction only, or the two wait for each other.
 */
export type Database = Kysely<Schema>;
export type Transaction = KyselyTransaction<Schema>;
