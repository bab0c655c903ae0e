import { useSignal } from '@preact/signals';
import { sayProblem } from '../app/toasts.ts';

export interface Action {
  readonly isBusy: boolean;
  /** Does it, unless it is being done; a failure is told at the edge of the page. */
  readonly run: (work: () => Promise<void>) => Promise<void>;
}

export function useAction(onProblem: (error: unknown) => void = sayProblem): Action {
  const isBusy = useSignal(false);
  return {
    isBusy: isBusy.value,
    async run(work) {
      if (isBusy.peek()) return;
      isBusy.value = true;
      try {
        await work();
      } catch (error) {
        onProblem(error);
      } finally {
        isBusy.value = false;
      }
    },
  };
}
