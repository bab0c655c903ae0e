import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENGINES } from '../database/test-support/engines.ts';
import { ADMIN_TOKEN, Coordinators } from '../test-support/coordinators.ts';

describe.each(ENGINES)('movies on %s', (engine) => {
  let world: Coordinators;
  beforeAll(async () => {
    world = await Coordinators.open({ engine });
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const token = ADMIN_TOKEN;
  const add = async (body: object) => {
    const answer = await world.ask('POST', '/movies', { token, body });
    expect(answer.status, answer.text).toBe(201);
    return answer;
  };
  const titles = async (query: string) => {
    const { status, json, text } = await world.ask('GET', `/movies?${query}`);
    expect(status, text).toBe(200);
    return json.items.map(({ title }: { title: string }) => title);
  };

  test('are added, read, replaced, changed and deleted', async () => {
    const added = await add({
      title: '  The Wizard of Oz ',
      year: 1939,
      directors: ['Victor Fleming'],
      genres: [' Fantasy', 'fantasy', 'Musical'],
      score: 8.3,
    });
    expect(added.headers.get('etag')).toBe('"v1"');
    const path = added.headers.get('location')!.replace('/api/v1', '');
    expect(added.json).toMatchObject({
      title: 'The Wizard of Oz',
      genres: ['Fantasy', 'Musical'],
      videoId: null,
    });
    const read = await world.ask('GET', path);
    expect(read.json).toEqual(added.json);
    expect(read.headers.get('cache-control')).toBe('public, max-age=10');
    expect((await world.ask('GET', path, { headers: { 'if-none-match': '"v1"' } })).status).toBe(304);

    const patched = await world.ask('PATCH', path, { token, body: { score: null, popularity: 50.005 } });
    expect(patched.json).toMatchObject({ score: null, popularity: 50.01, year: 1939 });
    expect((await world.ask('GET', path)).json).toEqual(patched.json);
    const replaced = await world.ask('PUT', path, { token, body: { title: 'Oz' } });
    expect(replaced.json).toMatchObject({ title: 'Oz', year: null, genres: [], popularity: null });
    expect(replaced.headers.get('etag')).toBe('"v3"');
    expect(await titles('q=oz')).toEqual(['Oz']);
    expect(await titles('q=wizard')).toEqual([]);

    const stale = { token, headers: { 'if-match': '"v2"' } };
    expect((await world.ask('PATCH', path, { ...stale, body: { year: 1 } })).status).toBe(400);
    expect((await world.ask('PATCH', path, { ...stale, body: { year: 1940 } })).json.code).toBe(
      'precondition_failed',
    );
    expect((await world.ask('DELETE', path, stale)).status).toBe(412);
    expect((await world.ask('DELETE', path, { token, headers: { 'if-match': '"v3"' } })).status).toBe(204);
    expect((await world.ask('GET', path)).json.code).toBe('movie_not_found');
    expect(await titles('q=oz')).toEqual([]);
    expect((await world.ask('DELETE', path, { token })).status).toBe(404);
  });
});
