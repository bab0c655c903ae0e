import type { Logger } from '../../lib/logging/logger.ts';
import { seal, unseal } from '../../lib/signing/seal.ts';
import type { SigningKey } from '../../lib/signing/signed-url.ts';
import type { StoredSecret } from './endpoint-repository.ts';
import { SECRET_BYTES } from './limits.ts';

export interface SecretBoxOptions {
  /** Encrypts secrets in the database. */
  readonly sealingKey: SigningKey;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly logger: Logger;
}

/** Makes secrets, and keeps those in the database from whoever has only that. */
export class SecretBox {
  readonly #options: SecretBoxOptions;

  constructor(options: SecretBoxOptions) {
    this.#options = options;
  }

  /** A new secret, and how it is stored for that endpoint. */
  make(endpointId: string): { readonly secret: Uint8Array; readonly sealed: Uint8Array } {
    const { sealingKey, randomBytes } = this.#options;
    const secret = randomBytes(SECRET_BYTES);
    return { secret, sealed: seal(sealingKey, secret, endpointId, randomBytes) };
  }

  /** Those that can be read: one that was sealed under another secret of the cluster cannot. */
  open(endpointId: string, stored: readonly Pick<StoredSecret, 'id' | 'sealed'>[]): Uint8Array[] {
    const { sealingKey, logger } = this.#options;
    return stored.flatMap(({ id, sealed }) => {
      try {
        return [unseal(sealingKey, sealed, endpointId)];
      } catch (error) {
        logger.warn({ err: error, webhookId: endpointId, secretId: id }, 'a secret cannot be decrypted');
        return [];
      }
    });
  }
}
