import { expect, test } from 'vitest';
import { commandOf, speedBeside } from './commands.ts';
import { keepPosition, positionOf } from './positions.ts';
import { parseStoryboard, tileAt } from './storyboard.ts';

function memory() {
  const values = new Map<string, string>();
  return {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
  };
}

const plain = { ctrlKey: false, metaKey: false, altKey: false };

test('keys mean what they mean in other players, and nothing with a modifier', () => {
  expect(commandOf({ ...plain, key: 'K' })).toEqual({ kind: 'toggle' });
  expect(commandOf({ ...plain, key: 'ArrowLeft' })).toEqual({ kind: 'skip', seconds: -5 });
  expect(commandOf({ ...plain, key: '7' })).toEqual({ kind: 'seekShare', share: 0.7 });
  expect(commandOf({ ...plain, key: 'c', ctrlKey: true })).toBeUndefined();
  expect(commandOf({ ...plain, key: 'F5' })).toBeUndefined();
  expect([speedBeside(1, 1), speedBeside(2, 1), speedBeside(0.5, -1), speedBeside(1.1, -1)]).toEqual([
    1.25, 2, 0.5, 1,
  ]);
});

test('a video goes on where it was left, and from the beginning when it was seen to its end', () => {
  const store = memory();
  keepPosition('a', 61.7, 600, store);
  keepPosition('b', 3, 600, store);
  expect([positionOf('a', store), positionOf('b', store)]).toEqual([61, 0]);
  keepPosition('a', 590, 600, store);
  expect(positionOf('a', store)).toBe(0);
});

test('positions are bounded, the latest stay, and a broken memory is an empty one', () => {
  const store = memory();
  for (let index = 0; index < 300; index++) keepPosition(`v${index}`, 100, 600, store);
  expect([positionOf('v0', store), positionOf('v299', store)]).toEqual([0, 100]);
  expect(JSON.parse(store.getItem('orbitvids.positions')!).length).toBe(200);
  store.setItem('orbitvids.positions', '{"broken');
  expect(positionOf('v299', store)).toBe(0);
});

test('a storyboard is read, and what is none is left out', () => {
  const text = [
    'WEBVTT',
    '00:00.000 --> 00:05.000\nsprite.jpg#xywh=0,0,160,90',
    'NOTE nothing',
    '2\n00:05.000 --> 00:10.000\nsprite.jpg#xywh=160,0,160,90',
    '01:00:00.000 --> 01:00:05.000\njavascript:alert(1)',
    '01:00:00.000 --> 01:00:05.000\nsprite.jpg#xywh=320,0,160,90',
  ].join('\r\n\r\n');
  const tiles = parseStoryboard(text, 'http://here/api/v1/videos/x/storyboard.vtt');
  expect(tiles.map(({ fromS, x }) => [fromS, x])).toEqual([
    [0, 0],
    [5, 160],
    [3600, 320],
  ]);
  expect(tiles[0]).toMatchObject({
    url: 'http://here/api/v1/videos/x/sprite.jpg',
    width: 160,
    height: 90,
    toS: 5,
  });
  expect([0, 4.9, 5, 3000, 4000].map((seconds) => tileAt(tiles, seconds)?.x)).toEqual([0, 0, 160, 160, 320]);
  expect(tileAt([], 3)).toBeUndefined();
});
