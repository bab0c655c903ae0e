import { expect, test } from 'vitest';
import { movieOf } from '../test-support/memory-index.ts';
import { DocsPart } from './docs-part.ts';
import { buildSegment } from './segment-builder.ts';
import { maskOf } from './spelling.ts';
import { TermsPart } from './terms-part.ts';

const idOf = (number: number) => `fedcba98-7654-7000-8${number.toString(16).padStart(3, '0')}-0123456789ab`;

test('movies are numbered by popularity, in whatever order they come, and equal ones the latest first', () => {
  const movies = [
    movieOf(0, { id: idOf(7), title: 'Old', popularity: 5 }),
    movieOf(0, { id: idOf(9), title: 'New', popularity: 5 }),
    movieOf(0, { id: idOf(8), title: 'Odd' }),
    movieOf(0, { id: idOf(1), title: 'Zero', popularity: 0 }),
  ];
  for (const given of [movies, movies.toReversed()]) {
    const docs = new DocsPart(buildSegment(given).docsPart);
    const numbers = [0, 1, 2, 3];
    expect(numbers.map((doc) => docs.titleOf(doc))).toEqual(['New', 'Old', 'Zero', 'Odd']);
    expect(numbers.map((doc) => docs.ids.at(doc))).toEqual([9, 7, 1, 8].map(idOf));
  }
});

test('titles that are compared alike are in the order of their age, the latest first', () => {
  const titles = ['Léon', 'leon', 'LEON', 'Leo', '', 'Léon 2'];
  const movies = titles.map((title, number) => movieOf(number, { title, popularity: number }));
  const docs = new DocsPart(buildSegment(movies).docsPart);
  const sorted = Array.from(docs.order('title')!, (doc) => docs.titleOf(doc));
  expect(sorted).toEqual(['', 'Leo', 'LEON', 'leon', 'Léon', 'Léon 2']);
});

test('a name keeps the form that it had first', () => {
  const names = ['Łukasz\nBarczyk', 'lukasz  barczyk', 'LUKASZ BARCZYK'];
  const movies = names.map((name, number) => movieOf(number, { directors: [name, `Ann ${number}`] }));
  const { docsPart, termsPart } = buildSegment(movies);
  const docs = new DocsPart(docsPart);
  expect(docs.directorNamesOf(0)).toEqual(['Łukasz Barczyk', 'Ann 2']);
  expect(docs.directorNames.count).toBe(4);
  const terms = new TermsPart(termsPart);
  expect([...terms.postingsAt(terms.find('pbarczyk'))]).toEqual([0, 1, 2]);
});

test('terms are in the order of fields and words, each with its mask', () => {
  const movie = movieOf(1, { title: 'Up up 字', synopsis: 'Up', genres: ['Up'], directors: ['Up'] });
  const { docsPart, termsPart } = buildSegment([movie]);
  const terms = new TermsPart(termsPart);
  const all = Array.from({ length: terms.count }, (_, number) => terms.termAt(number));
  expect(all).toEqual(['gup', 'oup', 'pup', 'tup', 't字']);
  expect([...terms.postingsAt(terms.find('tup'))]).toEqual([0]);
  expect(new DocsPart(docsPart).titleWords[0]).toBe(2);
  expect([...terms.masks]).toEqual(all.map((term) => maskOf(term, 1)));
});
