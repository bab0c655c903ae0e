import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { type Clock, sleepOn } from '../../lib/clock/clock.ts';
import { receiveBody } from './receive-body.ts';

/** Time that passes when it is told to. */
function manualClock(): { clock: Clock; pass(ms: number): void } {
  let nowMs = 0;
  let timers: { atMs: number; action: () => void }[] = [];
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, action) {
      const timer = { atMs: nowMs + delayMs, action };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    sleep: (delayMs, signal) => sleepOn(clock, delayMs, signal),
  };
  return {
    clock,
    pass(ms) {
      nowMs += ms;
      for (const timer of timers.filter(({ atMs }) => atMs <= nowMs)) {
        timers = timers.filter((other) => other !== timer);
        timer.action();
      }
    },
  };
}

function receiving(lengthBytes: number) {
  const body = new PassThrough();
  const into = Buffer.alloc(lengthBytes);
  const { clock, pass } = manualClock();
  const limits = { clock, idleTimeoutMs: 100, timeoutMs: 1000 };
  const received = receiveBody(body as unknown as IncomingMessage, into, limits);
  received.catch(() => {});
  const send = async (text: string) => {
    body.write(text);
    await new Promise(setImmediate);
  };
  return { body, into, received, pass, send };
}

it('takes a body as it comes', async () => {
  const { body, into, received, pass, send } = receiving(6);
  await send('abc');
  pass(90);
  await send('def');
  pass(90);
  body.end();
  await received;
  expect(into.toString()).toBe('abcdef');
});

it('gives up on a body that stops', async () => {
  const { received, pass, send } = receiving(6);
  await send('abc');
  pass(100);
  await expect(received).rejects.toMatchObject({ code: 'request_timeout' });
});

it('gives up on a body that drips', async () => {
  const { into, received, pass, send } = receiving(100);
  for (let second = 0; second < 20; second++) {
    await send('a');
    pass(60);
  }
  await expect(received).rejects.toMatchObject({ code: 'request_timeout' });
  const before = Buffer.from(into);
  await send('late');
  expect(into).toEqual(before);
});

it('takes no part for the whole', async () => {
  const ended = receiving(6);
  ended.body.end('abc');
  await expect(ended.received).rejects.toMatchObject({ code: 'incomplete_body' });
  const cut = receiving(6);
  cut.body.destroy();
  await expect(cut.received).rejects.toMatchObject({ code: 'incomplete_body' });
});
