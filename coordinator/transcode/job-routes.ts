import { type Context, Hono } from 'hono';
import { isAdmin, type Principal, userIdOf } from '../auth/principal.ts';
import { readJsonFields } from '../json-body.ts';
import { LIMITS } from '../limits.ts';
import { parseFields } from '../parse-fields.ts';
import { encodeCursor } from '../videos/cursor.ts';
import { JSON_BODY_BYTES_MAX } from '../videos/limits.ts';
import { permissionOf } from '../videos/permissions.ts';
import { type VideoService, videoNotFound } from '../videos/service.ts';
import type { Job } from './job-repository.ts';
import { type JobDetails, type JobService, jobNotFound } from './job-service.ts';
import {
  type JobDetailsJson,
  type JobJson,
  type JobListJson,
  jobsQuerySchema,
  retrySchema,
  type WorkersJson,
} from './schema.ts';
import type { KnownWorker, WorkerRepository } from './worker-repository.ts';

interface JobEnv {
  Variables: { principal: Principal };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const WORKERS_SHOWN_MAX = 1000;

/** `/jobs`, `/videos/{id}/transcode` and `GET /workers`, to be mounted at `basePath`. */
export function createJobRoutes(deps: {
  readonly jobs: JobService;
  readonly workers: Pick<WorkerRepository, 'list'>;
  readonly videos: Pick<VideoService, 'find'>;
  readonly basePath: string;
}): Hono<JobEnv> {
  const { jobs, workers, videos, basePath } = deps;
  const routes = new Hono<JobEnv>();
  const noStore = { 'cache-control': 'no-store' };

  routes.get('/jobs', async (c) => {
    const { limit, cursor, state, video } = parseFields(jobsQuerySchema, c.req.query());
    const principal = c.get('principal');
    const userId = userIdOf(principal);
    const ownerId = isAdmin(principal) ? undefined : (userId ?? '');
    // Whoever is nobody's owner has none.
    const isNobody = ownerId === '';
    const page = { limit, after: cursor, state, videoId: video, ownerId };
    const { jobs: found, next } = isNobody ? { jobs: [], next: null } : await jobs.list(page);
    const items = found.map((job) => toJson(job, basePath));
    return c.json({ items, nextCursor: next && encodeCursor(next) } satisfies JobListJson, 200, noStore);
  });

  routes.get('/jobs/:id', async (c) => c.json(await described(await find(c)), 200, noStore));

  routes.post('/jobs/:id/retry', async (c) => {
    const limits = { bytesMax: JSON_BODY_BYTES_MAX, timeoutMs: LIMITS.jsonBodyTimeoutMs };
    const { rendition } = await readJsonFields(c, retrySchema, limits);
    const job = await find(c);
    await jobs.retry(job, rendition);
    return c.json(await described(await jobs.find(job.id)), 200, noStore);
  });

  routes.post('/jobs/:id/cancel', async (c) => {
    const job = await find(c);
    await jobs.cancel(job);
    return c.json(await described(await jobs.find(job.id)), 200, noStore);
  });

  routes.post('/videos/:id/transcode', async (c) => {
    const id = c.req.param('id').toLowerCase();
    if (!UUID.test(id)) throw videoNotFound(id);
    permissionOf(c.get('principal'))(await videos.find(id));
    const json = toJson(await jobs.restart(id), basePath);
    return c.json(json, 202, { location: json.links.self });
  });

  routes.get('/workers', async (c) =>
    c.json(
      { items: (await workers.list(WORKERS_SHOWN_MAX)).map(toWorkerJson) } satisfies WorkersJson,
      200,
      noStore,
    ),
  );

  /** Somebody else's is not there. */
  async function find(c: Context<JobEnv>): Promise<Job> {
    const id = (c.req.param('id') ?? '').toLowerCase();
    if (!UUID.test(id)) throw jobNotFound(id);
    const job = await jobs.find(id);
    const principal = c.get('principal');
    const userId = userIdOf(principal);
    if (!isAdmin(principal) && (userId === null || userId !== job.ownerId)) throw jobNotFound(id);
    return job;
  }

  async function described(job: Job): Promise<JobDetailsJson> {
    return toDetailsJson(await jobs.details(job), basePath);
  }

  return routes;
}

function toJson(job: Job, basePath: string): JobJson {
  const { id, videoId, state, progress, reason, source, createdAt, startedAt, finishedAt } = job;
  return {
    ...{ id, videoId, state, progress: rounded(progress), reason, source },
    createdAt: createdAt.toISOString(),
    startedAt: isoOf(startedAt),
    finishedAt: isoOf(finishedAt),
    links: { self: `${basePath}/jobs/${id}`, video: `${basePath}/videos/${videoId}` },
  };
}

function toDetailsJson({ job, tasks, counts, renditions }: JobDetails, basePath: string): JobDetailsJson {
  return {
    ...toJson(job, basePath),
    renditions: renditions.map(({ name, kind, pieces, pieces_done, is_published }) => ({
      ...{ name, kind, pieces, piecesDone: pieces_done, isPublished: is_published },
    })),
    tasks: tasks.map((task) => ({
      ...{ id: task.id, kind: task.kind, state: task.state, progress: rounded(task.progress) },
      ...{ attempts: task.attempts, worker: task.worker_name, reason: task.reason },
      renditions: task.renditions,
      startedAt: isoOf(task.started_at),
      finishedAt: isoOf(task.finished_at),
    })),
    taskCounts: counts,
  };
}

function toWorkerJson({ startedAt, seenAt, id, name, concurrency, isRunning, tasks }: KnownWorker) {
  return {
    ...{ id, name, concurrency, isRunning, tasks: [...tasks] },
    ...{ startedAt: startedAt.toISOString(), seenAt: seenAt.toISOString() },
  };
}

function isoOf(date: Date | null): string | null {
  return date === null ? null : date.toISOString();
}

function rounded(share: number): number {
  return Math.min(1, Math.round(share * 1000) / 1000);
}
