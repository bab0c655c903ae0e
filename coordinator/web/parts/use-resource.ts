import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { isAbort } from '../api/client.ts';

export interface Resource<Value> {
  readonly value: Value | undefined;
  readonly error: unknown;
  readonly isLoading: boolean;
  readonly reload: () => void;
  /** Puts in what an answer to a change brought. */
  readonly set: (value: Value) => void;
}

/** What a request brings, asked for again whenever the key changes; what was there stays until something newer is. */
export function useResource<Value>(
  key: string,
  load: (signal: AbortSignal) => Promise<Value>,
): Resource<Value> {
  const state = useSignal<{ value?: Value; error?: unknown; key: string; isLoading: boolean }>({
    key,
    isLoading: true,
  });
  const round = useSignal(0);
  const latest = useRef(load);
  latest.current = load;
  const turn = round.value;
  useEffect(() => {
    const controller = new AbortController();
    const before = state.peek();
    state.value = before.key === key ? { ...before, isLoading: true } : { key, isLoading: true };
    latest.current(controller.signal).then(
      (value) => {
        if (!controller.signal.aborted) state.value = { key, value, isLoading: false };
      },
      (error: unknown) => {
        if (controller.signal.aborted || isAbort(error)) return;
        const known = state.peek().value;
        state.value = { key, error, isLoading: false, ...(known !== undefined && { value: known }) };
      },
    );
    return () => controller.abort();
  }, [key, turn]);
  const current = state.value;
  const isCurrent = current.key === key;
  return {
    value: isCurrent ? current.value : undefined,
    error: isCurrent ? current.error : undefined,
    isLoading: current.isLoading || !isCurrent,
    reload: () => {
      round.value++;
    },
    set: (value) => {
      state.value = { key, value, isLoading: false };
    },
  };
}
