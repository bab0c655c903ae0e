import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ENGINES } from '../../database/test-support/engines.ts';
import { ADMIN_TOKEN, type Answer, Coordinators } from '../../test-support/coordinators.ts';
import { REAL_FILES } from '../test-support/memory-index.ts';
import { queryWordsOf } from '../text.ts';

const token = ADMIN_TOKEN;

describe.each(ENGINES)('imports on %s', (engine) => {
  let world: Coordinators;
  beforeAll(async () => {
    world = await Coordinators.open({ engine });
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const send = (body: string | Uint8Array, mode = 'keep-going') =>
    world.ask('POST', `/movies/import?mode=${mode}`, { token, body });
  const lines = (...movies: object[]) => movies.map((movie) => JSON.stringify(movie)).join('\n');
  /** Of what is found only that which has the words as they are. */
  const find = async (q: string): Promise<Answer['json'][]> => {
    const { json, text } = await world.ask('GET', `/movies?q=${encodeURIComponent(q)}&limit=100`);
    expect(json.items, text).toBeDefined();
    const words = queryWordsOf(q);
    return json.items.filter(({ title }: { title: string }) => {
      const own = queryWordsOf(title);
      return words.every((word) => own.includes(word));
    });
  };
  const nothing = { added: 0, updated: 0, unchanged: 0, kept: 0, duplicates: 0, rejected: 0 };

  test('take both real files as they are, and change nothing the second time', async () => {
    const imdb = readFileSync(REAL_FILES.imdb);
    const first = await send(imdb, 'atomic');
    expect(first.json, first.text).toMatchObject({ ...nothing, added: 246, problems: [] });
    const vega = readFileSync(REAL_FILES.vega);
    const second = await send(vega);
    expect(second.json, second.text).toMatchObject({ ...nothing, added: second.json.added, rejected: 1 });
    expect(second.json.added + second.json.duplicates).toBe(3200);
    expect(
      second.json.problems.filter((problem: { code: string }) => problem.code === 'invalid_movie'),
    ).toMatchObject([{ field: 'Title', value: 'null' }]);
    for (const [file, added] of [
      [imdb, 246],
      [vega, second.json.added],
    ] as const) {
      expect((await send(file)).json).toMatchObject({ added: 0, updated: 0, unchanged: added });
    }
    expect(await find('wizard of oz')).toContainEqual(
      expect.objectContaining({ genres: ['Adventure', 'Family', 'Fantasy', 'Musical'] }),
    );
    const genres = (await world.ask('GET', '/genres')).json.items;
    expect(genres.find(({ name }: { name: string }) => name === 'Film-Noir').count).toBeGreaterThan(0);
    expect(genres.every(({ name }: { name: string }) => name === name.trim())).toBe(true);
    expect((await find('1776'))[0]).toMatchObject({ title: '1776', year: 1972 });
  });

  test('say where a broken file is broken, and keep what came before or nothing', async () => {
    const good = [{ title: 'Before the break one' }, { title: 'Before the break two' }];
    const broken = `[${good.map((movie) => JSON.stringify(movie)).join(',')} {"title":"x"}]`;
    const byte = broken.lastIndexOf('{');
    for (const mode of ['atomic', 'keep-going']) {
      const { status, json } = await send(broken, mode);
      expect(status).toBe(400);
      expect(json).toMatchObject({ code: 'invalid_json', byte, line: 1 });
      const kept = mode === 'atomic' ? 0 : 2;
      expect(json.report.added).toBe(kept);
      expect(await find('before break')).toHaveLength(kept);
    }
    const cut = await send('[{"title":"Cut off"}, {"title":"Cu');
    expect(cut.json).toMatchObject({ code: 'invalid_json', report: { added: 1 } });
    expect((await send('')).json.code).toBe('invalid_json');
  });

  test('report what is rejected by line, byte, field and value', async () => {
    const huge = 'y'.repeat(1024 * 1024);
    const text = [
      '{"title":"Rejection good"}',
      '{"title":"Rejection","score":11}',
      '{"title": oops}',
      '{"title":"Rejection","year":"1999"}',
      JSON.stringify({ title: huge }),
      '42',
      '{"title":"Rejection","unheard":1}',
      '',
      '{"title":"🎬 مرحبا rejection"}',
      JSON.stringify({ title: 'z'.repeat(3 * 1024 * 1024) }),
    ].join('\n');
    const { json } = await send(text);
    expect(json).toMatchObject({ added: 2, rejected: 7 });
    expect(json.problems).toMatchObject([
      { line: 2, byte: 27, code: 'invalid_movie', field: 'score', value: '11' },
      { line: 3, byte: 70, code: 'invalid_json', value: expect.stringContaining('oops') },
      { line: 4, field: 'year', value: '1999' },
      { line: 5, field: 'title', value: 'y'.repeat(100) },
      { line: 6, field: '', value: '42' },
      { line: 7, field: 'unheard', message: 'unknown field' },
      { line: 10, message: expect.stringContaining('longer than') },
    ]);
    expect(await find('🎬')).toMatchObject([{ title: '🎬 مرحبا rejection' }]);
    const atomic = await send(`${text}\n{"title":"Rejected with all others"}`, 'atomic');
    expect(atomic.status).toBe(422);
    expect(atomic.json).toMatchObject({ code: 'import_rejected', report: { added: 0, rejected: 7 } });
    expect(await find('rejected with all others')).toEqual([]);
  });

  test.each(['keep-going', 'atomic'])(
    'know movies again and leave alone what people have changed (%s)',
    async (mode) => {
      const word = mode === 'atomic' ? 'atomique' : 'keepon';
      const of = (title: string, score: number) => ({ title: `${title} ${word}`, year: 2001, score });
      const file = lines(
        of('Remake', 1),
        of('Remake', 2),
        { ...of('Remake', 3), year: 1960 },
        of('Edited', 1),
      );
      const first = await send(file, mode);
      expect(first.json).toMatchObject({ ...nothing, added: 3, duplicates: 1 });
      expect(first.json.problems).toMatchObject([{ line: 2, code: 'duplicate' }]);
      expect((await send(file, mode)).json).toMatchObject({ ...nothing, unchanged: 3, duplicates: 1 });

      const [edited] = await find(`edited ${word}`);
      await world.ask('PATCH', `/movies/${edited.id}`, { token, body: { score: 9 } });
      await world.ask('POST', '/movies', { token, body: of('Handmade', 5) });
      const next = lines(of('REMAKE', 7), of('Edited', 2), of('Handmade', 1), {
        title: `New ${word}`,
        year: null,
      });
      const second = await send(next, mode);
      expect(second.json).toMatchObject({
        ...nothing,
        added: 1,
        updated: 1,
        kept: 2,
      });
      const scores = Object.fromEntries(
        (await find(word)).map(({ title, year, score }) => [`${title} ${year}`, score]),
      );
      expect(scores).toEqual({
        [`REMAKE ${word} 2001`]: 7,
        [`Remake ${word} 1960`]: 3,
        [`Edited ${word} 2001`]: 9,
        [`Handmade ${word} 2001`]: 5,
        [`New ${word} null`]: null,
      });
    },
  );

  test.each(['keep-going', 'atomic'])('that are interrupted can be sent again (%s)', async (mode) => {
    const word = `halfway${mode.replace('-', '')}`;
    const movies = Array.from({ length: 2500 }, (_, index) => ({ title: `${word} ${index}` }));
    const text = lines(...movies);
    const start = () => {
      const outgoing = request(`${world.urls[0]}/api/v1/movies/import?mode=${mode}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
      });
      outgoing.on('error', () => {});
      outgoing.on('response', (response) => response.resume());
      outgoing.write(text.slice(0, text.length - 1000));
      return outgoing;
    };
    let outgoing = start();
    // It is under way when another one is refused; unless that one was first.
    await vi.waitFor(
      async () => {
        const { json } = await send('[]');
        if (json.code !== 'import_running') {
          outgoing.destroy();
          outgoing = start();
        }
        expect(json.code).toBe('import_running');
      },
      { timeout: 20_000, interval: 100 },
    );
    outgoing.destroy();
    const retry = () => send(text, mode);
    const again = await vi.waitFor(
      async () => {
        const answer = await retry();
        expect(answer.status, answer.text).toBe(200);
        return answer;
      },
      { timeout: 20_000, interval: 50 },
    );
    expect(again.json.added + again.json.unchanged).toBe(2500);
    if (mode === 'atomic') expect(again.json.added).toBe(2500);
    expect((await retry()).json).toMatchObject({ ...nothing, unchanged: 2500 });
    expect(await find(`${word} 2499`)).toHaveLength(1);
  });
});

describe('an import whose coordinator died', () => {
  let world: Coordinators;
  beforeAll(async () => {
    world = await Coordinators.open({ engine: 'postgresql' });
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const leave = async (committed: boolean) => {
    const { kysely } = world.database;
    const [importId, movieId] = [uuidv7(), uuidv7()];
    await kysely
      .insertInto('movie_imports')
      .values({ id: importId, mode: 'atomic', committed, published_to: committed ? movieId : null })
      .execute();
    const identity = uuidv7();
    const empty = { original_title: null, year: null, score: null, popularity: null, runtime_minutes: null };
    const none = { synopsis: null, poster: null, video_id: null, directors: [], genres: [] };
    await kysely
      .insertInto('movies')
      .values({
        id: movieId,
        title: 'Left',
        ...empty,
        ...none,
        identity,
        imported: identity,
        import_id: importId,
      })
      .execute();
    return { importId, movieId, identity };
  };

  test('is taken back when it was not decided', async () => {
    const { movieId } = await leave(false);
    expect((await world.ask('GET', `/movies/${movieId}`)).status).toBe(404);
    await world.ask('POST', '/movies/import', { token, body: '[]' });
    expect(await world.database.kysely.selectFrom('movies').select('id').execute()).toEqual([]);
    expect(await world.database.kysely.selectFrom('movie_imports').select('id').execute()).toEqual([]);
  });

  test('is completed when it was', async () => {
    const { importId, movieId, identity } = await leave(true);
    const fields = { title: 'Right', originalTitle: null, year: 1999, directors: [], genres: [], score: 5 };
    const rest = { popularity: null, runtimeMinutes: null, synopsis: null, poster: null, videoId: null };
    const movie = JSON.stringify({
      id: movieId,
      identity,
      imported: identity,
      fields: { ...fields, ...rest },
    });
    await world.database.kysely
      .insertInto('movie_import_updates')
      .values({ import_id: importId, movie_id: movieId, movie })
      .execute();
    // Nobody asks for it.
    await vi.waitFor(
      async () => {
        const { json } = await world.ask('GET', '/movies?q=right');
        expect(json.items).toMatchObject([{ id: movieId, year: 1999 }]);
      },
      { timeout: 20_000, interval: 100 },
    );
    await vi.waitFor(async () =>
      expect(await world.database.kysely.selectFrom('movie_imports').select('id').execute()).toEqual([]),
    );
  });
});
