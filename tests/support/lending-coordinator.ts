import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { TaskSpec } from '../../coordinator/transcode/job.ts';
import { planAfterCopy, planAfterInspect } from '../../coordinator/transcode/planner.ts';
import type { Failure } from '../../lib/worker-api/protocol.ts';
import type { Probe, SegmentPlan, Task, TaskResult } from '../../lib/worker-api/tasks.ts';

/** What became of a film: `ready`, or why a task of it could not be done. */
export type Fate = 'ready' | (Failure & { readonly kind: Task['kind'] });

interface Film {
  readonly id: string;
  readonly bytes: Buffer;
  readonly fate: PromiseWithResolvers<Fate>;
  open: number;
  inspected?: { readonly probe: Probe; readonly plan: SegmentPlan | null };
}

const RANK = { createdAtS: 0, durationSeconds: 0, isUrgent: true };

/**
 * As much of a coordinator as a worker sees of it, in this process: it lends the tasks that the planner plans for each film,
 * serves its bytes, and takes what is made for stored. A task that fails is not tried again.
 */
export class LendingCoordinator implements AsyncDisposable {
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #films = new Map<string, Film>();
  readonly #tasks = new Map<string, { readonly film: Film; readonly task: Task }>();
  readonly #queue: Task[] = [];
  /** Bytes of outputs, by their paths. */
  readonly #outputs = new Map<string, number>();
  #waiting: (() => void)[] = [];

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when all tasks of the film are done, or one has failed. */
  async transcode(bytes: Buffer): Promise<Fate> {
    const film: Film = { id: crypto.randomUUID(), bytes, fate: Promise.withResolvers<Fate>(), open: 0 };
    this.#films.set(film.id, film);
    this.#enqueue(film, [{ kind: 'inspect' }]);
    return await film.fate.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #enqueue(film: Film, specs: readonly TaskSpec[]): void {
    for (const spec of specs) {
      const base = { taskId: crypto.randomUUID(), videoId: film.id, sourceBytes: film.bytes.length };
      const { piece: _, ...rest } = { piece: 0, ...spec };
      const { probe, plan } = film.inspected ?? {};
      const known =
        spec.kind === 'inspect'
          ? {}
          : spec.kind === 'encode' || spec.kind === 'audio'
            ? { probe, plan }
            : { probe };
      const task = { ...base, ...rest, ...known } as Task;
      this.#tasks.set(task.taskId, { film, task });
      this.#queue.push(task);
      film.open += 1;
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url!, 'http://any');
    const [, , , , , taskId, what, name] = pathname.split('/');
    const body = await buffer(request);
    const json = (value: unknown) => response.writeHead(200).end(JSON.stringify(value));
    if (request.method === 'GET') return this.#serve(pathname.slice(1), request, response);
    if (request.method === 'PUT') {
      const size = Number(searchParams.get('offset')) + body.length;
      this.#outputs.set(`${taskId}/${name}`, size);
      return void json({ size });
    }
    const message = JSON.parse(body.toString());
    if (pathname.endsWith('/lease')) return await this.#lend(message.kinds, response);
    const { film, task } = this.#tasks.get(taskId!)!;
    if (what === 'heartbeat') return void json({ sourceUrl: `/${film.id}` });
    if (what === 'outputs') return void json({ size: 0 });
    if (what === 'complete') this.#complete(film, message.result);
    if (what === 'fail') this.#fail(film, { kind: task.kind, ...message });
    response.writeHead(204).end();
  }

  async #lend(kinds: readonly string[] | undefined, response: ServerResponse): Promise<void> {
    let isGone = false;
    const gone = new Promise<void>((resolve) => response.once('close', resolve)).then(() => {
      isGone = true;
    });
    while (!isGone) {
      const place = this.#queue.findIndex(({ kind }) => kinds?.includes(kind) ?? true);
      const task = place < 0 ? undefined : this.#queue.splice(place, 1)[0];
      if (task !== undefined) {
        const times = { fence: 1, leaseMs: 60_000, heartbeatMs: 1000 };
        return void response.end(JSON.stringify({ task, ...times, sourceUrl: `/${task.videoId}` }));
      }
      await Promise.race([gone, new Promise<void>((resolve) => this.#waiting.push(resolve))]);
    }
  }

  #complete(film: Film, result: TaskResult): void {
    if (result.kind === 'inspect') {
      film.inspected = result;
      this.#enqueue(
        film,
        planAfterInspect(result, RANK, { dropsSource: false }).tasks.map(({ spec }) => spec),
      );
    }
    if (result.kind === 'copy')
      this.#enqueue(
        film,
        planAfterCopy(result, film.inspected!, RANK).tasks.map(({ spec }) => spec),
      );
    film.open -= 1;
    if (film.open === 0) film.fate.resolve('ready');
  }

  #fail(film: Film, fate: Fate): void {
    // Nobody wants the rest of it.
    const others = this.#queue.filter(({ videoId }) => videoId !== film.id);
    this.#queue.splice(0, this.#queue.length, ...others);
    film.fate.resolve(fate);
  }

  #serve(id: string, request: IncomingMessage, response: ServerResponse): void {
    const { bytes } = this.#films.get(id)!;
    const [first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range!)!.slice(1).map(Number);
    const part = bytes.subarray(first!, last! + 1);
    const range = `bytes ${first}-${first! + part.length - 1}/${bytes.length}`;
    response.writeHead(206, { 'content-range': range, 'content-length': part.length }).end(part);
  }
}
