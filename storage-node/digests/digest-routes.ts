import { Hono } from 'hono';
import { hashChunksSchema } from '../../lib/node-api/schema.ts';
import { parseChecksum, parsePosition } from '../../lib/node-api/targets.ts';
import type { NodeEnv } from '../access.ts';
import { clientGoneSignal } from '../client-gone.ts';
import { invalid, parseJson } from '../parse-request.ts';
import type { ObjectHashes } from './object-hashes.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** `/digests/{session}`. */
export function createDigestRoutes({ hashes }: { readonly hashes: ObjectHashes }): Hono<NodeEnv> {
  const routes = new Hono<NodeEnv>();
  routes.post('/:session', async (context) => {
    const session = context.req.param('session');
    if (!UUID.test(session)) throw invalid('The session is not a UUID.');
    const { at, nodes, chunks, last } = await parseJson(context, hashChunksSchema);
    const wanted = chunks.map(({ position, id, length, checksum, holders }) => ({
      position: parsePosition(position)!,
      id,
      length,
      checksum: parseChecksum(checksum)!,
      holders: holders.flatMap((index) => nodes[index] ?? []),
    }));
    const signal = clientGoneSignal(context.env.outgoing);
    return context.json(await hashes.add(session, { at, chunks: wanted, last }, signal));
  });
  return routes;
}
