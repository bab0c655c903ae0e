import type { MessagePort, Worker } from 'node:worker_threads';
import { AppError, isAppError } from '../../../lib/errors/app-error.ts';

/** An error as it crosses between threads, where classes are lost. */
interface SentError {
  readonly code: string | undefined;
  readonly message: string;
  readonly stack: string | undefined;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
}

type Message =
  | { readonly kind: 'call'; readonly id: number; readonly name: string; readonly args: readonly unknown[] }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly error: SentError };

/** What the other side may call. */
export type CallHandler = (name: string, args: readonly unknown[]) => Promise<unknown>;

/**
 * Calls between two threads, in both directions. They arrive in their order, and so do answers; an `AppError` stays one.
 * Bytes that are answered are given away, without a copy.
 */
export class CallPort {
  readonly #port: MessagePort | Worker;
  readonly #handle: CallHandler;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #calls = 0;
  #failure: Error | undefined;

  constructor(port: MessagePort | Worker, handle: CallHandler) {
    this.#port = port;
    this.#handle = handle;
    port.on('message', (message: Message) => this.#receive(message));
  }

  /** Rejects as the other side does, with the reason that this one was closed for, or when the arguments cannot be sent. */
  call<Result>(
    name: string,
    args: readonly unknown[],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Result> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = ++this.#calls;
    const waiting = Promise.withResolvers<unknown>();
    try {
      this.#post({ kind: 'call', id, name, args }, transfer);
      this.#waiting.set(id, waiting);
    } catch (error) {
      waiting.reject(error);
    }
    return waiting.promise as Promise<Result>;
  }

  /** The other side is gone: whatever waits for it fails, and all that is asked later. */
  close(reason: Error): void {
    this.#failure = reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  #receive(message: Message): void {
    if (message.kind === 'call') {
      void this.#answer(message.id, message.name, message.args);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === 'answer') waiting?.resolve(message.value);
    else waiting?.reject(toError(message.error));
  }

  async #answer(id: number, name: string, args: readonly unknown[]): Promise<void> {
    try {
      const value = await this.#handle(name, args);
      this.#post({ kind: 'answer', id, value }, buffersOf(value));
    } catch (error) {
      this.#post({ kind: 'failure', id, error: toSent(error) }, []);
    }
  }

  #post(message: Message, transfer: readonly ArrayBuffer[]): void {
    this.#port.postMessage(message, [...transfer]);
  }
}

/** Of bytes that fill their memory: nobody else can see that. */
function buffersOf(value: unknown): readonly ArrayBuffer[] {
  if (!(value instanceof Uint8Array) || value.byteLength !== value.buffer.byteLength) return [];
  return [value.buffer as ArrayBuffer];
}

function toSent(error: unknown): SentError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const { code, retryable, details } = isAppError(error)
    ? error
    : { code: undefined, retryable: false, details: {} };
  return { code, message, stack, retryable, details };
}

function toError({ code, message, stack, retryable, details }: SentError): Error {
  const cause = new Error(message);
  if (stack !== undefined) cause.stack = stack;
  return code === undefined ? cause : new AppError(code, message, { cause, retryable, details });
}
