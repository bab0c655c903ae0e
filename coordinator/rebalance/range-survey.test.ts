import { expect, test, vi } from 'vitest';
import { rangeBounds } from '../../lib/hashring/index.ts';
import { SURVEY_CHUNKS_MAX } from './limits.ts';
import { isComplete, type SurveyedRange, surveyRanges } from './range-survey.ts';
import { createCopyWorld } from './test-support/copy-world.ts';
import { chunkOf } from './test-support/memory-nodes.ts';

const RANGES = 16;
const never = new AbortController().signal;
const chunks = Array.from({ length: 60 }, (_, index) => chunkOf(`chunk-${index}`, 100 + index));

/** Every node has everything, until a test changes that. */
function createWorld() {
  const world = createCopyWorld(['a', 'b', 'c'], ['a', 'b', 'c']);
  world.nodes.put(['a', 'b', 'c'], ...chunks);
  world.manifests.push(...chunks);
  const ask = vi.spyOn(world.nodes, 'digests');
  const askManifests = vi.spyOn(world.objects, 'chunksWithin');
  const survey = async (numbers: readonly number[], nodes = ['a', 'b', 'c']) => {
    const ranges: SurveyedRange[] = numbers.map((range) => ({
      interval: rangeBounds(range, RANGES),
      nodes: nodes.map((id) => world.nodes.at(id)),
    }));
    return await surveyRanges({ inventory: world.nodes, objects: world.objects }, ranges, never);
  };
  return { ...world, ask, askManifests, survey };
}

const rangeOf = ({ position }: (typeof chunks)[0]) => Math.floor(position / (2 ** 32 / RANGES));
const everyRange = Array.from({ length: RANGES }, (_, range) => range);

test('what all nodes and the manifests agree on is complete, for one question each', async () => {
  const { survey, ask, askManifests } = createWorld();
  const surveys = await survey(everyRange.toReversed());
  expect(surveys.map(isComplete)).toEqual(everyRange.map(() => true));
  expect(surveys.reduce((sum, { named }) => sum + named!.count, 0)).toBe(chunks.length);
  const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
  expect(surveys.reduce((sum, { named }) => sum + named!.bytes, 0)).toBe(bytes);
  expect([ask.mock.calls.length, askManifests.mock.calls.length]).toEqual([3, 1]);
});

test('only the range in which a node lacks a chunk, or has one more, is not complete', async () => {
  const { nodes, survey } = createWorld();
  const [lacked] = chunks;
  nodes.at('b').chunks.delete(lacked!.id);
  const added = chunkOf('garbage');
  nodes.put(['c'], added);
  const surveys = await survey(everyRange);
  const different = new Set([rangeOf(lacked!), rangeOf(added)]);
  expect(surveys.map(isComplete)).toEqual(everyRange.map((range) => !different.has(range)));
});

test('what manifests name and no node has is not complete', async () => {
  const { manifests, survey } = createWorld();
  const lost = chunkOf('lost');
  manifests.push(lost);
  const surveys = await survey(everyRange);
  expect(surveys.map(isComplete)).toEqual(everyRange.map((range) => range !== rangeOf(lost)));
});

test('nothing is complete that a node did not answer for', async () => {
  const { nodes, survey } = createWorld();
  nodes.at('b').fault = 'dead';
  const surveys = await survey([3, 4]);
  expect(surveys.map(isComplete)).toEqual([false, false]);
  expect(surveys.map(({ digests }) => digests[1])).toEqual([null, null]);
  expect((await survey([3, 4], ['a', 'c'])).map(isComplete)).toEqual([true, true]);
});

test('what is too much to be looked at together is left to a closer look', async () => {
  const { ask, survey } = createWorld();
  ask.mockImplementation(async (_node, intervals) =>
    intervals.map(({ first }) => ({
      count: first === 0 ? SURVEY_CHUNKS_MAX + 1 : 0,
      bytes: 0,
      digest: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    })),
  );
  const surveys = await survey([0, 1]);
  expect(surveys[0]!.named).toBeNull();
  expect(surveys[1]!.named).not.toBeNull();
  expect(isComplete(surveys[0]!)).toBe(false);
});

test('two failures at once are no agreement', () => {
  expect(isComplete({ digests: [null, null], named: null })).toBe(false);
});
