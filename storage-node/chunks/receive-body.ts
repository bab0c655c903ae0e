import type { IncomingMessage } from 'node:http';
import { YoungGarbage } from '../../lib/bytes/young-garbage.ts';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';

/** Often, because this process has to stay small. */
const garbage = new YoungGarbage(1024 * 1024);

/**
 * Copies a request's body into `into`, which has the length the request announced. Rejects with `incomplete_body`
 * when the client stops short of it, and with `request_timeout` when nothing comes for `idleTimeoutMs` or not all of it
 * within `timeoutMs`.
 */
export function receiveBody(
  incoming: IncomingMessage,
  into: Buffer,
  options: { clock: Clock; idleTimeoutMs: number; timeoutMs: number },
): Promise<void> {
  const { clock, idleTimeoutMs, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    let received = 0;
    let lastByteMs = clock.monotonicMs();
    let cancelTimer = clock.after(idleTimeoutMs, onTimer);
    const cancelDeadline = clock.after(timeoutMs, () =>
      settle(new AppError('request_timeout', 'The body came too slowly.')),
    );

    function onTimer(): void {
      const idleMs = clock.monotonicMs() - lastByteMs;
      if (idleMs < idleTimeoutMs) cancelTimer = clock.after(idleTimeoutMs - idleMs, onTimer);
      else settle(new AppError('request_timeout', 'The body stopped coming.'));
    }
    function onData(bytes: Buffer): void {
      lastByteMs = clock.monotonicMs();
      bytes.copy(into, received);
      received += bytes.length;
      garbage.add(bytes.length);
    }
    function onEnd(): void {
      settle(received === into.length ? undefined : incomplete());
    }
    function onGone(): void {
      settle(incomplete());
    }
    function settle(error: AppError | undefined): void {
      cancelTimer();
      cancelDeadline();
      incoming.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      if (error === undefined) resolve();
      else {
        incoming.on('error', () => {});
        reject(error);
      }
    }

    if (incoming.destroyed) {
      settle(incomplete());
      return;
    }
    incoming.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
  });
}

function incomplete(): AppError {
  return new AppError('incomplete_body', 'The body ended before the length that was announced.');
}
