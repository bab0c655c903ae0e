import { type Algorithm, hash, verify } from '@node-rs/argon2';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import {
  ARGON2_LANES,
  ARGON2_MEMORY_KIB,
  ARGON2_PASSES,
  HASHES_AT_ONCE,
  HASHES_WAITING_MAX,
} from './limits.ts';

/** Argon2id; the enumeration of the package is not there at run time. */
const ARGON2ID = 2 as Algorithm;
const PARAMETERS = {
  algorithm: ARGON2ID,
  memoryCost: ARGON2_MEMORY_KIB,
  timeCost: ARGON2_PASSES,
  parallelism: ARGON2_LANES,
};
const CURRENT = `$argon2id$v=19$m=${ARGON2_MEMORY_KIB},t=${ARGON2_PASSES},p=${ARGON2_LANES}$`;

/**
 * Argon2id (RFC 9106) with OWASP's parameters, some 20 ms and 19 MiB a password. It runs on the threads that Node has for
 * files, names and signatures, so only a few at a time may: the others wait in a queue of bounded length.
 */
export class Passwords {
  readonly #waitingMax: number;
  /** What is compared with when there is no account, so that its absence takes as long. */
  readonly #nobodys: string;
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  private constructor(nobodys: string, waitingMax: number) {
    this.#nobodys = nobodys;
    this.#waitingMax = waitingMax;
  }

  static async open(
    randomBytes: (count: number) => Uint8Array,
    waitingMax = HASHES_WAITING_MAX,
  ): Promise<Passwords> {
    return new Passwords(await hash(randomBytes(32), PARAMETERS), waitingMax);
  }

  /** In PHC's form. Rejects with `too_busy` when too many wait, like `verify`. */
  hash(password: string): Promise<string> {
    return this.#inTurn(() => hash(password, PARAMETERS));
  }

  /** Whether the password has that hash. Without one (null) it takes as long and is false. */
  async verify(password: string, hashed: string | null): Promise<boolean> {
    const isRight = await this.#inTurn(() => verify(hashed ?? this.#nobodys, password));
    return isRight && hashed !== null;
  }

  /** Whether the hash was made with other parameters than today's, and should be made again. */
  isOutdated(hashed: string): boolean {
    return !hashed.startsWith(CURRENT);
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#underWay < HASHES_AT_ONCE) this.#underWay += 1;
    else if (this.#waiting.length < this.#waitingMax) {
      // Whoever is done hands its place over.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      throw new AppError<ErrorCode>('too_busy', 'Too many logins are under way here.', { retryable: true });
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next !== undefined) next();
      else this.#underWay -= 1;
    }
  }
}
