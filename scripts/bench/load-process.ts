import { createHash, randomBytes, randomInt } from 'node:crypto';
import { ByteClient, type ByteRequest } from '../../lib/byte-client/byte-client.ts';
import { systemClock } from '../../lib/clock/clock.ts';
import {
  type LoadAnswer,
  type LoadCommand,
  type LoadPhase,
  type LoadResult,
  type LoadTarget,
  OBJECT_BYTES,
  RANGE_BYTES,
} from './load-plan.ts';

/**
 * The load generator, a process of its own that is driven over IPC. One buffer is sent again and again, and
 * what comes back lands in one buffer a connection, so that it takes little of the machine from who is measured.
 */

const IDLE_TIMEOUT_MS = 60_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const RANGE_ALIGNMENT = 64 * 1024;

const source = randomBytes(OBJECT_BYTES);
const client = new ByteClient({
  clock: systemClock,
  connectTimeoutMs: 5000,
  idleTimeoutMs: IDLE_TIMEOUT_MS,
  maxIdlePerHost: 64,
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function pathOf(template: string, name: string): string {
  return template.replace('{name}', name);
}

function unexpected(what: string, status: number): Error {
  return new Error(`${what} was answered with status ${status}.`);
}

/** Uploads the source and returns the name it can be read under. */
async function upload(target: LoadTarget, wantedName: string, bytes = OBJECT_BYTES): Promise<string> {
  const response = await client.request({
    method: target.uploadMethod,
    url: target.url + pathOf(target.uploadPath, wantedName),
    headers: target.headers,
    body: source.subarray(0, bytes),
  });
  const text = await response.text(ANSWER_BYTES_MAX);
  // A server of plain files answers 204 when it replaced one.
  if (response.status !== 201 && !(target.uploadMethod === 'PUT' && response.status === 204))
    throw new Error(`An upload was answered with status ${response.status}: ${text.slice(0, 500)}`);
  if (!target.answersWithId) return wantedName;
  const { id } = JSON.parse(text) as { id?: unknown };
  if (typeof id !== 'string') throw new Error('An upload was answered without an id.');
  return id;
}

/** Reads an object, or `length` of its bytes, and checks status and length; `take` sees the bytes pass. */
async function read(
  target: LoadTarget,
  name: string,
  range: { first: number; length: number } | undefined,
  take: (piece: Buffer) => void,
): Promise<number> {
  const request: ByteRequest = {
    method: 'GET',
    url: target.url + pathOf(target.contentPath, name),
    headers: range
      ? { ...target.headers, range: `bytes=${range.first}-${range.first + range.length - 1}` }
      : target.headers,
  };
  const response = await client.request(request);
  const expectedStatus = range ? 206 : 200;
  const expectedLength = range?.length ?? OBJECT_BYTES;
  if (response.status !== expectedStatus || response.contentLength !== expectedLength) {
    response.destroy();
    throw unexpected(`A read (${response.contentLength} bytes)`, response.status);
  }
  if (range) {
    const wanted = `bytes ${range.first}-${range.first + range.length - 1}/${OBJECT_BYTES}`;
    if (response.headers.get('content-range') !== wanted) throw new Error('A wrong range was answered.');
  }
  await response.pipe(take);
  return expectedLength;
}

async function head(target: LoadTarget, name: string): Promise<void> {
  const url = target.url + pathOf(target.contentPath, name);
  const response = await client.request({ method: 'HEAD', url, headers: target.headers });
  if (response.status !== 200 || response.contentLength !== OBJECT_BYTES)
    throw unexpected('HEAD', response.status);
}

async function remove(target: LoadTarget, name: string): Promise<void> {
  const url = target.url + pathOf(target.deletePath, name);
  const response = await client.request({ method: 'DELETE', url, headers: target.headers });
  await response.text(ANSWER_BYTES_MAX);
  if (response.status !== 204) throw unexpected('DELETE', response.status);
}

/** Every other range begins where a block does, the rest anywhere. */
function randomRange(index: number): { first: number; length: number } {
  const latest = OBJECT_BYTES - RANGE_BYTES;
  const first =
    index % 2 === 0 ? randomInt(latest / RANGE_ALIGNMENT + 1) * RANGE_ALIGNMENT : randomInt(latest + 1);
  return { first, length: RANGE_BYTES };
}

const ignore = () => {};

async function requestOnce(phase: LoadPhase, index: number, made: string[]): Promise<number> {
  const { target, names, uploadBytes = OBJECT_BYTES } = phase;
  const name = names[index % names.length]!;
  switch (phase.kind) {
    case 'put':
      made.push(await upload(target, `${name}-${index}`, uploadBytes));
      return uploadBytes;
    case 'get':
      return await read(target, name, undefined, ignore);
    case 'range':
      return await read(target, name, randomRange(index), ignore);
    case 'head':
      await head(target, name);
      return 0;
    case 'delete':
      await remove(target, name);
      return 0;
  }
}

async function run(phase: LoadPhase): Promise<LoadResult> {
  const made: string[] = [];
  const startCpu = process.cpuUsage();
  const startMs = performance.now();
  const deadlineMs = startMs + phase.secondsMax * 1000;
  let started = 0;
  let bytes = 0;
  const connection = async () => {
    while (started < phase.countMax && performance.now() < deadlineMs) {
      const index = started++;
      // Awaited first: `bytes += await` would read the sum before the other connections add to it.
      const moved = await requestOnce(phase, index, made);
      bytes += moved;
    }
  };
  await Promise.all(Array.from({ length: phase.connections }, connection));
  const seconds = (performance.now() - startMs) / 1000;
  const cpu = process.cpuUsage(startCpu);
  return { requests: started, bytes, seconds, cpuSeconds: (cpu.user + cpu.system) / 1e6, names: made };
}

async function check(phase: LoadPhase): Promise<LoadResult> {
  const { target } = phase;
  const made: string[] = [];
  const startMs = performance.now();
  let name = phase.names[0]!;
  if (phase.kind === 'put') {
    name = await upload(target, `${name}-check`);
    made.push(name);
  }
  if (phase.kind === 'head') await head(target, name);
  const range = phase.kind === 'range' ? randomRange(1) : undefined;
  const hash = createHash('sha256');
  const bytes = await read(target, name, range, (piece) => {
    hash.update(piece);
  });
  const expected = range ? source.subarray(range.first, range.first + range.length) : source;
  if (hash.digest('hex') !== sha256(expected))
    throw new Error(`The bytes read back (${phase.kind}) differ from the source.`);
  return { requests: 1, bytes, seconds: (performance.now() - startMs) / 1000, cpuSeconds: 0, names: made };
}

process.on('message', (command: LoadCommand) => {
  const work = command.action === 'run' ? run(command.phase) : check(command.phase);
  work.then(
    (result) => process.send?.({ result } satisfies LoadAnswer),
    (error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      process.send?.({ error: `${command.phase.kind}: ${text}` } satisfies LoadAnswer);
    },
  );
});
process.on('disconnect', () => process.exit(0));
