import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type UploadAnswer, type UploadedVideo, uploadSchema } from '../lib/upload-client/answers.ts';
import { type DirectUploadOptions, uploadDirect } from '../lib/upload-client/direct-upload.ts';
import { ADMIN_TOKEN, sha256, TestCluster } from './support/test-cluster.ts';

const MIB = 1024 * 1024;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ coordinatorEnv: { CHUNK_SIZE: '1MiB' } });
}, 60_000);
afterAll(() => cluster[Symbol.asyncDispose]());

async function json<Body>(response: Response, status: number): Promise<Body> {
  const text = await response.text();
  if (response.status !== status) throw new Error(`${response.status}: ${text}`);
  return JSON.parse(text) as Body;
}

const post = (path: string, body?: object) =>
  cluster.api(path, {
    method: 'POST',
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });

const begin = async (body: object): Promise<UploadAnswer> =>
  uploadSchema.parse(await json(await post('/uploads/direct', body), 201));
const look = async (id: string, query = ''): Promise<UploadAnswer> =>
  uploadSchema.parse(await json(await cluster.api(`/uploads/direct/${id}${query}`), 200));
const complete = (id: string) => post(`/uploads/direct/${id}/complete`);

const put = (part: { url: string; offset: number; length: number }, body: Buffer<ArrayBuffer>) =>
  fetch(part.url, { method: 'PUT', body: body.subarray(part.offset, part.offset + part.length) });

const client = (
  body: Buffer<ArrayBuffer>,
  options: Partial<DirectUploadOptions> = {},
): Promise<UploadedVideo> =>
  uploadDirect(new Blob([body]), {
    url: cluster.url,
    token: ADMIN_TOKEN,
    backoff: { tries: 100, firstMs: 50, longestMs: 500 },
    ...options,
  });

test('a file goes straight to the nodes, becomes a video, and gets its SHA-256 afterwards', async () => {
  const body = randomBytes(5 * MIB + 12_345);
  const upload = await begin({ size: body.length, filename: 'My clip.mp4', visibility: 'unlisted' });
  expect([upload.partSize, upload.partCount, upload.parts.items.length]).toEqual([MIB, 6, 6]);
  // Not one byte is there: every part is named.
  expect(await json(await complete(upload.id), 409)).toMatchObject({
    code: 'parts_missing',
    missingCount: 6,
    missing: [0, 1, 2, 3, 4, 5],
  });
  const [last, ...others] = upload.parts.items.toReversed();
  for (const part of others) expect((await put(part, body)).status).toBe(201);
  expect(await json(await complete(upload.id), 409)).toMatchObject({ missing: [5] });
  expect((await look(upload.id)).parts.items.map(({ index }) => index)).toEqual([5]);
  await put(last!, body);
  expect((await look(upload.id)).parts.items).toEqual([]);
  const video = await json<{ id: string; title: string; sha256: null }>(await complete(upload.id), 201);
  expect(video).toMatchObject({ title: 'My clip', size: body.length, sha256: null, visibility: 'unlisted' });
  expect(await json(await complete(upload.id), 200)).toMatchObject({ id: video.id });
  expect((await look(upload.id)).state).toBe('complete');
  expect(sha256(await cluster.download(video.id))).toBe(sha256(body));
  const part = await cluster.download(video.id, `bytes=${MIB - 10}-${2 * MIB + 10}`);
  expect(part.equals(body.subarray(MIB - 10, 2 * MIB + 11))).toBe(true);
  await expect
    .poll(
      async () => ((await (await cluster.api(`/videos/${video.id}`)).json()) as { sha256: string }).sha256,
      {
        timeout: 15_000,
      },
    )
    .toBe(sha256(body));
  const refused = await cluster.api(`/uploads/direct/${upload.id}`, { method: 'DELETE' });
  expect(await json(refused, 409)).toMatchObject({ code: 'upload_completed' });
});

test('creations with one Idempotency-Key make one thing', async () => {
  const body = randomBytes(1000);
  const create = (bytes: Buffer<ArrayBuffer>, key: string) =>
    cluster.api('/videos?title=Once', { method: 'POST', body: bytes, headers: { 'idempotency-key': key } });
  const first = await create(body, 'first');
  const again = await create(body, 'first');
  expect([first.status, again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 201, 'true']);
  expect(await again.text()).toBe(await first.text());
  expect(await json(await create(randomBytes(999), 'first'), 422)).toMatchObject({
    code: 'idempotency_key_reused',
  });
  const upload = (size: number) =>
    cluster.api('/uploads/direct', {
      method: 'POST',
      body: JSON.stringify({ size }),
      headers: { 'content-type': 'application/json', 'idempotency-key': 'second' },
    });
  const [one, two] = [
    await json<{ id: string }>(await upload(5), 201),
    await json<{ id: string }>(await upload(5), 201),
  ];
  expect(two).toEqual(one);
  expect((await upload(6)).status).toBe(422);
});

test('completions at the same time make one video', async () => {
  const body = randomBytes(2 * MIB);
  const upload = await begin({ size: body.length, sha256: sha256(body) });
  await Promise.all(upload.parts.items.map((part) => put(part, body)));
  const answers = await Promise.all([1, 2, 3, 4].map(() => complete(upload.id)));
  const ids = await Promise.all(answers.map(async (answer) => ((await answer.json()) as { id: string }).id));
  expect(answers.map(({ status }) => status).every((status) => status < 300)).toBe(true);
  expect(new Set(ids).size).toBe(1);
});

test('an announced SHA-256 is verified before the video is there', async () => {
  const body = randomBytes(3 * MIB);
  const upload = await begin({ size: body.length, sha256: sha256(randomBytes(10)) });
  await Promise.all(upload.parts.items.map((part) => put(part, body)));
  expect(await json(await complete(upload.id), 422)).toMatchObject({
    code: 'digest_mismatch',
    sha256: sha256(body),
  });
  expect((await look(upload.id)).state).toBe('open');
  const right = await client(body, { sha256: sha256(body) });
  expect(right.sha256).toBe(sha256(body));
});

test('parts may be sent again, also by the URL of a moment ago, but not other bytes', async () => {
  const body = randomBytes(2 * MIB);
  const upload = await begin({ size: body.length });
  const [first, second] = upload.parts.items;
  expect((await put(first!, body)).status).toBe(201);
  expect((await put(first!, body)).status).toBe(200);
  expect((await put(first!, randomBytes(2 * MIB))).status).toBe(409);
  const cut = await put({ ...second!, length: second!.length - 1 }, body);
  expect(cut.status).toBe(400);
  expect((await put(second!, body)).status).toBe(201);
  const video = await json<{ id: string }>(await complete(upload.id), 201);
  expect(sha256(await cluster.download(video.id))).toBe(sha256(body));
});

test('what is given up is gone from the nodes, and from the API', async () => {
  const body = randomBytes(2 * MIB);
  const upload = await begin({ size: body.length });
  await Promise.all(upload.parts.items.map((part) => put(part, body)));
  expect((await cluster.api(`/uploads/direct/${upload.id}`, { method: 'DELETE' })).status).toBe(204);
  expect(await json(await complete(upload.id), 404)).toMatchObject({ code: 'upload_not_found' });
  const prefix = upload.id.replaceAll('-', '');
  await expect
    .poll(async () => [...(await cluster.holders()).keys()].filter((id) => id.startsWith(prefix)).length, {
      timeout: 10_000,
    })
    .toBe(0);
});

test('the death of a node that takes parts, and of the coordinator, hold up nothing for good', async () => {
  const body = randomBytes(24 * MIB);
  let uploadId: string | undefined;
  const progress = Promise.withResolvers<void>();
  const sending = client(body, {
    parallel: 2,
    memory: {
      load: async () => null,
      save: async (id) => {
        uploadId = id;
      },
      clear: async () => {},
    },
    onProgress: ({ storedBytes }) => storedBytes >= 3 * MIB && progress.resolve(),
  });
  await progress.promise;
  await cluster.cluster.nodes[0]!.kill();
  await cluster.cluster.coordinator.kill();
  await cluster.cluster.startCoordinator();
  const video = await sending;
  expect(sha256(await cluster.download(video.id))).toBe(sha256(body));
  expect(await json(await complete(uploadId!), 200)).toMatchObject({ id: video.id });
  await cluster.cluster.restartNode(0);
  await cluster.cluster.untilReady();
}, 60_000);

test('another run goes on where the first was stopped', async () => {
  const body = randomBytes(12 * MIB);
  let known: string | null = null;
  const memory = {
    load: async () => known,
    save: async (id: string) => {
      known = id;
    },
    clear: async () => {
      known = null;
    },
  };
  const stop = new AbortController();
  const onProgress = ({ storedBytes }: { storedBytes: number }) =>
    storedBytes >= 4 * MIB && stop.abort(new Error('stopped'));
  await expect(client(body, { memory, signal: stop.signal, onProgress })).rejects.toThrow('stopped');
  const sent: string[] = [];
  const counting: typeof fetch = (...args) => {
    if (args[1]?.method === 'PUT') sent.push(String(args[0]));
    return fetch(...args);
  };
  const video = await client(body, { memory, fetch: counting });
  expect(sent.length).toBeLessThanOrEqual(8);
  expect(known).toBeNull();
  expect(sha256(await cluster.download(video.id))).toBe(sha256(body));
}, 30_000);

test('ranges change hands while parts arrive', async () => {
  const body = randomBytes(8 * MIB);
  const upload = await begin({ size: body.length });
  const send = (indexes: readonly number[], from: UploadAnswer) =>
    Promise.all(
      from.parts.items.filter(({ index }) => indexes.includes(index)).map((part) => put(part, body)),
    );
  await send([0, 1, 2], upload);
  const joined = await cluster.addNode();
  const { id } = await cluster.adminNode(joined);
  await json(
    await cluster.api(`/admin/nodes/${id}`, {
      method: 'PATCH',
      body: JSON.stringify({ state: 'active' }),
      headers: { 'content-type': 'application/json' },
    }),
    202,
  );
  // With URLs from before the change, and with new ones while it goes on.
  await send([3, 4], upload);
  await send([5, 6, 7], await look(upload.id));
  const [rebalance] = (
    await json<{ items: { id: string }[] }>(await cluster.api('/admin/rebalances?limit=1'), 200)
  ).items;
  await expect
    .poll(
      async () =>
        ((await (await cluster.api(`/admin/rebalances/${rebalance!.id}`)).json()) as { state: string }).state,
      {
        timeout: 40_000,
      },
    )
    .toBe('finished');
  expect((await look(upload.id)).parts.items).toEqual([]);
  const video = await json<{ id: string }>(await complete(upload.id), 201);
  expect(sha256(await cluster.download(video.id))).toBe(sha256(body));
}, 60_000);
