import { expect, test } from 'vitest';
import { StepGate } from './step-gate.ts';
import { ManualClock } from './test-support/manual-clock.ts';

function openGate() {
  const clock = new ManualClock(0);
  const gate = new StepGate(clock);
  gate.extendTo(1000);
  return { clock, gate };
}

test('without a lease nothing begins', () => {
  const gate = new StepGate(new ManualClock(0));
  expect(() => gate.enter()).toThrow(expect.objectContaining({ code: 'cluster_not_ready', retryable: true }));
});

test('when the lease has run out, nothing begins and nothing that began counts', async () => {
  const { clock, gate } = openGate();
  const permit = gate.enter();
  expect(permit.isValid()).toBe(true);
  await clock.advance(1000);
  expect(permit.isValid()).toBe(false);
  expect(() => gate.enter()).toThrow();
});

test('a permit says for how long it counts at least', async () => {
  const { clock, gate } = openGate();
  const permit = gate.enter();
  expect(permit.isValid(999)).toBe(true);
  expect(permit.isValid(1000)).toBe(false);
  await clock.advance(500);
  expect(permit.isValid(499)).toBe(true);
  expect(permit.isValid(500)).toBe(false);
});

test('after a gap a new lease does not revive the permits of the old one', async () => {
  const { clock, gate } = openGate();
  const permit = gate.enter();
  await clock.advance(1000);
  gate.extendTo(5000);
  expect(permit.isValid()).toBe(false);
  expect(gate.enter().isValid()).toBe(true);
});

test('a lease that is extended in time keeps its permits', async () => {
  const { clock, gate } = openGate();
  const permit = gate.enter();
  await clock.advance(999);
  gate.extendTo(3000);
  await clock.advance(1000);
  expect(permit.isValid()).toBe(true);
});

test('a step waits for all that began before it, and for nothing that began under it', async () => {
  const { gate } = openGate();
  gate.moveTo(1);
  const early = [gate.enter(), gate.enter()];
  gate.moveTo(2);
  const late = gate.enter();
  let isEmpty = false;
  const emptied = gate.emptiedBefore(2).then(() => {
    isEmpty = true;
  });
  early[0]!.leave();
  early[0]!.leave();
  await new Promise((resolve) => setImmediate(resolve));
  expect(isEmpty).toBe(false);
  early[1]!.leave();
  await emptied;
  late.leave();
});

test('several waits end each at their own step', async () => {
  const { gate } = openGate();
  gate.moveTo(1);
  const first = gate.enter();
  gate.moveTo(2);
  const second = gate.enter();
  const ended: number[] = [];
  const waits = [3, 2].map((step) => gate.emptiedBefore(step).then(() => ended.push(step)));
  first.leave();
  await waits[1];
  expect(ended).toEqual([2]);
  second.leave();
  await Promise.all(waits);
  expect(ended).toEqual([2, 3]);
});
