import { Writable } from 'node:stream';
import type { Manifest } from '../objects/manifest.ts';
import type { ObjectStore } from './object-store.ts';

/** Bytes `first` to `last` (inclusive) of an object in memory: for few of them. Rejects like `ObjectStore.read`. */
export async function readBytes(
  store: Pick<ObjectStore, 'read'>,
  manifest: Manifest,
  interval: { readonly first: number; readonly last: number },
  signal: AbortSignal,
): Promise<Buffer> {
  const { first, last } = interval;
  const bytes = Buffer.allocUnsafe(last - first + 1);
  let at = 0;
  const sink = new Writable({
    write(piece: Buffer, _encoding, done) {
      at += piece.copy(bytes, at);
      done();
    },
  });
  const reading = await store.read(manifest, first, last, signal);
  await reading.sendTo(sink, signal);
  return bytes;
}
