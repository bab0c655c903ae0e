import type { BuiltSegment } from '../index/segment-builder.ts';
import type { ImportCalls, ImportOutcome } from './import-pipeline.ts';
import type { MovieCopy } from './movie-copy.ts';

/** What an import's thread is given when it starts. */
export interface ImportThreadData {
  readonly mode: 'atomic' | 'keep-going';
  readonly importId: string;
}

export type CallName = keyof ImportCalls;

/** To the thread. */
export type ToThread =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'end' }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown };

/** From the thread. An error of a call ends the import, so there is no answer for one. */
export type FromThread =
  | { readonly kind: 'taken'; readonly bytes: number }
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly name: CallName;
      readonly args: readonly unknown[];
    }
  | { readonly kind: 'done'; readonly outcome: ImportOutcome };

/** What is given away instead of copied. */
export function transferablesOf(name: CallName, args: readonly unknown[]): ArrayBuffer[] {
  if (name === 'insert') return [(args[0] as MovieCopy).bytes.buffer];
  if (name !== 'publish') return [];
  const { docsPart, termsPart } = args[0] as BuiltSegment;
  return [docsPart.buffer as ArrayBuffer, termsPart.buffer as ArrayBuffer];
}
