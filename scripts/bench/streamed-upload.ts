import { connect, type Socket } from 'node:net';
import type { LoadTarget } from './load-plan.ts';

const ANSWER_BYTES_MAX = 64 * 1024;
const IDLE_TIMEOUT_MS = 120_000;

/**
 * Uploads a body that is one block again and again, without ever holding more of it: its length is `sizeBytes`,
 * the last block may be cut. Resolves with the new video's id; rejects when it was not stored whole.
 */
export async function streamedUpload(
  target: LoadTarget,
  block: Buffer,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const { hostname, port, host } = new URL(target.url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const onAbort = () => socket.destroy(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy(new Error('The upload stalled.')));
  const answer = readAnswer(socket);
  try {
    const headers = { ...target.headers, host, connection: 'close', 'content-length': String(sizeBytes) };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`${target.uploadMethod} ${target.uploadPath} HTTP/1.1\r\n${lines.join('')}\r\n`);
    // A refusal comes before the body has been sent, and ends the connection.
    await Promise.race([sendBlocks(socket, block, sizeBytes, signal), answer]);
    return idOf(await answer, sizeBytes);
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  }
}

async function sendBlocks(
  socket: Socket,
  block: Buffer,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  for (let sent = 0; sent < sizeBytes; sent += block.length) {
    signal.throwIfAborted();
    const piece = sizeBytes - sent < block.length ? block.subarray(0, sizeBytes - sent) : block;
    await new Promise<void>((resolve, reject) => {
      socket.write(piece, (error) => (error ? reject(error) : resolve()));
    });
  }
}

function readAnswer(socket: Socket): Promise<string> {
  const answer = new Promise<string>((resolve, reject) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (text.length > ANSWER_BYTES_MAX) socket.destroy(new Error('The answer is too long.'));
    });
    socket.once('end', () => resolve(text));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('The connection was cut.')));
  });
  // Whoever sends hears of a failure first; until the answer is awaited it must not end the process.
  answer.catch(() => {});
  return answer;
}

function idOf(answer: string, sizeBytes: number): string {
  if (!answer.startsWith('HTTP/1.1 201 ')) throw new Error(`An upload was answered: ${answer.slice(0, 500)}`);
  const json = answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1);
  const video = JSON.parse(json) as { id: string; size: number };
  if (video.size !== sizeBytes) throw new Error(`${sizeBytes} bytes were stored as ${video.size}.`);
  return video.id;
}
