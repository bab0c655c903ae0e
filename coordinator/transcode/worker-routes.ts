import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { AppError } from '../../lib/errors/app-error.ts';
import {
  appendQuerySchema,
  completeSchema,
  failSchema,
  heartbeatSchema,
  type Lease,
  leaseRequestSchema,
  OUTPUT_NAME,
  openOutputSchema,
  releaseSchema,
} from '../../lib/worker-api/protocol.ts';
import type { ErrorCode } from '../errors.ts';
import { goneSignal } from '../gone-signal.ts';
import { readJsonFields } from '../json-body.ts';
import { parseFields } from '../parse-fields.ts';
import { APPEND_BYTES_MAX, MESSAGE_BYTES_MAX, MESSAGE_TIMEOUT_MS, RESULT_BYTES_MAX } from './limits.ts';
import type { WorkerService } from './worker-service.ts';

interface WorkerEnv {
  Bindings: HttpBindings;
}
type WorkerContext = Context<WorkerEnv>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const MESSAGE = { bytesMax: MESSAGE_BYTES_MAX, timeoutMs: MESSAGE_TIMEOUT_MS };
const RESULT = { bytesMax: RESULT_BYTES_MAX, timeoutMs: MESSAGE_TIMEOUT_MS };

/** `/workers/...`, what transcode workers ask; to be mounted below the API's prefix. */
export function createWorkerRoutes({ service }: { readonly service: WorkerService }): Hono<WorkerEnv> {
  const routes = new Hono<WorkerEnv>();

  routes.post('/workers/lease', async (c) => {
    const fields = await readJsonFields(c, leaseRequestSchema, MESSAGE);
    const { workerId: id, name, concurrency, kinds = null, waitMs } = fields;
    const signal = goneSignal(c.env.outgoing);
    const lease = await service.lease({ worker: { id, name, concurrency }, kinds, waitMs, signal });
    if (lease === null) return c.body(null, 204);
    const { leaseMs } = service;
    const answer: Lease = { ...lease, leaseMs, heartbeatMs: Math.round(leaseMs / 4) };
    return c.json(answer, 200, { 'cache-control': 'no-store' });
  });

  routes.post('/workers/tasks/:id/heartbeat', async (c) => {
    const { fence, progress } = await readJsonFields(c, heartbeatSchema, MESSAGE);
    const answer = await service.heartbeat({ taskId: idOf(c), fence }, progress);
    return c.json(answer, 200, { 'cache-control': 'no-store' });
  });

  routes.post('/workers/tasks/:id/outputs', async (c) => {
    const { fence, ...wanted } = await readJsonFields(c, openOutputSchema, MESSAGE);
    const { size } = await service.openOutput({ taskId: idOf(c), fence }, wanted);
    return c.json({ size }, 201);
  });

  routes.put('/workers/tasks/:id/outputs/:name', async (c) => {
    const { fence, offset } = parseFields(appendQuerySchema, c.req.query());
    const { incoming, outgoing } = c.env;
    const bytes = lengthOf(incoming.headers['content-length']);
    const body = { offset, bytes, source: incoming, signal: goneSignal(outgoing) };
    const name = c.req.param('name');
    if (!OUTPUT_NAME.test(name)) throw noSuchTask();
    const size = await service.append({ taskId: idOf(c), fence }, name, body);
    return c.json({ size });
  });

  routes.post('/workers/tasks/:id/complete', async (c) => {
    const { fence, result } = await readJsonFields(c, completeSchema, RESULT);
    await service.complete({ taskId: idOf(c), fence }, result);
    return c.body(null, 204);
  });

  routes.post('/workers/tasks/:id/fail', async (c) => {
    const { fence, ...failure } = await readJsonFields(c, failSchema, MESSAGE);
    await service.fail({ taskId: idOf(c), fence }, failure);
    return c.body(null, 204);
  });

  routes.post('/workers/tasks/:id/release', async (c) => {
    const { fence } = await readJsonFields(c, releaseSchema, MESSAGE);
    await service.release({ taskId: idOf(c), fence });
    return c.body(null, 204);
  });

  return routes;
}

function idOf(c: WorkerContext): string {
  const id = (c.req.param('id') ?? '').toLowerCase();
  if (UUID.test(id)) return id;
  throw noSuchTask();
}

function noSuchTask(): AppError {
  return new AppError<ErrorCode>('lease_lost', 'There is no such task, or no such output of it.');
}

/** Chunked bodies are refused: a repeated addition is known by its length. */
function lengthOf(header: string | undefined): number {
  const bytes = Number(header ?? 0);
  if (bytes === 0)
    throw new AppError<ErrorCode>('empty_body', 'The request has no body, or no Content-Length.');
  if (bytes <= APPEND_BYTES_MAX) return bytes;
  throw new AppError<ErrorCode>('body_too_large', `At a time ${APPEND_BYTES_MAX} bytes can be added.`, {
    details: { limitBytes: APPEND_BYTES_MAX, headers: { connection: 'close' } },
  });
}
