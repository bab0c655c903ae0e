import { createHash, timingSafeEqual } from 'node:crypto';
import type { Authenticator } from './gate.ts';

/** Knows transcode workers by their token; takes the same time whatever is shown. */
export function createWorkerCheck(workerToken: string): NonNullable<Authenticator['identifyWorker']> {
  const expected = hash(workerToken);
  return (authorization) => {
    const token = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    return token !== undefined && timingSafeEqual(hash(token), expected);
  };
}

function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
