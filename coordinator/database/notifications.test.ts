import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseHandle } from './database.ts';
import { ENGINES, openTestDatabase } from './test-support/engines.ts';

describe.each(ENGINES)('notifications on %s', (engine) => {
  let handle: DatabaseHandle;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
  });
  afterAll(() => handle[Symbol.asyncDispose]());

  test('reach every subscriber of the channel in order, and nobody else', async () => {
    const { notifications } = handle;
    const first: string[] = [];
    const second: string[] = [];
    const other: string[] = [];
    await notifications.subscribe('one', (payload) => first.push(payload));
    await notifications.subscribe('one', (payload) => second.push(payload));
    await notifications.subscribe('two', (payload) => other.push(payload));
    const sent = Array.from({ length: 20 }, (_, index) => `message '${index}'`);
    for (const payload of sent) await notifications.publish('one', payload);
    await notifications.publish('two', 'last');
    await expect.poll(() => other).toEqual(['last']);
    expect(first).toEqual(sent);
    expect(second).toEqual(sent);
  });

  test('stop when the subscription is ended', async () => {
    const { notifications } = handle;
    const ended: string[] = [];
    const going: string[] = [];
    const end = await notifications.subscribe('three', (payload) => ended.push(payload));
    await notifications.subscribe('three', (payload) => going.push(payload));
    end();
    await notifications.publish('three', 'x');
    await expect.poll(() => going).toEqual(['x']);
    expect(ended).toEqual([]);
  });

  test('go out with their transaction or not at all', async () => {
    const { kysely, notifications } = handle;
    const heard: string[] = [];
    await notifications.subscribe('four', (payload) => heard.push(payload));
    const undone = kysely.transaction().execute(async (transaction) => {
      await notifications.publish('four', 'undone', transaction);
      throw new Error('rolled back');
    });
    await expect(undone).rejects.toThrow('rolled back');
    await kysely.transaction().execute((transaction) => notifications.publish('four', 'done', transaction));
    await expect.poll(() => heard).toEqual(['done']);
  });

  test('a listener that throws does not keep the message from the others', async () => {
    const { notifications } = handle;
    const heard: string[] = [];
    await notifications.subscribe('five', () => {
      throw new Error('listener');
    });
    await notifications.subscribe('five', (payload) => heard.push(payload));
    await notifications.publish('five', 'x');
    await expect.poll(() => heard).toEqual(['x']);
  });

  test('too long a message and an odd channel are programming errors', async () => {
    const { notifications } = handle;
    await expect(notifications.publish('one', 'x'.repeat(8000))).rejects.toThrow(/too long/);
    await expect(notifications.subscribe('a"b', () => {})).rejects.toThrow(/no channel name/);
  });
});
