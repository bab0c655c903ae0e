import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { DatabaseHandle, Transaction } from '../database/database.ts';
import { type Revocation, Revocations, storeRevocation } from './revocations.ts';
import type { KeyRing } from './signing-keys.ts';

const CHANNEL = 'auth';

export interface AuthStateOptions {
  readonly database: DatabaseHandle;
  readonly keys: KeyRing;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * What a coordinator must know to judge credentials without asking the database: revocations, signing keys, the hash of
 * the admin token. Whatever changes it is told to all coordinators by the transaction that makes the change. After lost
 * messages nothing of it counts until it was read again; if that fails, nobody is let in.
 */
export class AuthState implements AsyncDisposable {
  readonly revocations: Revocations;
  readonly #options: AuthStateOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #listeners = new Set<() => void>();
  #adminTokenHash: Uint8Array = new Uint8Array(32);
  /** Counts what makes the state out of date. */
  #changes = 1;
  /** The count that was read. */
  #loaded = 0;
  #loading: Promise<void> | undefined;

  private constructor(options: AuthStateOptions) {
    this.#options = options;
    this.revocations = new Revocations(options.clock);
  }

  /** Resolves when it is known. The admin token and a signing key must exist by the first request. */
  static async open(options: AuthStateOptions): Promise<AuthState> {
    const state = new AuthState(options);
    await using stack = new AsyncDisposableStack();
    stack.use(state);
    const { notifications } = options.database;
    state.#stack.defer(await notifications.subscribe(CHANNEL, (message) => state.#hear(message)));
    state.#stack.defer(notifications.onGap(() => state.#outdate()));
    await state.current();
    stack.move();
    return state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
    await this.#loading?.catch(() => {});
  }

  /** SHA-256 of the admin token; of nothing while there is none. */
  get adminTokenHash(): Uint8Array {
    return this.#adminTokenHash;
  }

  get keys(): KeyRing {
    return this.#options.keys;
  }

  /** Undefined when what is known is all there is to know; otherwise resolves once it is, or rejects as the database does. */
  current(): Promise<void> | undefined {
    if (this.#loaded === this.#changes) return undefined;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    // Whoever joins a load that began before the latest change has to look again.
    return this.#loading.then(() => this.current());
  }

  /** Revokes within the transaction, on every coordinator once it commits. */
  async revoke(transaction: Transaction, revocation: Revocation): Promise<void> {
    await storeRevocation(transaction, revocation);
    const { kind, subject } = revocation;
    const generation = kind === 'user' ? ` ${revocation.generation}` : '';
    await this.#publish(`${kind} ${subject}${generation}`, transaction);
  }

  /** To be called when a transaction with `revoke` has committed: its message takes a moment even to come back here. */
  learn(revocation: Revocation): void {
    this.revocations.learn(revocation);
    this.#tell();
  }

  /** Tells all coordinators that something else than a revocation is different: API keys, signing keys, the admin token. */
  async announce(what: 'api-keys' | 'keys', transaction: Transaction): Promise<void> {
    await this.#publish(what, transaction);
  }

  /** To be called when a transaction with `announce('api-keys')` has committed, for the same reason as `learn`. */
  forgetDerived(): void {
    this.#tell();
  }

  /** The listener is called when something that it may have derived from the database counts no more. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  #publish(message: string, transaction: Transaction): Promise<void> {
    return this.#options.database.notifications.publish(CHANNEL, message, transaction);
  }

  #hear(message: string): void {
    const [kind, subject = '', generation] = message.split(' ');
    if (kind === 'session') this.revocations.learn({ kind, subject });
    else if (kind === 'user') this.revocations.learn({ kind, subject, generation: Number(generation) });
    else if (kind === 'keys') this.#outdate();
    this.#tell();
  }

  #outdate(): void {
    this.#changes += 1;
    this.#tell();
    // Not only when somebody asks: the first request should not have to wait.
    this.current()?.catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, 'revocations and keys could not be read again');
    });
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  async #load(): Promise<void> {
    const { database, keys } = this.#options;
    const changes = this.#changes;
    // Messages that arrive meanwhile add to what is read.
    await this.revocations.load(database.kysely);
    await keys.load();
    const row = await database.kysely.selectFrom('cluster').select('admin_token_hash').executeTakeFirst();
    this.#adminTokenHash = row?.admin_token_hash ?? new Uint8Array(32);
    this.#loaded = changes;
  }
}
