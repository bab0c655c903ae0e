import { z } from 'zod';

/**
 * What a coordinator signs into the URL of a part of a direct upload, beside the chunk's position and id. The URL is good at
 * one node alone, and a chunk id is never signed for another one: other nodes get the chunk from there. So nobody who
 * has such URLs can make nodes hold different bytes for one chunk.
 */
export interface PartClaims {
  /** The one node that takes it, and the base URL at which the others reach that one. */
  readonly nodeId: string;
  readonly nodeUrl: string;
  /** Exactly so many bytes. */
  readonly length: number;
  /** Of each set of owners so many nodes must have the chunk on disk before the part is acknowledged. */
  readonly quorum: number;
  /** How many sets there are: two while the range changes hands. */
  readonly sets: number;
  /** How many nodes are to have it in the end. */
  readonly copies: number;
  /** The sets that the node belongs to, a bit each; 0: it owns nothing there, and its copy counts for each set. */
  readonly nodeSets: number;
  /** The other owners, then nodes that stand in for those that fail: base URL and sets. */
  readonly others: readonly (readonly [url: string, sets: number])[];
}

/** So that a URL stays shorter than servers accept. */
export const PART_NODES_MAX = 8;

const sets = z.int().min(0).max(255);
const encodedSchema = z.object({
  n: z.uuid(),
  u: z.url({ protocol: /^http$/ }),
  l: z.int().positive(),
  q: z.int().positive(),
  s: z.int().min(1).max(8),
  c: z.int().positive(),
  m: sets,
  o: z.array(z.tuple([z.url({ protocol: /^http$/ }), sets])).max(PART_NODES_MAX),
});

export function encodePartClaims(claims: PartClaims): z.infer<typeof encodedSchema> {
  const { nodeId, nodeUrl, length, quorum, copies, nodeSets, others } = claims;
  return {
    ...{ n: nodeId, u: nodeUrl, l: length, q: quorum, s: claims.sets, c: copies, m: nodeSets },
    o: others.map(([url, mask]) => [url, mask]),
  };
}

/** Undefined when these are not the claims of a part. */
export function decodePartClaims(claims: unknown): PartClaims | undefined {
  const { success, data } = encodedSchema.safeParse(claims);
  if (!success) return undefined;
  const { n: nodeId, u: nodeUrl, l: length, q: quorum, s, c: copies, m: nodeSets, o: others } = data;
  return { nodeId, nodeUrl, length, quorum, sets: s, copies, nodeSets, others };
}

/** Whether copies on nodes of these sets are a quorum of each set. */
export function isQuorum(
  { quorum, sets: count }: Pick<PartClaims, 'quorum' | 'sets'>,
  holders: readonly number[],
): boolean {
  for (let set = 0; set < count; set++) {
    if (holders.filter((mask) => mask === 0 || (mask >> set) & 1).length < quorum) return false;
  }
  return true;
}
