import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENGINES } from '../database/test-support/engines.ts';
import { type Ask, sha256, UPLOAD_BYTES_MAX, UploadWorld } from './test-support/upload-world.ts';

const MIB = 1024 * 1024;
const PATIENT = { timeout: 20_000, interval: 20 };
const DRAFT = { 'upload-draft-interop-version': '8' };
const PROBLEM = 'https://iana.org/assignments/http-problem-types#';

describe.each(ENGINES)('resumable uploads for HTTP on %s', (engine) => {
  let world: UploadWorld;
  beforeAll(async () => {
    world = await UploadWorld.open(engine, { count: 2 });
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  const begin = (isLast: boolean, { headers = {}, ...options }: Ask = {}, query = '') =>
    world.ask('POST', `/uploads${query}`, {
      ...options,
      headers: { ...DRAFT, 'upload-complete': isLast ? '?1' : '?0', ...headers },
    });
  const append = (
    path: string,
    offset: number,
    isLast: boolean,
    body: Uint8Array,
    { headers = {}, ...options }: Ask = {},
  ) =>
    world.ask('PATCH', path, {
      ...options,
      body,
      headers: {
        ...DRAFT,
        'content-type': 'application/partial-upload',
        'upload-complete': isLast ? '?1' : '?0',
        'upload-offset': String(offset),
        ...headers,
      },
    });

  test('an upload in one request is answered like one that cannot be resumed, and says before where it is', async () => {
    const token = await world.addUser();
    const bytes = randomBytes(3 * MIB);
    const headers = { 'content-type': 'video/webm', 'content-disposition': 'inline; filename="a b.webm"' };
    const answer = await begin(true, { body: bytes, token, headers }, '?visibility=unlisted');
    expect(answer.status).toBe(201);
    expect(answer.headers['upload-complete']).toBe('?1');
    expect(answer.json).toMatchObject({
      size: bytes.length,
      sha256: sha256(bytes),
      filename: 'a b.webm',
      title: 'a b',
      contentType: 'video/webm',
      visibility: 'unlisted',
      ownerId: token,
    });
    expect(answer.headers.location).toBe(`/api/v1/videos/${answer.json.id}`);
    const [first] = answer.interim;
    expect(first).toMatchObject({
      status: 104,
      headers: {
        location: expect.stringMatching(/^\/api\/v1\/uploads\//),
        'upload-draft-interop-version': '8',
        'upload-limit': expect.stringContaining(`max-size=${UPLOAD_BYTES_MAX}`),
      },
    });
    const head = await world.ask('HEAD', first!.headers.location!, { token });
    expect(head.status).toBe(204);
    expect(head.headers).toMatchObject({
      'upload-complete': '?1',
      'upload-offset': String(bytes.length),
      'upload-length': String(bytes.length),
      'orbitvids-video-id': answer.json.id,
      'cache-control': 'no-store',
    });
    expect((await world.download(answer.json.id)).equals(bytes)).toBe(true);
  });

  test('clients of other drafts get no interim answer', async () => {
    for (const version of ['7', 'eight', '']) {
      const answer = await begin(true, {
        body: Buffer.from('x'),
        headers: { 'upload-draft-interop-version': version },
      });
      expect([answer.status, answer.interim]).toEqual([201, []]);
    }
  });

  test('an upload in several requests, of unknown length, over two coordinators', async () => {
    const bytes = randomBytes(4 * MIB);
    const created = await begin(false, { body: bytes.subarray(0, MIB) });
    expect([created.status, created.headers['upload-complete']]).toEqual([201, '?0']);
    const path = created.headers.location!;
    const more = await append(path, MIB, false, bytes.subarray(MIB, 3 * MIB), { at: 1 });
    expect([more.status, more.headers['upload-complete'], more.headers['upload-offset']]).toEqual([
      204,
      '?0',
      String(3 * MIB),
    ]);
    const head = await world.ask('HEAD', path);
    expect(head.headers).toMatchObject({ 'upload-offset': String(3 * MIB), 'upload-complete': '?0' });
    expect(head.headers['upload-length']).toBeUndefined();
    const last = await append(path, 3 * MIB, true, bytes.subarray(3 * MIB));
    expect([last.status, last.headers['upload-complete'], last.json.size]).toEqual([201, '?1', bytes.length]);
    expect((await world.download(last.json.id)).equals(bytes)).toBe(true);
  });

  test('an upload that has its length is complete only when the client says so', async () => {
    const created = await begin(false, { body: Buffer.from('hello'), headers: { 'upload-length': '5' } });
    const path = created.headers.location!;
    expect((await world.ask('HEAD', path)).headers).toMatchObject({
      'upload-complete': '?0',
      'upload-offset': '5',
      'upload-length': '5',
    });
    const done = await append(path, 5, true, Buffer.alloc(0));
    expect([done.status, done.json.size]).toEqual([201, 5]);
  });

  test('what a request says about itself is checked', async () => {
    const created = await begin(false, { body: Buffer.from('hello'), headers: { 'upload-length': '10' } });
    const path = created.headers.location!;
    const mismatch = await append(path, 4, false, Buffer.from('x'));
    expect(mismatch.status).toBe(409);
    expect(mismatch.headers).toMatchObject({ 'upload-offset': '5', 'upload-complete': '?0' });
    expect(mismatch.json).toMatchObject({
      type: `${PROBLEM}mismatching-upload-offset`,
      'expected-offset': 5,
      'provided-offset': 4,
      code: 'upload_offset_mismatch',
    });
    const inconsistent = { type: `${PROBLEM}inconsistent-upload-length`, code: 'upload_length_changed' };
    expect(await append(path, 5, true, Buffer.from('abc'))).toMatchObject({
      status: 400,
      json: inconsistent,
    });
    expect(
      await append(path, 5, false, Buffer.from('abc'), { headers: { 'upload-length': '11' } }),
    ).toMatchObject({ status: 400, json: inconsistent });
    expect(await begin(true, { body: Buffer.from('abc'), headers: { 'upload-length': '4' } })).toMatchObject({
      status: 400,
      json: inconsistent,
    });
    expect(
      await append(path, 5, true, Buffer.from('abc'), { headers: { 'upload-complete': 'yes' } }),
    ).toMatchObject({ status: 400 });
    expect(
      await append(path, 5, true, Buffer.from('abc'), { headers: { 'upload-offset': '5.0' } }),
    ).toMatchObject({ status: 400 });
    expect(
      await append(path, 5, true, Buffer.from('abc'), { headers: { 'content-type': 'video/mp4' } }),
    ).toMatchObject({ status: 415 });
    const large = await begin(false, { headers: { 'upload-length': String(UPLOAD_BYTES_MAX + 1) } });
    expect([large.status, large.headers['upload-limit']]).toEqual([
      413,
      expect.stringContaining('max-size='),
    ]);
    expect((await begin(true, {})).json.code).toBe('empty_body');
    const done = await append(path, 5, true, Buffer.from('world'));
    expect(done.status).toBe(201);
    const completed = await append(path, 10, false, Buffer.from('x'));
    expect(completed).toMatchObject({
      status: 409,
      json: { type: `${PROBLEM}completed-upload`, code: 'upload_completed' },
    });
    expect((await world.download(done.json.id)).toString()).toBe('helloworld');
  });

  test('a digest of the content that is wrong keeps it out', async () => {
    const created = await begin(false, { body: Buffer.from('hello') });
    const path = created.headers.location!;
    const digest = (text: string) => ({
      'content-digest': `sha-256=:${createHash('sha256').update(text).digest('base64')}:`,
    });
    const wrong = await append(path, 5, true, Buffer.from('world'), { headers: digest('w0rld') });
    expect([wrong.status, wrong.json.code]).toEqual([422, 'digest_mismatch']);
    expect((await world.ask('HEAD', path)).headers['upload-offset']).toBe('5');
    expect((await append(path, 5, true, Buffer.from('world'), { headers: digest('world') })).status).toBe(
      201,
    );
  });

  test('a cut creation goes on at the address that it was told', async () => {
    const bytes = randomBytes(2 * MIB);
    const { interim } = await begin(true, { body: bytes.subarray(0, 1), headers: { 'upload-length': '1' } });
    expect(interim).toHaveLength(1);
    const created = await begin(false, { headers: { 'upload-length': String(bytes.length) } });
    const path = created.headers.location!;
    const sending = world.openPatch(path, 0, bytes.length, {
      headers: {
        ...DRAFT,
        'content-type': 'application/partial-upload',
        'upload-complete': '?1',
        'tus-resumable': '',
      },
    });
    await sending.write(bytes.subarray(0, MIB));
    const held = () =>
      world.database.kysely
        .selectFrom('uploads')
        .select('holder')
        .where('id', '=', path.split('/').at(-1)!)
        .executeTakeFirst();
    await expect.poll(async () => (await held())?.holder, PATIENT).toBeTruthy();
    sending.cut();
    const offsetOf = async () => Number((await world.ask('HEAD', path, { at: 1 })).headers['upload-offset']);
    await expect.poll(offsetOf, PATIENT).toBe(MIB);
    const last = await append(path, MIB, true, bytes.subarray(MIB), { at: 1 });
    expect(last.status).toBe(201);
    expect((await world.download(last.json.id)).equals(bytes)).toBe(true);
  });

  test('an upload can be given up', async () => {
    const { headers } = await begin(false, { body: Buffer.from('x') });
    expect((await world.ask('DELETE', headers.location!)).status).toBe(204);
    expect((await world.ask('HEAD', headers.location!)).status).toBe(404);
    expect((await append(headers.location!, 1, true, Buffer.from('y'))).status).toBe(404);
  });
});
