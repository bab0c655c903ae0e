import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { SigningKey } from './signed-url.ts';

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** AES-256-GCM, bound to the id of what it belongs to: 12 bytes of nonce, 16 of tag, then as many as were given. */
export function seal(
  key: SigningKey,
  plain: Uint8Array,
  id: string,
  randomBytes: (count: number) => Uint8Array,
): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(id));
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** Throws when it was sealed with another key or for another id, or altered. */
export function unseal(key: SigningKey, sealed: Uint8Array, id: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(Buffer.from(id))
    .setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
}
