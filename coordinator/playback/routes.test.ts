import { createHash, randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { verifyTarget } from '../../lib/signing/signed-url.ts';
import type { Rendition } from '../renditions/rendition.ts';
import type { Attachment } from '../videos/attachment.ts';
import type { Video } from '../videos/video-repository.ts';
import {
  AUDIO_MEDIA,
  manifestOf,
  noise,
  pieceOf,
  recipesOf,
  renditionOf,
} from './test-support/made-renditions.ts';
import { PlaybackServer, TOKEN } from './test-support/playback-server.ts';

const BYTES = noise(300_000);
const LENGTHS = [100_000, 150_000, 50_000];
const IMMUTABLE = 'public, max-age=31536000, immutable, no-transform';

describe.each([
  ['direct routes', true],
  ['routes of the app', false],
])('by %s', (_, direct) => {
  let server: PlaybackServer;
  let video: Video;
  let made: Rendition;
  beforeAll(async () => {
    server = await PlaybackServer.open({ direct });
  });
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(() => {
    server.monotonicMs += 3_600_000;
    video = server.video();
    made = renditionOf({ videoId: video.id });
    server.add(made, pieceOf({ lengths: LENGTHS, object: server.stored(BYTES, [100_000, 220_000]) }));
  });
  const of = (path: string) => `/videos/${video.id}/${path}`;
  const segment = (number: number, query = '') => of(`hls/${made.id}/${number}.m4s${query}`);

  test('playlists lead to what goes before the segments, and to these', async () => {
    const master = await server.get(of('hls/master.m3u8'));
    expect(master.status).toBe(200);
    expect(master.headers.get('content-type')).toBe('application/vnd.apple.mpegurl');
    expect(master.headers.get('cache-control')).toBe('public, max-age=0, must-revalidate, no-transform');
    expect(master.headers.get('access-control-allow-origin')).toBe('*');
    expect(master.text).toContain(`\n${made.id}/index.m3u8\n`);
    const media = await server.get(of(`hls/${made.id}/index.m3u8`));
    expect(media.headers.get('content-type')).toBe('application/vnd.apple.mpegurl');
    expect(media.text).toContain('#EXT-X-MAP:URI="init-0.mp4"\n#EXTINF:4.000000,\n0.m4s\n');
    for (const { headers, body } of [master, media]) {
      expect(headers.get('content-length')).toBe(String(body.length));
    }
    for (const path of ['hls/master.m3u8', `hls/${made.id}/index.m3u8`]) {
      const { headers } = await server.get(of(path), {}, 'HEAD');
      const etag = headers.get('etag')!;
      expect((await server.get(of(path), { 'if-none-match': etag })).status).toBe(304);
      const other = await server.get(of(`${path}?delivery=redirect`), { 'if-none-match': etag });
      expect([other.status, other.text.includes('?delivery=redirect')]).toEqual([200, true]);
    }
    const init = await server.get(of(`hls/${made.id}/init-0.mp4`));
    expect([init.text, init.headers.get('content-type'), init.headers.get('cache-control')]).toEqual([
      'init',
      'video/mp4',
      IMMUTABLE,
    ]);
  });

  test('segments are ranges of what is stored, in one chunk or several', async () => {
    let offset = 0;
    for (const [number, length] of LENGTHS.entries()) {
      const { status, headers, body } = await server.get(segment(number));
      expect(status).toBe(200);
      expect(body.equals(BYTES.subarray(offset, offset + length))).toBe(true);
      expect(Object.fromEntries(headers)).toMatchObject({
        ...{ 'content-type': 'video/mp4', 'content-length': String(length), 'cache-control': IMMUTABLE },
        ...{ 'accept-ranges': 'bytes', etag: `"${made.id}/${number}"`, 'access-control-allow-origin': '*' },
      });
      expect(headers.has('content-disposition')).toBe(false);
      const part = await server.get(segment(number), { range: 'bytes=10-19' });
      expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 10-19/${length}`]);
      expect(part.body.equals(BYTES.subarray(offset + 10, offset + 20))).toBe(true);
      const head = await server.get(segment(number), {}, 'HEAD');
      expect([head.status, head.headers.get('content-length'), head.body.length]).toEqual([
        200,
        String(length),
        0,
      ]);
      const again = await server.get(segment(number), { 'if-none-match': headers.get('etag')! });
      expect(again.status).toBe(304);
      offset += length;
    }
    expect((await server.get(segment(0), { range: 'bytes=100000-' })).status).toBe(416);
    expect(server.store.openReadings).toBe(0);
  });

  test('segments that are made of the source are sent as if they were stored', async () => {
    const source = noise(400_000);
    const film = server.video({}, source);
    const segments = [
      {
        header: noise(50),
        ranges: [
          { offset: 1000, length: 20_000 },
          { offset: 30_000, length: 5000 },
        ],
      },
      {
        header: noise(60),
        ranges: [
          { offset: 300_000, length: 100_000 },
          { offset: 0, length: 10 },
        ],
      },
      // More recipes than one page has.
      ...Array.from({ length: 40 }, (_, index) => ({
        header: noise(5000),
        ranges: [{ offset: index, length: 7 }],
      })),
    ];
    const { bytes, lengths, made: expected } = recipesOf(source, segments);
    const rendition = renditionOf({ videoId: film.id, origin: 'virtual' });
    const servedLengths = expected.map(({ length }) => length);
    server.add(rendition, pieceOf({ lengths, servedLengths, object: server.stored(bytes) }));
    const reads = server.store.reads;
    for (const [number, whole] of expected.entries()) {
      const path = `/videos/${film.id}/hls/${rendition.id}/${number}.m4s?delivery=redirect`;
      const { status, headers, body } = await server.get(path);
      expect([status, headers.get('content-length')]).toEqual([200, String(whole.length)]);
      expect(headers.get('cache-control')).toBe(IMMUTABLE);
      expect(body.equals(whole)).toBe(true);
      const part = await server.get(path, { range: 'bytes=40-5040' });
      expect(part.body.equals(whole.subarray(40, 5041))).toBe(true);
      expect((await server.get(path, { range: 'bytes=0-9' })).body.equals(whole.subarray(0, 10))).toBe(true);
    }
    const master = await server.get(`/videos/${film.id}/hls/master.m3u8`);
    expect(master.text).toMatch(/BANDWIDTH=\d+/);
    // Two or three readings a segment, and few for all recipes.
    expect(server.store.reads - reads).toBeLessThan(expected.length * 2 + 20);
  });

  test('a recipe that does not fit its source, or its length, is an error and not a body', async () => {
    const source = noise(1000);
    const film = server.video({}, source);
    const { bytes, lengths } = recipesOf(noise(9000), [
      { header: noise(5), ranges: [{ offset: 5000, length: 100 }] },
      { header: noise(5), ranges: [{ offset: 0, length: 100 }] },
    ]);
    const rendition = renditionOf({ videoId: film.id, origin: 'virtual' });
    server.add(rendition, pieceOf({ lengths, servedLengths: [105, 106], object: server.stored(bytes) }));
    for (const number of [0, 1]) {
      const { status, text } = await server.get(`/videos/${film.id}/hls/${rendition.id}/${number}.m4s`);
      expect([status, JSON.parse(text).code]).toEqual([500, 'internal']);
    }
  });

  test('what is not there is not found, whatever it looks like', async () => {
    const draft = renditionOf({ videoId: video.id, isReady: false });
    server.add(draft, pieceOf({ lengths: LENGTHS, object: manifestOf(300_000) }));
    const paths = [
      ...['3.m4s', '999999.m4s', 'init-1.mp4', 'index.m3u8x', '-1.m4s', '0.m4s.mp4'].map(
        (file) => `hls/${made.id}/${file}`,
      ),
      ...[`hls/${draft.id}/index.m3u8`, `hls/${draft.id}/0.m4s`, `hls/${uuidv7()}/index.m3u8`],
      ...['hls/captions/en.vtt/index.m3u8', 'hls/captions/en.vtt/captions.vtt', 'hls/x', 'hls/%2e%2e/x'],
      ...['poster.jpg', 'storyboard.vtt', 'storyboard-1.jpg', 'preview.webp'],
    ];
    for (const path of paths) {
      const { status, text } = await server.get(of(path));
      expect([path, status, text]).toEqual([path, 404, expect.stringMatching(/"(rendition_)?not_found"/)]);
    }
    const unknown = await server.get(`/videos/${uuidv7()}/hls/master.m3u8`);
    expect([unknown.status, JSON.parse(unknown.text).code]).toEqual([404, 'video_not_found']);
    const bare = server.video();
    const lists = server.lists;
    for (const _ of [1, 2, 3])
      expect((await server.get(`/videos/${bare.id}/hls/master.m3u8`)).status).toBe(404);
    expect(server.lists).toBe(lists + 1);
    const odd = await server.get(of('hls/master.m3u8?delivery=pigeon'));
    expect([odd.status, odd.text]).toEqual([400, expect.stringContaining('delivery')]);
    // Of another video.
    expect((await server.get(`/videos/${bare.id}/hls/${made.id}/0.m4s`)).status).toBe(404);
  });

  test('a change is seen once it is announced', async () => {
    expect((await server.get(of('hls/master.m3u8'))).text).not.toContain('AUDIO');
    const sound = renditionOf({ videoId: video.id, media: AUDIO_MEDIA });
    server.add(sound, pieceOf({ lengths: [5], object: server.stored(Buffer.from('sound')) }));
    const lists = server.lists;
    expect((await server.get(of('hls/master.m3u8'))).text).not.toContain('AUDIO');
    expect(server.lists).toBe(lists);
    server.catalog.invalidate(video.id);
    expect((await server.get(of('hls/master.m3u8'))).text).toContain(`URI="${sound.id}/index.m3u8"`);
  });

  test('pictures are sent under their names; an attached poster goes before the one that was made', async () => {
    const put = (name: string, contentType: string, text: string) =>
      server.pictures.push({
        ...{ videoId: video.id, name, contentType, width: null, height: null, createdAt: new Date() },
        object: server.stored(Buffer.from(text)),
      });
    put('poster.jpg', 'image/jpeg', 'made');
    put('storyboard.vtt', 'text/vtt', 'WEBVTT');
    put('storyboard-12.jpg', 'image/jpeg', 'sheet');
    put('preview.webp', 'image/webp', 'preview');
    for (const { name, contentType } of server.pictures.filter(({ videoId }) => videoId === video.id)) {
      const { status, headers, body } = await server.get(of(name));
      expect([name, status, headers.get('content-type')]).toEqual([name, 200, contentType]);
      expect(headers.get('cache-control')).toContain('must-revalidate');
      expect(headers.get('content-length')).toBe(String(body.length));
      expect((await server.get(of(name), { 'if-none-match': headers.get('etag')! })).status).toBe(304);
    }
    expect((await server.get(of('poster.jpg'))).text).toBe('made');
    const own = attachmentOf(server, 'a.png', 'poster', 'image/png', 'attached');
    server.video({ id: video.id }, Buffer.from('v'), [own]);
    const { text, headers } = await server.get(of('poster.jpg'));
    expect([text, headers.get('content-type')]).toEqual(['attached', 'image/png']);
  });

  test('captions have a playlist as long as the title', async () => {
    const captions = attachmentOf(server, 'en.vtt', 'captions', 'text/vtt; charset=utf-8', 'WEBVTT\n');
    const paper = attachmentOf(server, 'paper.pdf', 'document', 'application/pdf', '%PDF');
    server.video({ id: video.id }, Buffer.from('v'), [captions, paper]);
    expect((await server.get(of('hls/master.m3u8'))).text).toContain('URI="captions/en.vtt/index.m3u8"');
    const { text, headers } = await server.get(of('hls/captions/en.vtt/index.m3u8'));
    expect(text).toContain('#EXTINF:12.000000,\ncaptions.vtt\n');
    expect(headers.get('content-type')).toBe('application/vnd.apple.mpegurl');
    const file = await server.get(of('hls/captions/en.vtt/captions.vtt'));
    expect([file.text, file.headers.get('content-type')]).toEqual(['WEBVTT\n', 'text/vtt; charset=utf-8']);
    for (const name of ['paper.pdf', 'de.vtt'])
      expect((await server.get(of(`hls/captions/${name}/index.m3u8`))).status).toBe(404);
    expect((await server.get(of('hls/captions/paper.pdf/captions.vtt'))).status).toBe(404);
  });

  test('private videos are there for those who may read them, and are cached by nobody else', async () => {
    server.video({ id: video.id, visibility: 'private' });
    for (const path of [
      'hls/master.m3u8',
      `hls/${made.id}/0.m4s`,
      `hls/${made.id}/99.m4s`,
      'poster.jpg',
      'hls/x.m3u8',
    ]) {
      const { status, text } = await server.get(of(path));
      expect([path, status, text]).toEqual([path, 404, expect.stringContaining('not_found')]);
      if (path !== 'hls/x.m3u8') expect(text).toContain('video_not_found');
    }
    const authorization = `Bearer ${TOKEN}`;
    const { status, headers } = await server.get(segment(0), { authorization });
    expect([status, headers.get('cache-control')]).toEqual([200, IMMUTABLE.replace('public', 'private')]);
    expect((await server.get(of('hls/master.m3u8'), { authorization: 'Bearer wrong' })).status).toBe(401);
  });

  test('bytes that cannot be had are 503, and the video is looked at again', async () => {
    server.store.chunks.clear();
    const { status, headers, text } = await server.get(segment(0));
    expect([status, JSON.parse(text).code]).toEqual([503, 'chunk_unavailable']);
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(server.rechecked).toContain(video.id);
  });

  describe('with delivery=redirect', () => {
    const redirected = (number: number, address = '1.2.3.4', headers: Record<string, string> = {}) =>
      server.get(segment(number, '?delivery=redirect'), { 'x-forwarded-for': address, ...headers });

    test('a segment in one chunk is at a node, under an address that is good for a while', async () => {
      const { status, headers, body } = await redirected(0);
      expect([status, body.length]).toEqual([307, 0]);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('access-control-allow-origin')).toBe('*');
      const location = headers.get('location')!;
      const { origin, pathname } = new URL(location);
      expect(pathname).toMatch(/^\/slices\/[0-9a-f]{8}\/[0-9a-f-]+\/0-99999\.m4s$/);
      const nowS = server.nowMs / 1000;
      const target = location.slice(origin.length);
      expect(verifyTarget([server.key], 'GET', target, nowS + 59)).toMatchObject({ ok: true });
      expect(verifyTarget([server.key], 'GET', target, nowS + 121)).toMatchObject({ reason: 'expired' });
      // The third lies in the last chunk, behind the end of the second segment.
      expect((await redirected(2)).headers.get('location')).toContain('/30000-79999.m4s');
      expect((await server.get(segment(0, '?delivery=redirect'), {}, 'HEAD')).status).toBe(307);
    });

    test('a segment in several chunks comes from here, and so do those who do not ask', async () => {
      expect((await redirected(1)).status).toBe(200);
      expect((await server.get(segment(0))).status).toBe(200);
      expect((await server.get(segment(0, '?delivery=proxy'))).status).toBe(200);
    });

    test('who comes again is sent to another owner, and then gets it here', async () => {
      const first = await redirected(0);
      const second = await redirected(0);
      const hosts = [first, second].map(({ headers }) => new URL(headers.get('location')!).host);
      expect(new Set(hosts).size).toBe(2);
      expect((await redirected(0)).status).toBe(200);
      expect((await redirected(2)).status).toBe(307);
      expect((await redirected(0, '5.6.7.8')).status).toBe(307);
      server.monotonicMs += 31_000;
      expect((await redirected(0)).status).toBe(307);
    });

    test('viewers behind one address are told apart by what they show', async () => {
      const first = { 'user-agent': 'a browser' };
      const second = { 'user-agent': 'another browser' };
      const signedIn = { ...first, authorization: `Bearer ${TOKEN}` };
      const statuses: number[] = [];
      for (const headers of [first, second, signedIn, first, second, signedIn]) {
        statuses.push((await redirected(0, '1.2.3.4', headers)).status);
      }
      expect(statuses).toEqual([307, 307, 307, 307, 307, 307]);
      expect((await redirected(0, '1.2.3.4', second)).status).toBe(200);
      const issue = async () => {
        server.nowMs += 1000;
        const response = await fetch(`${server.url}/videos/${video.id}/playback-url`, {
          ...{ method: 'POST', body: '{}' },
          headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        });
        const { hls } = (await response.json()) as { hls: string };
        return `${hls.replace('master.m3u8', `${made.id}/0.m4s`)}?delivery=redirect`;
      };
      const grants = [await issue(), await issue(), await issue()];
      for (const path of [...grants, ...grants]) {
        expect((await server.get(path, { 'x-forwarded-for': '1.2.3.4', ...first })).status).toBe(307);
      }
      for (const path of grants) {
        expect((await server.get(path, { 'x-forwarded-for': '1.2.3.4', ...first })).status).toBe(200);
      }
    });

    test('only owners that are up are named, by their addresses for clients; without any it comes from here', async () => {
      server.nodes.health.set('n1', 'suspect').set('n2', 'down');
      const { headers } = await redirected(0);
      expect(headers.get('location')).toMatch(/^https:\/\/public\.example\/slices\//);
      expect((await redirected(0)).status).toBe(200);
      server.nodes.health.set('n0', 'down');
      expect((await redirected(0, '9.9.9.9')).status).toBe(200);
      server.nodes.health.clear();
    });
  });

  describe('addresses with a grant in the path', () => {
    const issue = async (body: object = {}) => {
      const response = await fetch(`${server.url}/videos/${video.id}/playback-url`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      });
      expect(response.status).toBe(200);
      expect(response.headers.get('cache-control')).toBe('no-store');
      return (await response.json()) as Record<'url' | 'hls' | 'poster' | 'expiresAt', string>;
    };
    beforeEach(() => void server.video({ id: video.id, visibility: 'private' }));

    test('open all of a private video, and what relative addresses lead to', async () => {
      const { url, hls, poster, expiresAt } = await issue({ expiresInS: 60 });
      expect(url).toContain(`/videos/${video.id}/content?x-grant=`);
      expect(poster).toBeNull();
      expect(expiresAt).toBe(new Date(server.nowMs + 60_000).toISOString());
      const master = await server.get(hls);
      expect(master.status).toBe(200);
      const media = new URL(/^[\w-]+\/index\.m3u8$/m.exec(master.text)![0], `http://x${hls}`).pathname;
      expect((await server.get(media)).text).toContain('\n0.m4s\n');
      const first = await server.get(media.replace('index.m3u8', '0.m4s'));
      expect(first.body.equals(BYTES.subarray(0, 100_000))).toBe(true);
      expect(first.headers.get('cache-control')).toMatch(/^private/);
      expect((await server.get(media.replace('index.m3u8', 'init-0.mp4'))).status).toBe(200);
      expect((await server.get(hls.replace('hls/master.m3u8', 'poster.jpg'))).status).toBe(404);
      const redirecting = await issue({ delivery: 'redirect' });
      expect(redirecting.hls).toMatch(/\/hls\/master\.m3u8\?delivery=redirect$/);
      expect((await server.get(`${media.replace('index.m3u8', '0.m4s')}?delivery=redirect`)).status).toBe(
        307,
      );
    });

    test('are not written to the log', async () => {
      const { hls } = await issue();
      server.store.chunks.clear();
      const path = hls.replace('master.m3u8', `${made.id}/0.m4s`);
      expect((await server.get(path)).status).toBe(503);
      const line = server.logged.at(-1)!;
      expect(line).toContain(`/playback/-/${video.id}/hls/${made.id}/0.m4s`);
      expect(server.logged.join()).not.toContain(hls.split('/')[4]);
    });

    test('open nothing else, and nothing when they are altered, expired or revoked', async () => {
      const { hls } = await issue({ expiresInS: 60 });
      const grant = hls.split('/')[4]!;
      const other = server.video({ visibility: 'private' });
      server.add(
        renditionOf({ videoId: other.id }),
        pieceOf({ lengths: [5], object: server.stored(Buffer.from('other')) }),
      );
      const changed = `${grant.slice(0, -2)}${grant.endsWith('AA') ? 'BB' : 'AA'}`;
      for (const path of [
        hls.replace(video.id, other.id),
        hls.replace(video.id, video.id.toUpperCase()),
        hls.replace(grant, changed),
        hls.replace(grant, 'x'),
        hls.replace(grant, randomBytes(60).toString('base64url')),
        hls.replace('hls/master.m3u8', '%2e%2e/hls/master.m3u8'),
      ]) {
        expect([path, (await server.get(path)).status]).toEqual([path, 401]);
      }
      expect((await server.get(hls)).status).toBe(200);
      server.isRevoked = true;
      // An operator's grant belongs to no user who could be revoked.
      expect((await server.get(hls)).status).toBe(200);
      server.isRevoked = false;
      server.nowMs += 61_000;
      expect((await server.get(hls)).status).toBe(401);
    });
  });
});

test('where redirects are the rule, a request may ask for bytes', async () => {
  await using server = await PlaybackServer.open({ delivery: 'redirect' });
  const video = server.video();
  const made = renditionOf({ videoId: video.id });
  server.add(made, pieceOf({ lengths: [5], object: server.stored(Buffer.from('bytes')) }));
  const path = `/videos/${video.id}/hls/${made.id}/0.m4s`;
  expect((await server.get(path)).status).toBe(307);
  expect((await server.get(`${path}?delivery=proxy`)).text).toBe('bytes');
});

test('where nobody reads without an account, no shared cache keeps what is public', async () => {
  await using server = await PlaybackServer.open({ anonymousRead: false });
  const video = server.video();
  const made = renditionOf({ videoId: video.id });
  server.add(made, pieceOf({ lengths: [5], object: server.stored(Buffer.from('bytes')) }));
  for (const name of ['0.m4s', 'init-0.mp4']) {
    const path = `/videos/${video.id}/hls/${made.id}/${name}`;
    expect((await server.get(path)).status).toBe(401);
    const { status, headers } = await server.get(path, { authorization: `Bearer ${TOKEN}` });
    expect([status, headers.get('cache-control')]).toEqual([200, IMMUTABLE.replace('public', 'private')]);
  }
});

function attachmentOf(
  server: PlaybackServer,
  name: string,
  kind: Attachment['kind'],
  contentType: string,
  text: string,
): Attachment {
  const { objectId, size, chunks } = server.stored(Buffer.from(text));
  const sha256 = createHash('sha256').update(text).digest();
  return {
    ...{ objectId, size, chunks, name, kind, contentType, sha256 },
    ...{ language: null, label: null, createdAt: new Date(server.nowMs) },
  };
}
