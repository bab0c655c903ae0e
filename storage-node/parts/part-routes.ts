import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import { claimedDigests } from '../../lib/http/digest-fields.ts';
import { REQUEST_ID_HEADER } from '../../lib/http/request-id.ts';
import { decodePartClaims, type PartClaims } from '../../lib/node-api/part-claims.ts';
import { CHECKSUM_HEADER } from '../../lib/node-api/targets.ts';
import type { NodeEnv } from '../access.ts';
import { receiveBody } from '../chunks/receive-body.ts';
import { clientGoneSignal } from '../client-gone.ts';
import type { NodeIdentity } from '../identity.ts';
import { BODY_IDLE_TIMEOUT_MS, BODY_TIMEOUT_MS } from '../limits.ts';
import type { NodeMetrics } from '../metrics.ts';
import { invalid, parseAddress, parseContentLength, readChecksum } from '../parse-request.ts';
import type { PartService } from './part-service.ts';

const PATHS = '/parts/*';

export interface PartRoutesOptions {
  readonly parts: PartService;
  readonly identity: Pick<NodeIdentity, 'nodeId'>;
  readonly metrics: NodeMetrics;
  readonly clock: Clock;
}

/** Lets web pages of these origins send parts; has to stand before the check of signatures, for preflights have none. */
export function allowPartOrigins(app: Hono<NodeEnv>, origins: readonly string[]): void {
  if (origins.length === 0) return;
  app.use(
    PATHS,
    cors({
      origin: origins.includes('*') ? '*' : [...origins],
      allowMethods: ['PUT'],
      exposeHeaders: [CHECKSUM_HEADER, 'Retry-After', REQUEST_ID_HEADER],
      maxAge: 86_400,
    }),
  );
}

/** `PUT /parts/{position}/{id}`: clients of direct uploads, whose permission is the signed URL. */
export function createPartRoutes(options: PartRoutesOptions): Hono<NodeEnv> {
  const { parts, identity, metrics, clock } = options;
  const bodyLimits = { clock, idleTimeoutMs: BODY_IDLE_TIMEOUT_MS, timeoutMs: BODY_TIMEOUT_MS };
  const routes = new Hono<NodeEnv>();

  routes.put('/:position/:id', async (context) => {
    const { incoming, outgoing } = context.env;
    const claims = claimsFor(identity.nodeId, context.get('claims'));
    const length = parseContentLength(context, claims.length);
    if (length !== claims.length) throw invalid(`This part has exactly ${claims.length} bytes.`);
    const verify = createVerifier(incoming.headers);
    const stored = await parts.receive(
      {
        ...parseAddress(context),
        claims,
        checksum: readChecksum(context.req.header(CHECKSUM_HEADER)),
        fill: async (into) => {
          await receiveBody(incoming, into, bodyLimits);
          verify(into);
        },
      },
      clientGoneSignal(outgoing),
    );
    metrics.bytesIn.inc(length);
    return context.json(stored, stored.result === 'created' ? 201 : 200, {
      [CHECKSUM_HEADER]: stored.checksum,
    });
  });

  return routes;
}

function claimsFor(nodeId: string, signed: unknown): PartClaims {
  const claims = decodePartClaims(signed);
  if (claims === undefined) throw new AppError('signature_invalid', 'The URL is not that of a part.');
  if (claims.nodeId === nodeId) return claims;
  throw new AppError('wrong_node', 'The URL of this part is good at another node only.');
}

/** Compares bytes with the digests that the headers name: `Content-Digest`, `Repr-Digest` (SHA-256), `Content-MD5`. */
function createVerifier(headers: IncomingHttpHeaders): (bytes: Buffer) => void {
  const sha256 = claimedDigests({
    'content-digest': headers['content-digest'],
    'repr-digest': headers['repr-digest'],
  });
  const md5 = headers['content-md5'] === undefined ? [] : [md5Of(String(headers['content-md5']))];
  return (bytes) => {
    for (const [algorithm, claimed] of [['sha256', sha256] as const, ['md5', md5] as const]) {
      if (claimed.length === 0) continue;
      const actual = createHash(algorithm).update(bytes).digest();
      if (!claimed.every((digest) => timingSafeEqual(digest, actual))) {
        throw new AppError(
          'checksum_mismatch',
          'The bytes that arrived are not those that the digest names.',
        );
      }
    }
  };
}

function md5Of(text: string): Buffer {
  const digest = Buffer.from(text, 'base64');
  if (/^[A-Za-z0-9+/]{22}==$/.test(text) && digest.length === 16) return digest;
  throw new AppError('digest_malformed', 'Content-MD5 is not 16 bytes in base64.');
}
