/**
 * Gives the memory of the bytes back at once, for nobody will look at them again, and nothing may be writing them to a file
 * or socket any more. Left to V8, which counts what lies outside of its heap, a few of these a second make it mark the
 * whole heap again and again. Only for buffers with memory of their own.
 */
export function freeNow(bytes: Uint8Array<ArrayBuffer>): void {
  bytes.buffer.transfer(0);
}
