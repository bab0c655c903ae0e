import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { type HealthChange, HealthMonitor } from './health.ts';
import { type FakeNode, FakeNodes } from './test-support/fake-nodes.ts';
import { ManualClock } from './test-support/manual-clock.ts';

let clock: ManualClock;
let probe: FakeNodes;
let node: FakeNode;
let health: HealthMonitor;
let changes: HealthChange[];
const signal = new AbortController().signal;

beforeEach(() => {
  clock = new ManualClock();
  probe = new FakeNodes();
  node = probe.add();
  changes = [];
  health = new HealthMonitor({
    nodes: () => probe.nodes.map(({ id, url }) => ({ id, url, zone: 'z' })),
    probe,
    clock,
    logger: silentLogger,
  });
  health.onChange((change) => changes.push(change));
});
afterEach(() => health[Symbol.asyncDispose]());

const transitions = () => changes.map(({ from, to }) => `${from} ${to}`);

test('a node that was not asked yet, and one that answers, is up', async () => {
  expect(health.healthOf(node.id)).toBe('up');
  await health.runOnce(signal);
  expect(health.healthOf(node.id)).toBe('up');
  expect(health.reasonOf(node.id)).toBeNull();
  expect(changes).toEqual([]);
});

test('the first failure makes a node suspect, and silence of ten seconds makes it down', async () => {
  await health.runOnce(signal);
  node.answers = false;
  await clock.advance(1000);
  await health.runOnce(signal);
  expect(health.healthOf(node.id)).toBe('suspect');
  expect(health.reasonOf(node.id)).toContain('connection refused');
  await clock.advance(8999);
  await health.runOnce(signal);
  expect(health.healthOf(node.id)).toBe('suspect');
  await clock.advance(1);
  await health.runOnce(signal);
  expect(health.healthOf(node.id)).toBe('down');
  expect(transitions()).toEqual(['up suspect', 'suspect down']);
});

test('one answer makes a node up again, from suspect and from down', async () => {
  node.answers = false;
  await health.runOnce(signal);
  node.answers = true;
  await health.runOnce(signal);
  node.answers = false;
  await clock.advance(10_000);
  await health.runOnce(signal);
  node.answers = true;
  await health.runOnce(signal);
  expect(transitions()).toEqual(['up suspect', 'suspect up', 'up down', 'down up']);
  expect(health.reasonOf(node.id)).toBeNull();
});

test('a reported failure makes a node suspect until it answers, and does not revive one that is down', async () => {
  health.reportFailure(node.id, 'read stalled');
  expect(health.healthOf(node.id)).toBe('suspect');
  expect(health.reasonOf(node.id)).toBe('read stalled');
  await health.runOnce(signal);
  expect(health.healthOf(node.id)).toBe('up');
  node.answers = false;
  await clock.advance(10_000);
  await health.runOnce(signal);
  health.reportFailure(node.id, 'again');
  expect(health.healthOf(node.id)).toBe('down');
});

test('an answer of another node makes it down at once, whatever was before', async () => {
  const watched = { id: node.id, url: node.url, zone: 'z' };
  node.url = 'http://moved:1';
  probe.add({ url: watched.url });
  await using other = new HealthMonitor({ nodes: () => [watched], probe, clock, logger: silentLogger });
  await other.runOnce(signal);
  expect(other.healthOf(node.id)).toBe('down');
  expect(other.reasonOf(node.id)).toBe('identity');
});

test('a node that never answered is down ten seconds after it became known', async () => {
  node.answers = false;
  await health.runOnce(signal);
  expect(health.healthOf(node.id)).toBe('suspect');
  await clock.advance(10_000);
  await health.runOnce(signal);
  expect(health.healthOf(node.id)).toBe('down');
});

test('the loop asks every second', async () => {
  let asked = 0;
  const counting = {
    health: (url: string) => {
      asked++;
      return probe.health(url);
    },
  };
  await using other = new HealthMonitor({
    nodes: () => [{ id: node.id, url: node.url, zone: 'z' }],
    probe: counting,
    clock,
    logger: silentLogger,
  });
  other.start();
  await clock.advance(3000);
  expect(asked).toBe(4);
});

test('a node that hangs does not hold up the others', async () => {
  const quick = probe.add();
  const asked: string[] = [];
  let release = () => {};
  const hanging = {
    health: async (url: string) => {
      asked.push(url);
      if (url === node.url) await new Promise<void>((resolve) => (release = resolve));
      return probe.health(url);
    },
  };
  await using other = new HealthMonitor({
    nodes: () => [node, quick].map(({ id, url }) => ({ id, url, zone: 'z' })),
    probe: hanging,
    clock,
    logger: silentLogger,
  });
  other.start();
  await clock.advance(3000);
  expect(asked.filter((url) => url === quick.url)).toHaveLength(4);
  expect(asked.filter((url) => url === node.url)).toHaveLength(1);
  release();
});

test('listeners are independent of each other and can leave', async () => {
  const heard: string[] = [];
  health.onChange(() => {
    throw new Error('listener');
  });
  const leave = health.onChange(({ to }) => heard.push(to));
  health.reportFailure(node.id, 'x');
  leave();
  await health.runOnce(signal);
  expect(heard).toEqual(['suspect']);
});
