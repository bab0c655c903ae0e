/**
 * A chunk id is its object's id (32 hex digits), a dash, and 16 hex digits that are never used twice within
 * the object. So a node's chunk can be traced to its object, and a running upload protects its chunks from the
 * sweep by one row, without naming each of them.
 */
export function createChunkId(objectId: string, sequence: number, random: Uint8Array): string {
  const tail = Buffer.from(random.subarray(0, 4)).toString('hex');
  return `${objectId.replaceAll('-', '')}-${sequence.toString(16).padStart(8, '0')}${tail}`;
}

/** The object's UUID; undefined when the id was not made by `createChunkId`. */
export function objectIdOf(chunkId: string): string | undefined {
  const match = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})-[0-9a-f]{16}$/.exec(
    chunkId,
  );
  return match ? match.slice(1).join('-') : undefined;
}
