import { expect, test } from 'vitest';
import { Problem, problemOf } from '../api/problem.ts';
import { explain } from '../i18n/explain.ts';
import { makeArt } from '../parts/art.ts';
import { placeAfterLogin } from './account/next-place.ts';
import { attachmentName, languageIn } from './library/attachment-name.ts';
import { embedCode, watchLink } from './watch/links.ts';

test('a login leads to the page that was asked for, and never to another site', () => {
  const after = (next: string) => placeAfterLogin(new URLSearchParams({ next }));
  expect(after('/watch/abc?t=3')).toBe('/watch/abc?t=3');
  for (const evil of [
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    '/docs',
  ]) {
    expect([evil, after(evil)]).toEqual([evil, '/']);
  }
});

test('code to embed a video holds any title as text', () => {
  const code = embedCode(watchLink('http://here/embed/x', 12.7), '"><script>alert(1)</script>');
  expect(code).toContain('src="http://here/embed/x?t=12"');
  expect(code).not.toContain('<script>');
  expect(watchLink('http://here/watch/x', 0)).toBe('http://here/watch/x');
});

test('files get names that the API takes', () => {
  const names = ['Größe übers Meer.de.vtt', '..hidden', '字幕.srt', 'a..b.pdf', `${'x'.repeat(150)}.vtt`].map(
    attachmentName,
  );
  for (const name of names) expect(name).toMatch(/^[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9._-]{0,99}$/);
  expect([languageIn('film.de.vtt'), languageIn('film.pt-BR.srt'), languageIn('film.vtt')]).toEqual([
    'de',
    'pt-BR',
    '',
  ]);
});

test('what the server refuses is said in plain words', async () => {
  const body = JSON.stringify({ code: 'quota_exceeded', detail: 'bytes', status: 413 });
  const problem = await problemOf(new Response(body, { status: 413, headers: { 'retry-after': '3' } }));
  expect(problem).toMatchObject({ code: 'quota_exceeded', retryAfterS: 3 });
  expect(explain(problem)).toContain('more than you may store');
  expect(explain(new Problem(507, 'insufficient_storage', ''))).toContain('full');
  expect(explain(new Problem(413, 'body_too_large', ''))).toContain('larger');
  expect(explain(new Problem(0, 'unreachable', ''))).toContain('offline');
  const errors = [{ field: 'year', message: 'too big' }];
  expect(explain(new Problem(400, 'invalid_request', 'x', { errors }))).toBe('year: too big');
  expect(explain(await problemOf(new Response('<html>', { status: 502 })))).toContain('502');
});

test('a picture is made of a name, always the same', () => {
  expect(makeArt('Vertigo', 200, 300)).toEqual(makeArt('Vertigo', 200, 300));
  expect(makeArt('Vertigo', 200, 300)).not.toEqual(makeArt('Rope', 200, 300));
});
