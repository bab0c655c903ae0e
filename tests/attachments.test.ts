import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from './support/test-cluster.ts';

const SRT = '1\r\n00:00:01,000 --> 00:00:02,500\r\nHello\r\n';
const VTT = 'WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello\n';
const PNG = Buffer.concat([
  Buffer.from('89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de00000bb849444154', 'hex'),
  randomBytes(3000),
]);
const PDF = Buffer.concat([Buffer.from('%PDF-1.7\n'), randomBytes(9 * 1024 * 1024)]);

let cluster: TestCluster;
let path: string;

beforeAll(async () => {
  cluster = await TestCluster.start({ nodeCount: 3 });
  const video = await cluster.upload(randomBytes(1000));
  path = `/videos/${video.id}/attachments`;
}, 60_000);
afterAll(() => cluster[Symbol.asyncDispose]());

const put = (name: string, body: string | Buffer<ArrayBuffer>, headers: Record<string, string> = {}) =>
  cluster.api(`${path}/${name}`, { method: 'PUT', body, headers });
const get = (name: string, init: RequestInit = {}) => cluster.api(`${path}/${name}`, init);
const codeOf = async (response: Response) => {
  const { code } = (await response.json()) as { code: string };
  return [response.status, code];
};

test('captions are checked or converted, and served so that browsers run nothing', async () => {
  const created = await put('en.vtt?language=EN-us&label=English', SRT);
  expect(created.status).toBe(201);
  expect(await created.json()).toMatchObject({
    ...{ name: 'en.vtt', kind: 'captions', language: 'en-US', label: 'English', size: VTT.length },
    sha256: createHash('sha256').update(VTT).digest('hex'),
  });
  const got = await get('en.vtt');
  expect(await got.text()).toBe(VTT);
  expect(Object.fromEntries(got.headers)).toMatchObject({
    'content-type': 'text/vtt; charset=utf-8',
    'content-security-policy': "default-src 'none'; sandbox",
    'x-content-type-options': 'nosniff',
    etag: created.headers.get('etag'),
  });
  const again = await get('en.vtt', { headers: { 'if-none-match': created.headers.get('etag')! } });
  expect(again.status).toBe(304);
  expect(await codeOf(await put('x.vtt', 'WEBVTT\n\n1 --> 2'))).toEqual([422, 'invalid_captions']);
});

test('images and documents are told by their bytes, whatever they are called', async () => {
  expect(await (await put('poster.txt', PNG, { 'content-type': 'text/plain' })).json()).toMatchObject({
    kind: 'poster',
    contentType: 'image/png',
  });
  expect((await put('paper.pdf', PDF)).status).toBe(201);
  const paper = await get('paper.pdf');
  expect(paper.headers.get('content-disposition')).toMatch(/^attachment; filename="?paper\.pdf/);
  expect(Buffer.from(await paper.arrayBuffer()).equals(PDF)).toBe(true);
  const part = await get('paper.pdf', { headers: { range: 'bytes=8388600-8388620' } });
  expect(part.status).toBe(206);
  expect(Buffer.from(await part.arrayBuffer()).equals(PDF.subarray(8_388_600, 8_388_621))).toBe(true);
  const script = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
  for (const [body, code] of [
    [script, 'invalid_captions'],
    [randomBytes(5000), 'unsupported_media_type'],
    [Buffer.from('GIF89a\u0001\0\u0001\0'), 'unsupported_media_type'],
  ] as const) {
    expect((await codeOf(await put('poster.png', body)))[1]).toBe(code);
  }
  const wrongKind = await put('poster.png?kind=captions', PNG);
  expect(await codeOf(wrongKind)).toEqual([415, 'unsupported_media_type']);
  const large = Buffer.concat([PNG, Buffer.alloc(10 * 1024 * 1024)]);
  expect(await codeOf(await put('poster.png', large))).toEqual([413, 'body_too_large']);
  const digest = { 'content-digest': `sha-256=:${randomBytes(32).toString('base64')}:` };
  expect(await codeOf(await put('poster.png', PNG, digest))).toEqual([422, 'digest_mismatch']);
});

test('names, fields and bodies that make no sense are refused', async () => {
  for (const name of ['..%2Fx', '.hidden', 'a..b', 'x'.repeat(101), 'a%20b']) {
    expect(await codeOf(await put(name, VTT)), name).toEqual([400, 'invalid_request']);
  }
  for (const query of ['language=nonsense!', 'kind=trailer', 'size=3', 'label=']) {
    expect(await codeOf(await put(`a.vtt?${query}`, VTT)), query).toEqual([400, 'invalid_request']);
  }
  expect(await codeOf(await put('a.vtt', ''))).toEqual([400, 'empty_body']);
  expect(await codeOf(await get('nothing.vtt'))).toEqual([404, 'attachment_not_found']);
});

test('one takes the place of another, if the condition says so; changes at once are all kept', async () => {
  const first = await put('de.vtt', VTT);
  const etag = first.headers.get('etag')!;
  expect((await put('de.vtt', VTT, { 'if-none-match': '*' })).status).toBe(412);
  expect((await put('de.vtt', `${VTT}\n`, { 'if-match': '"other"' })).status).toBe(412);
  const second = await put('de.vtt', `${VTT}\n`, { 'if-match': etag });
  expect([second.status, second.headers.get('etag') === etag]).toEqual([200, false]);
  expect(await (await get('de.vtt')).text()).toBe(`${VTT}\n`);
  const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `many-${name}.vtt`);
  expect(await Promise.all(names.map(async (name) => (await put(name, VTT)).status))).toEqual(
    names.map(() => 201),
  );
  const { items } = (await (await cluster.api(path)).json()) as { items: { name: string }[] };
  expect(items.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
  expect((await cluster.api(`${path}/many-a.vtt`, { method: 'DELETE' })).status).toBe(204);
  expect((await get('many-a.vtt')).status).toBe(404);
  expect((await get('many-b.vtt')).status).toBe(200);
});

test('who may not change the video attaches nothing, and private attachments are not there', async () => {
  const anonymous = await fetch(`${cluster.url}/api/v1${path}/x.vtt`, { method: 'PUT', body: VTT });
  expect(anonymous.status).toBe(401);
  const video = path.replace('/attachments', '');
  await cluster.api(video, {
    method: 'PATCH',
    body: JSON.stringify({ visibility: 'private' }),
    headers: { 'content-type': 'application/json' },
  });
  expect((await fetch(`${cluster.url}/api/v1${path}/en.vtt`)).status).toBe(404);
  expect((await fetch(`${cluster.url}/api/v1${path}`)).status).toBe(404);
  expect((await get('en.vtt')).headers.get('cache-control')).toContain('private');
});

test('they go with the video', async () => {
  expect((await cluster.api(path.replace('/attachments', ''), { method: 'DELETE' })).status).toBe(204);
  expect((await get('en.vtt')).status).toBe(404);
  await expect.poll(async () => (await cluster.holders()).size, { timeout: 20_000 }).toBe(0);
});
