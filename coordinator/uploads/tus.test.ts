import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENGINES } from '../database/test-support/engines.ts';
import { base64, sha256, UPLOAD_BYTES_MAX, UploadWorld } from './test-support/upload-world.ts';

const MIB = 1024 * 1024;
const PATIENT = { timeout: 20_000, interval: 20 };

describe.each(ENGINES)('tus on %s', (engine) => {
  let world: UploadWorld;
  beforeAll(async () => {
    world = await UploadWorld.open(engine);
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  const codeOf = async (answer: Promise<{ status: number; json: { code?: string } | undefined }>) => {
    const { status, json } = await answer;
    return [status, json?.code];
  };

  test('with an Idempotency-Key an upload begins once, and the second answer says how far it is', async () => {
    const token = await world.addUser();
    const bytes = randomBytes(MIB);
    const headers = { 'idempotency-key': `"${randomUUID()}"` };
    const path = await world.create(bytes.length, { token, headers });
    await world.patch(path, 0, bytes.subarray(0, 1000), { token });
    const again = await world.tus('POST', '/uploads', {
      token,
      headers: { ...headers, 'upload-length': String(bytes.length) },
    });
    expect([again.status, again.headers.location]).toEqual([201, path]);
    expect(again.headers).toMatchObject({ 'upload-offset': '1000', 'idempotency-replayed': 'true' });
    const other = { token, headers: { ...headers, 'upload-length': '5' } };
    expect(await codeOf(world.tus('POST', '/uploads', other))).toEqual([422, 'idempotency_key_reused']);
    expect(await world.create(bytes.length, { token: await world.addUser(), headers })).not.toBe(path);
  });

  test('a key finds an upload again whose first bytes were refused', async () => {
    const token = await world.addUser();
    const bytes = randomBytes(1000);
    const ask = {
      token,
      body: bytes,
      headers: {
        'idempotency-key': randomUUID(),
        'upload-length': '1000',
        'content-type': 'application/offset+octet-stream',
        'upload-checksum': `sha1 ${base64('not the right one...')}`,
      },
    };
    expect((await world.tus('POST', '/uploads', ask)).status).toBe(460);
    const again = await world.tus('POST', '/uploads', ask);
    expect([again.status, again.headers['upload-offset']]).toEqual([201, '0']);
    const last = await world.patch(again.headers.location!, 0, bytes, { token });
    expect(last.headers['orbitvids-video-id']).toBeDefined();
  });

  test('an upload in several requests becomes a video that has every byte', async () => {
    const token = await world.addUser();
    const bytes = randomBytes(5 * MIB + 12_345);
    const metadata = `filename ${base64('übung.mp4')},filetype ${base64('video/mp4')},visibility ${base64('private')},relativePath`;
    const path = await world.create(bytes.length, { token, headers: { 'upload-metadata': metadata } });
    let head = await world.tus('HEAD', path, { token });
    expect(head.headers).toMatchObject({
      'upload-offset': '0',
      'upload-length': String(bytes.length),
      'upload-metadata': metadata,
      'tus-resumable': '1.0.0',
      'cache-control': 'no-store',
      'upload-expires': expect.stringMatching(/GMT$/),
    });
    const first = await world.patch(path, 0, bytes.subarray(0, 3 * MIB + 7), { token });
    expect([first.status, first.headers['upload-offset']]).toEqual([204, String(3 * MIB + 7)]);
    expect((await world.ask('GET', path, { token })).json).toMatchObject({
      state: 'open',
      offset: 3 * MIB + 7,
    });
    const last = await world.patch(path, 3 * MIB + 7, bytes.subarray(3 * MIB + 7), { token });
    expect([last.status, last.headers['upload-offset']]).toEqual([204, String(bytes.length)]);
    const id = last.headers['orbitvids-video-id']!;
    head = await world.tus('HEAD', path, { token });
    expect(head.headers).toMatchObject({ 'upload-offset': String(bytes.length), 'orbitvids-video-id': id });
    expect((await world.ask('GET', path, { token })).json).toMatchObject({
      state: 'complete',
      links: { video: `/api/v1/videos/${id}` },
    });
    const video = (await world.ask('GET', `/videos/${id}`, { token })).json;
    expect(video).toMatchObject({
      ownerId: token,
      filename: 'übung.mp4',
      title: 'übung',
      contentType: 'video/mp4',
      visibility: 'private',
      size: bytes.length,
      sha256: sha256(bytes),
    });
    expect((await world.download(id)).equals(bytes)).toBe(true);
    expect(await world.deadChunks()).toEqual([]);
  });

  test('a client learns what is spoken here', async () => {
    const { status, headers } = await world.ask('OPTIONS', '/uploads', { token: null });
    expect(status).toBe(204);
    expect(headers).toMatchObject({
      'tus-version': '1.0.0',
      'tus-max-size': String(UPLOAD_BYTES_MAX),
      'tus-checksum-algorithm': 'sha1,md5,sha256,sha512,crc32',
      'accept-patch': expect.stringContaining('application/partial-upload'),
    });
    for (const extension of [
      'creation',
      'creation-with-upload',
      'creation-defer-length',
      'expiration',
      'checksum',
      'termination',
      'concatenation',
    ]) {
      expect(headers['tus-extension']!.split(',')).toContain(extension);
    }
  });

  test('scripts of permitted origins may use all of it', async () => {
    const origin = 'https://videos.example';
    const preflight = await world.ask('OPTIONS', '/uploads/x', {
      token: null,
      headers: {
        origin,
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'tus-resumable,upload-offset',
      },
    });
    expect(preflight.headers['access-control-allow-origin']).toBe(origin);
    expect(preflight.headers['access-control-allow-methods']).toContain('PATCH');
    expect(preflight.headers['access-control-allow-headers']).toContain('upload-offset');
    const created = await world.tus('POST', '/uploads', { headers: { origin, 'upload-length': '5' } });
    expect(created.headers['access-control-expose-headers']).toContain('Upload-Offset');
    const foreign = await world.ask('OPTIONS', '/uploads', {
      token: null,
      headers: { origin: 'https://evil.example' },
    });
    expect(foreign.headers['access-control-allow-origin']).toBeUndefined();
  });

  test('bytes may come with the creation, and the length later', async () => {
    const bytes = randomBytes(MIB + 1);
    const created = await world.tus('POST', '/uploads', {
      body: bytes.subarray(0, 1000),
      headers: { 'upload-defer-length': '1', 'content-type': 'application/offset+octet-stream' },
    });
    expect([created.status, created.headers['upload-offset']]).toEqual([201, '1000']);
    const path = created.headers.location!;
    expect((await world.tus('HEAD', path)).headers['upload-defer-length']).toBe('1');
    await world.patch(path, 1000, bytes.subarray(1000, 5000));
    const last = await world.patch(path, 5000, bytes.subarray(5000), {
      headers: { 'upload-length': String(bytes.length) },
    });
    expect(last.status).toBe(204);
    expect((await world.download(last.headers['orbitvids-video-id']!)).equals(bytes)).toBe(true);
    const whole = await world.tus('POST', '/uploads', {
      body: bytes,
      headers: { 'upload-length': String(bytes.length), 'content-type': 'application/offset+octet-stream' },
    });
    expect(whole.headers['upload-offset']).toBe(String(bytes.length));
    expect((await world.download(whole.headers['orbitvids-video-id']!)).equals(bytes)).toBe(true);
  });

  test('what a request says about itself is checked', async () => {
    const path = await world.create(100);
    const type = { 'content-type': 'application/offset+octet-stream' };
    expect(await codeOf(world.patch(path, 1, Buffer.alloc(5)))).toEqual([409, 'upload_offset_mismatch']);
    expect(await codeOf(world.patch(path, 0, Buffer.alloc(101)))).toEqual([413, 'upload_too_long']);
    expect(
      await codeOf(world.patch(path, 0, Buffer.alloc(5), { headers: { 'content-type': 'video/mp4' } })),
    ).toEqual([415, 'unsupported_media_type']);
    expect(
      await codeOf(world.patch(path, 0, Buffer.alloc(5), { headers: { 'upload-offset': '-1' } })),
    ).toEqual([400, 'invalid_request']);
    expect(await codeOf(world.tus('PATCH', path, { body: Buffer.alloc(5), headers: type }))).toEqual([
      400,
      'invalid_request',
    ]);
    expect(
      await codeOf(world.patch(path, 0, Buffer.alloc(5), { headers: { 'upload-length': '99' } })),
    ).toEqual([400, 'upload_length_changed']);
    const version = await world.ask('HEAD', path, { headers: { 'tus-resumable': '0.2.2' } });
    expect([version.status, version.headers['tus-version']]).toEqual([412, '1.0.0']);
    expect(await codeOf(world.ask('POST', '/uploads', {}))).toEqual([412, 'tus_version_unsupported']);
    expect(await codeOf(world.ask('PATCH', path, { body: Buffer.alloc(5), headers: type }))).toEqual([
      412,
      'tus_version_unsupported',
    ]);
    expect(await codeOf(world.ask('PATCH', path, { body: Buffer.alloc(5) }))).toEqual([
      415,
      'unsupported_media_type',
    ]);
    for (const headers of [
      {},
      { 'upload-length': '5', 'upload-defer-length': '1' },
      { 'upload-length': 'five' },
      { 'upload-defer-length': '2' },
      { 'upload-length': '5', 'upload-metadata': 'filename *' },
      { 'upload-length': '5', 'upload-metadata': `title ${base64('a')},title ${base64('b')}` },
      { 'upload-length': '5', 'upload-metadata': `visibility ${base64('secret')}` },
      { 'upload-length': '5', 'upload-concat': 'whole' },
    ] as Record<string, string>[]) {
      expect([headers, ...(await codeOf(world.tus('POST', '/uploads', { headers })))]).toEqual([
        headers,
        400,
        'invalid_request',
      ]);
    }
    expect(await codeOf(world.tus('POST', '/uploads', { headers: { 'upload-length': '0' } }))).toEqual([
      400,
      'empty_body',
    ]);
    expect(
      await codeOf(
        world.tus('POST', '/uploads', { headers: { 'upload-length': String(UPLOAD_BYTES_MAX + 1) } }),
      ),
    ).toEqual([413, 'body_too_large']);
    expect(await world.offset(path)).toBe(0);
  });

  test('an upload is there for its owner alone', async () => {
    const [owner, other] = [await world.addUser(), await world.addUser()];
    const path = await world.create(10, { token: owner });
    for (const method of ['HEAD', 'DELETE', 'GET']) {
      expect((await world.tus(method, path, { token: other })).status).toBe(404);
    }
    expect(await codeOf(world.patch(path, 0, Buffer.alloc(10), { token: other }))).toEqual([
      404,
      'upload_not_found',
    ]);
    expect((await world.tus('HEAD', path, { token: null })).status).toBe(401);
    expect((await world.tus('HEAD', `/uploads/${randomUUID()}`, { token: owner })).status).toBe(404);
    expect((await world.tus('HEAD', '/uploads/nonsense', { token: owner })).status).toBe(404);
    expect(await world.offset(path, { token: owner })).toBe(0);
    world.principals.set('viewer', {
      kind: 'user',
      userId: owner,
      role: 'viewer',
      sessionId: null,
      scopes: null,
      generation: 1,
    });
    expect((await world.tus('HEAD', path, { token: 'viewer' })).status).toBe(403);
  });

  test('a complete upload takes nothing more', async () => {
    const path = await world.create(10);
    await world.patch(path, 0, Buffer.alloc(10, 'x'));
    expect(await codeOf(world.patch(path, 10, Buffer.alloc(1)))).toEqual([409, 'upload_completed']);
    expect((await world.patch(path, 10, Buffer.alloc(0))).status).toBe(204);
    expect(await codeOf(world.patch(path, 0, Buffer.alloc(10)))).toEqual([409, 'upload_offset_mismatch']);
    const { 'orbitvids-video-id': id } = (await world.tus('HEAD', path)).headers;
    // Its end is not that of the video.
    expect((await world.tus('DELETE', path)).status).toBe(204);
    expect((await world.tus('HEAD', path)).status).toBe(404);
    expect((await world.download(id!)).toString()).toBe('x'.repeat(10));
  });

  test('more than was said, without saying how much, ends the upload', async () => {
    const path = await world.create(1000);
    const chunked = await world.patch(path, 0, randomBytes(1001), { isChunked: true }).catch(() => undefined);
    expect(chunked?.json?.code ?? 'upload_too_long').toBe('upload_too_long');
    expect((await world.tus('HEAD', path)).status).toBe(404);
  });

  test('what does not have its checksum is not kept, and what has it is', async () => {
    const bytes = randomBytes(5 * MIB);
    const path = await world.create(bytes.length);
    const sumOf = (algorithm: string, part: Buffer) => {
      if (algorithm !== 'crc32') return createHash(algorithm).update(part).digest('base64');
      const sum = Buffer.alloc(4);
      sum.writeUInt32BE(crc32(part));
      return sum.toString('base64');
    };
    let offset = 0;
    for (const algorithm of ['sha1', 'md5', 'sha256', 'sha512', 'crc32']) {
      const part = bytes.subarray(offset, offset + MIB);
      const sum = sumOf(algorithm, part);
      const before = world.storedChunks().size;
      const wrong = await world.patch(path, offset, randomBytes(MIB), {
        headers: { 'upload-checksum': `${algorithm} ${sum}` },
      });
      expect([wrong.status, wrong.json.code]).toEqual([460, 'checksum_mismatch']);
      expect(await world.offset(path)).toBe(offset);
      await expect.poll(() => world.storedChunks().size, PATIENT).toBe(before);
      const right = await world.patch(path, offset, part, {
        headers: { 'upload-checksum': `${algorithm} ${sum}` },
      });
      expect(right.status).toBe(204);
      offset += MIB;
    }
    const id = (await world.tus('HEAD', path)).headers['orbitvids-video-id']!;
    expect((await world.ask('GET', `/videos/${id}`)).json.sha256).toBe(sha256(bytes));
    expect((await world.download(id)).equals(bytes)).toBe(true);
    for (const header of ['sha3 AAAA', 'sha1 AAAA', 'sha1']) {
      const refused = world.patch(await world.create(5), 0, Buffer.alloc(5), {
        headers: { 'upload-checksum': header },
      });
      expect(await codeOf(refused)).toEqual([400, 'checksum_unsupported']);
    }
  });

  test('an upload that is given up leaves nothing', async () => {
    const before = world.storedChunks().size;
    const token = await world.addUser({ bytes: 3 * MIB });
    const path = await world.create(3 * MIB, { token });
    await world.patch(path, 0, randomBytes(MIB), { token });
    expect(
      (await world.tus('POST', '/uploads', { token, headers: { 'upload-length': '1' } })).json.code,
    ).toBe('quota_exceeded');
    expect((await world.tus('DELETE', path, { token })).status).toBe(204);
    expect((await world.tus('HEAD', path, { token })).status).toBe(404);
    await expect.poll(() => world.storedChunks().size, PATIENT).toBe(before);
    expect((await world.tus('POST', '/uploads', { token, headers: { 'upload-length': '1' } })).status).toBe(
      201,
    );
  });

  test('methods may be said in a header', async () => {
    const path = await world.create(5);
    const over = (method: string, options: Parameters<UploadWorld['tus']>[2] = {}) =>
      world.tus('POST', path, {
        ...options,
        headers: { 'x-http-method-override': method, ...options.headers },
      });
    const type = { 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' };
    expect((await over('PATCH', { body: Buffer.from('hel'), headers: type })).headers['upload-offset']).toBe(
      '3',
    );
    expect((await over('HEAD')).headers['upload-offset']).toBe('3');
    expect((await over('DELETE')).status).toBe(204);
    expect((await world.tus('POST', path)).status).toBe(400);
    expect((await world.tus('POST', '/uploads/something')).status).toBe(404);
  });

  test('parts become one upload without their bytes being copied', async () => {
    const token = await world.addUser({ videos: 1, bytes: 7 * MIB });
    const bytes = randomBytes(7 * MIB);
    const partial = async (from: number, to: number) => {
      const path = await world.create(to - from, { token, headers: { 'upload-concat': 'partial' } });
      return { path, send: () => world.patch(path, 0, bytes.subarray(from, to), { token }) };
    };
    const parts = [
      await partial(0, 3 * MIB),
      await partial(3 * MIB, 3 * MIB + 5),
      await partial(3 * MIB + 5, 7 * MIB),
    ];
    const final = () => {
      const concat = `final;${parts.map(({ path }, index) => (index === 1 ? `http://example.org${path}` : path)).join(' ')}`;
      const headers = { 'upload-concat': concat, 'upload-metadata': `filename ${base64('a.mp4')}` };
      return world.tus('POST', '/uploads', { token, headers });
    };
    await parts[0]!.send();
    await parts[2]!.send();
    expect(await codeOf(final())).toEqual([409, 'upload_incomplete']);
    expect((await parts[1]!.send()).headers['orbitvids-video-id']).toBeUndefined();
    expect((await world.tus('HEAD', parts[0]!.path, { token })).headers['upload-concat']).toBe('partial');
    const chunks = world.storedChunks();
    const made = await final();
    expect([made.status, made.headers['upload-offset']]).toEqual([201, String(bytes.length)]);
    const id = made.headers['orbitvids-video-id']!;
    expect((await world.download(id).catch(() => Buffer.alloc(0))).equals(bytes)).toBe(true);
    const added = [...world.storedChunks()].filter((chunk) => !chunks.has(chunk));
    expect(added).toEqual([expect.stringMatching(/-r/)]);
    expect(await world.deadChunks()).toEqual([]);
    const head = await world.tus('HEAD', made.headers.location!, { token });
    expect(head.headers).toMatchObject({
      'upload-length': String(bytes.length),
      'upload-concat': expect.stringMatching(/^final;/),
    });
    expect(
      await codeOf(world.patch(made.headers.location!, bytes.length, Buffer.alloc(1), { token })),
    ).toEqual([403, 'upload_final']);
    // An answer that got lost is asked for again.
    expect((await final()).headers.location).toBe(made.headers.location);
    expect(await codeOf(world.patch(parts[0]!.path, 3 * MIB, Buffer.alloc(1), { token }))).toEqual([
      409,
      'upload_joined',
    ]);
    const other = world.tus('POST', '/uploads', {
      token,
      headers: { 'upload-concat': `final;${parts[0]!.path}` },
    });
    expect(await codeOf(other)).toEqual([409, 'upload_joined']);
    const foreign = world.tus('POST', '/uploads', {
      headers: { 'upload-concat': `final;${parts[0]!.path}` },
    });
    expect(await codeOf(foreign)).toEqual([404, 'upload_not_found']);
    const usage = await world.database.kysely
      .selectFrom('owner_usage')
      .selectAll()
      .where('owner_id', '=', token)
      .executeTakeFirstOrThrow();
    expect(usage).toMatchObject({ bytes: bytes.length, videos: 1, reserved_bytes: 0, reserved_videos: 0 });
    // All of the video can be deleted.
    await world.ask('DELETE', `/videos/${id}`, { token });
    expect((await world.tus('HEAD', made.headers.location!, { token })).status).toBe(404);
    expect((await world.deadChunks()).length).toBe(
      world.storedChunks().size - (await world.objects.aliveAmong([...world.storedChunks()])).size,
    );
  });

  test('a quota that is crossed on the way ends the request, and what came before can be given up', async () => {
    const token = await world.addUser({ bytes: 3 * MIB });
    const path = await world.create(undefined, { token });
    const announced = world.patch(path, 0, randomBytes(6 * MIB), { token });
    expect(await codeOf(announced).catch(() => [413, 'quota_exceeded'])).toEqual([413, 'quota_exceeded']);
    expect(await world.offset(path, { token })).toBe(0);
    const crossed = world.patch(path, 0, randomBytes(6 * MIB), { token, isChunked: true });
    expect(await codeOf(crossed).catch(() => [413, 'quota_exceeded'])).toEqual([413, 'quota_exceeded']);
    expect(await world.offset(path, { token })).toBeLessThanOrEqual(3 * MIB);
    expect((await world.ask('GET', '/videos?owner=me', { token })).json.items).toEqual([]);
    await world.tus('DELETE', path, { token });
    const usage = await world.database.kysely
      .selectFrom('owner_usage')
      .selectAll()
      .where('owner_id', '=', token)
      .executeTakeFirstOrThrow();
    expect(usage).toMatchObject({ bytes: 0, reserved_bytes: 0, reserved_videos: 0 });
  });

  test('many tiny requests do not make many chunks', async () => {
    const bytes = randomBytes(300_000);
    const path = await world.create(bytes.length);
    const before = world.storedChunks().size;
    for (let offset = 0; offset < bytes.length; offset += 10_000) {
      expect((await world.patch(path, offset, bytes.subarray(offset, offset + 10_000))).status).toBe(204);
    }
    const id = (await world.tus('HEAD', path)).headers['orbitvids-video-id']!;
    expect((await world.download(id)).equals(bytes)).toBe(true);
    expect((await world.ask('GET', `/videos/${id}`)).json.sha256).toBe(sha256(bytes));
    // And one of the record.
    await expect
      .poll(() => world.storedChunks().size - before, PATIENT)
      .toBeLessThanOrEqual(Math.ceil(bytes.length / 65_536) + 1);
  });
});
