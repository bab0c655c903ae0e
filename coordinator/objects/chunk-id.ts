/**
 * A chunk id is its object's id (32 hex digits), a dash, and 16 hex digits that are never used twice within
 * the object. So a node's chunk can be traced to its object, and a running upload protects its chunks from the
 * sweep by one row, without naming each of them.
 */
export function createChunkId(objectId: string, sequence: number, random: Uint8Array): string {
  const tail = Buffer.from(random.subarray(0, 4)).toString('hex');
  return `${prefixOf(objectId)}${sequence.toString(16).padStart(8, '0')}${tail}`;
}

/** A chunk of an object's record, as its id tells. */
export interface RecordPart {
  readonly objectId: string;
  /** Grows with every record of the object. */
  readonly version: number;
  /** The same for all parts of a record, and for no other record of the object. */
  readonly token: string;
  /** From 0. */
  readonly part: number;
  readonly parts: number;
}

/**
 * The chunks of a record have an `r` behind the dash, where the others have a digit: a node's listing alone tells
 * which chunks are records, of which object and version, and whether one is whole.
 */
export function createRecordChunkId({ objectId, version, token, part, parts }: RecordPart): string {
  return `${prefixOf(objectId)}r${hex(version, 8)}${hex(part, 4)}${hex(parts, 4)}${token}`;
}

/** 32 random bits as a record's token. */
export function createRecordToken(random: Uint8Array): string {
  return Buffer.from(random.subarray(0, 4)).toString('hex');
}

/** Undefined when the chunk is no record's. */
export function recordPartOf(chunkId: string): RecordPart | undefined {
  const match = /^([0-9a-f]{32})-r([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{8})$/.exec(chunkId);
  if (match === null) return undefined;
  const [, object, version, part, parts, token] = match;
  return {
    objectId: toUuid(object!),
    version: Number.parseInt(version!, 16),
    token: token!,
    part: Number.parseInt(part!, 16),
    parts: Number.parseInt(parts!, 16),
  };
}

/** The object's UUID, for its chunks and those of its records; undefined when the id was not made here. */
export function objectIdOf(chunkId: string): string | undefined {
  const match = /^([0-9a-f]{32})-(?:[0-9a-f]{16}|r[0-9a-f]{24})$/.exec(chunkId);
  return match ? toUuid(match[1]!) : undefined;
}

/** What the ids of all chunks of the object begin with. */
export function prefixOf(objectId: string): string {
  return `${objectId.replaceAll('-', '')}-`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

function toUuid(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
