import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ADMIN_TOKEN, Coordinators } from '../test-support/coordinators.ts';

const token = ADMIN_TOKEN;
let world: Coordinators;
beforeAll(async () => {
  world = await Coordinators.open({ engine: 'postgresql', count: 2 });
});
afterAll(() => world[Symbol.asyncDispose]());

const list = (query: string, at = 0) => world.ask('GET', `/movies?${query}`, { at });
const add = async (body: object) => (await world.ask('POST', '/movies', { token, body })).json;

describe('queries', () => {
  test('may contain whatever SQL and full-text search take for syntax', async () => {
    await add({ title: "Robert'); DROP TABLE movies;--" });
    for (const q of [
      "'; drop table movies; --",
      'robert & drop | !table:*',
      '"robert" <-> (drop',
      '%_\\',
      "a' or '1'='1",
      '\u0000',
      '!!! ((( &&& |||',
      '* : \\ " \'',
    ]) {
      const { status, text } = await list(`q=${encodeURIComponent(q)}`);
      expect(status, `${q}: ${text}`).toBe(200);
    }
    expect((await list('q=robert+drop')).json.items).toHaveLength(1);
    expect((await list(`q=${'x'.repeat(201)}`)).json.code).toBe('invalid_request');
  });

  test('in any script find what was written in it', async () => {
    for (const title of [
      '千と千尋の神隠し',
      'مرحبا بالعالم',
      'שלום עולם',
      '🎬🍿',
      'Ёлки',
      'İstanbul ÇAĞRI',
      'Straße',
    ]) {
      await add({ title });
      const { json } = await list(`q=${encodeURIComponent(title)}`);
      expect(json.items[0]?.title).toBe(title);
    }
    const first = async (q: string) => (await list(`q=${encodeURIComponent(q)}`)).json.items[0]?.title;
    expect(await first('千尋')).toBe('千と千尋の神隠し');
    expect(await first('strasse')).toBe('Straße');
    expect(await first('cagri')).toBe('İstanbul ÇAĞRI');
  });

  test.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['minScore=eleven', 'minScore'],
    ['sort=random', 'sort'],
    ['colour=red', 'colour'],
    ['q=a&q=b', 'q'],
    ['cursor=AAAA', 'cursor'],
  ])('that are wrong name the field: %s', async (query, field) => {
    const { status, json } = await list(query);
    expect(status).toBe(400);
    expect(json.errors[0].field).toBe(field);
  });
});

describe('cursors', () => {
  beforeAll(async () => {
    for (let index = 0; index < 12; index++) {
      await add({ title: `Page ${index % 3}`, genres: ['Paged'], score: index % 4, popularity: index % 2 });
    }
  });
  const walk = async (query: string, between: () => Promise<unknown> = async () => {}) => {
    const ids: string[] = [];
    let cursor = '';
    do {
      const { json, text } = await list(`${query}&limit=5${cursor}`);
      expect(json.items, text).toBeDefined();
      ids.push(...json.items.map(({ id }: { id: string }) => id));
      cursor = json.nextCursor === null ? '' : `&cursor=${json.nextCursor}`;
      await between();
    } while (cursor !== '');
    return ids;
  };

  test.each(['popularity', 'score', 'title', 'year', 'newest'])(
    'go through everything once by %s',
    async (sort) => {
      expect(new Set(await walk(`genre=paged&sort=${sort}`)).size).toBe(12);
      expect(await walk(`genre=paged&sort=${sort}`)).toHaveLength(12);
      expect(new Set(await walk(`q=page&genre=PAGED&sort=${sort}`)).size).toBe(12);
    },
  );

  test('stay where they are when movies are added', async () => {
    const before = await walk('genre=paged&q=page');
    const added: string[] = [];
    const during = await walk('genre=paged&q=page', async () => {
      added.push((await add({ title: 'Page', genres: ['paged'], popularity: 100 })).id);
    });
    expect(during.filter((id) => !added.includes(id))).toEqual(before);
    expect(new Set(during).size).toBe(during.length);
    for (const id of added) await world.ask('DELETE', `/movies/${id}`, { token });
  });

  test('that were altered, or are of another list, are refused', async () => {
    const { nextCursor } = (await list('genre=paged&limit=5')).json;
    expect((await list(`genre=paged&limit=7&cursor=${nextCursor}`)).status).toBe(200);
    const bytes = Buffer.from(nextCursor, 'base64url');
    for (const at of [0, 12, 20, bytes.length - 1]) {
      const altered = Buffer.from(bytes);
      altered[at]! ^= 1;
      expect((await list(`genre=paged&cursor=${altered.toString('base64url')}`)).status).toBe(400);
    }
    for (const text of [`${nextCursor}A`, nextCursor.slice(0, -4), `%00${nextCursor}`, 'null']) {
      expect((await list(`genre=paged&cursor=${text}`)).status).toBe(400);
    }
    expect((await list(`cursor=${nextCursor}`)).json.errors[0].field).toBe('cursor');
    expect((await list(`genre=paged&sort=title&cursor=${nextCursor}`)).status).toBe(400);
  });
});

describe('bodies', () => {
  test.each([
    [{}, 'title'],
    [{ title: ' ' }, 'title'],
    [{ title: 5 }, 'title'],
    [{ title: 'x\u0000y' }, 'title'],
    [{ title: 'x'.repeat(501) }, 'title'],
    [{ title: 'T', score: 10.1 }, 'score'],
    [{ title: 'T', score: '9' }, 'score'],
    [{ title: 'T', popularity: -1 }, 'popularity'],
    [{ title: 'T', year: 1999.5 }, 'year'],
    [{ title: 'T', poster: 'javascript:alert(1)' }, 'poster'],
    [{ title: 'T', poster: 'http://x/\u0000' }, 'poster'],
    [{ title: 'T', genres: 'Drama' }, 'genres'],
    [{ title: 'T', videoId: '00000000-0000-7000-8000-000000000000' }, 'videoId'],
    [{ title: 'T', id: 'x' }, 'id'],
  ])('that are wrong name the field: %j', async (body, field) => {
    const { status, json } = await world.ask('POST', '/movies', { token, body });
    expect(status).toBe(400);
    expect(json.errors[0].field).toBe(field);
  });

  test('have a limit', async () => {
    const body = { title: 'x'.repeat(1024 * 1024) };
    expect((await world.ask('POST', '/movies', { token, body })).json.code).toBe('body_too_large');
  });
});

describe('several coordinators', () => {
  test('show what one of them has changed, and of conflicting edits one wins', async () => {
    const movie = await add({ title: 'Shared between two' });
    const path = `/movies/${movie.id}`;
    const seen = (title: string) =>
      vi.waitFor(async () => {
        expect((await world.ask('GET', path, { at: 1 })).json.title).toBe(title);
        const found = await list(`q=${encodeURIComponent(title)}&sort=newest`, 1);
        expect(found.json.items.map(({ id }: { id: string }) => id)).toContain(movie.id);
      });
    await seen('Shared between two');
    const edits = await Promise.all(
      [0, 1].map((at) =>
        world.ask('PATCH', path, {
          token,
          at,
          body: { title: `Edited at ${at}` },
          headers: { 'if-match': '"v1"' },
        }),
      ),
    );
    expect(edits.map(({ status }) => status).sort()).toEqual([200, 412]);
    await seen(edits.find(({ status }) => status === 200)!.json.title);
    await world.ask('DELETE', path, { token });
    await vi.waitFor(async () => expect((await world.ask('GET', path, { at: 1 })).status).toBe(404));
  });
});

describe('a movie and its video', () => {
  test('the video outlives the movie', async () => {
    const videoId = await world.addVideo(null, 'public');
    const movie = await add({ title: 'Plays', videoId });
    expect(movie.videoId).toBe(videoId);
    expect((await world.ask('DELETE', `/movies/${movie.id}`, { token })).status).toBe(204);
    expect((await world.ask('GET', `/videos/${videoId}`)).status).toBe(200);
  });

  test('the movie outlives the video, without a link and with another tag', async () => {
    const videoId = await world.addVideo(null, 'public');
    const { id } = await add({ title: 'Played', videoId });
    for (const at of [0, 1])
      expect((await world.ask('GET', `/movies/${id}`, { at })).json.videoId).toBe(videoId);
    expect((await list('q=played')).json.items[0].videoId).toBe(videoId);
    expect((await world.ask('DELETE', `/videos/${videoId}`, { token })).status).toBe(204);
    for (const at of [0, 1]) {
      await vi.waitFor(async () => {
        const read = await world.ask('GET', `/movies/${id}`, { at });
        expect(read.json.videoId).toBeNull();
        expect(read.headers.get('etag')).toBe('"v2"');
        expect((await list('q=played', at)).json.items[0].videoId).toBeNull();
      });
    }
  });
});
