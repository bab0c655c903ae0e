import { MessageChannel } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AppError } from '../../../lib/errors/app-error.ts';
import { type CallHandler, CallPort } from './call-port.ts';

let channel: MessageChannel;
let caller: CallPort;
let answer: CallHandler;
beforeEach(() => {
  channel = new MessageChannel();
  caller = new CallPort(channel.port1, async () => undefined);
  new CallPort(channel.port2, (name, args) => answer(name, args));
});
afterEach(() => channel.port1.close());

test('errors stay what they are to whoever handles them', async () => {
  answer = async () => {
    throw new AppError('too_busy', 'not now', { retryable: true, details: { retryAfterS: 3 } });
  };
  const failed = caller.call('any', []);
  await expect(failed).rejects.toBeInstanceOf(AppError);
  await expect(failed).rejects.toMatchObject({
    ...{ code: 'too_busy', message: 'not now', retryable: true, details: { retryAfterS: 3 } },
  });
  answer = async () => {
    throw new TypeError('no such thing');
  };
  await expect(caller.call('any', [])).rejects.toThrow('no such thing');
});

test('bytes are answered without a copy, but for those that are a part of something', async () => {
  const whole = new Uint8Array([1, 2, 3]);
  const large = new Uint8Array(10).fill(7);
  answer = async (name) => (name === 'whole' ? whole : large.subarray(0, 2));
  expect(await caller.call('whole', [])).toEqual(new Uint8Array([1, 2, 3]));
  expect(whole.byteLength).toBe(0);
  expect(await caller.call('part', [])).toEqual(new Uint8Array([7, 7]));
  expect(large.byteLength).toBe(10);
});

test('what cannot be sent fails whoever has sent it, and nobody else', async () => {
  answer = async (name) => (name === 'odd' ? () => {} : 'fine');
  await expect(caller.call('any', [() => {}])).rejects.toThrow('could not be cloned');
  await expect(caller.call('odd', [])).rejects.toThrow('could not be cloned');
  expect(await caller.call('any', [])).toBe('fine');
});

test('who waits when the other side is gone fails, and who asks later', async () => {
  answer = () => new Promise(() => {});
  const waiting = caller.call('any', []);
  caller.close(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  await expect(caller.call('any', [])).rejects.toThrow('gone');
});
