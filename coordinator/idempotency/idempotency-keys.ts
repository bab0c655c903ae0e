import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { type Clock, repeat } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Database } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import { invalidRequest } from '../parse-fields.ts';
import { ANSWER_LENGTH_MAX, KEY_LEASE_MS, KEY_MEMORY_MS, KEY_RENEWAL_MS } from './limits.ts';

export interface IdempotencyKeysOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** UUIDv7, lower-case; never the same twice. */
  readonly createId: () => string;
}

/** An answer to a creation. */
export interface CreationAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
}

export interface Creation {
  /** The header as it came; undefined: nothing is remembered. */
  readonly key: string | undefined;
  /** Whose key it is. Null: an operator's. */
  readonly userId: string | null;
  /** All that makes it this request: what is the same is the same request. */
  readonly fingerprint: readonly (string | undefined)[];
  /** Makes the thing, under exactly this id. */
  create(id: string): Promise<CreationAnswer>;
  /** The answer for a thing that was made by a request whose answer nobody has; null when there is none. */
  recall(id: string): Promise<CreationAnswer | null>;
}

/** A request's hold of a key. */
interface Holding {
  readonly owner: string;
  readonly key: string;
  readonly holder: string;
}

interface Begun {
  readonly resourceId: string;
  /** From a request that ended without an answer. */
  readonly isTakenOver: boolean;
}

interface Row {
  readonly fingerprint: Uint8Array;
  readonly resource_id: string;
  readonly answer: string | null;
}

const KEY = /^"?([\x21\x23-\x7e]{1,255})"?$/;

/**
 * Requests that may be repeated without making a second thing (`Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header).
 * The id of what is made is in the key's row before it is made, so that it is found again even when the coordinator died
 * between making it and saying so.
 */
export class IdempotencyKeys {
  readonly #options: IdempotencyKeysOptions;

  constructor(options: IdempotencyKeysOptions) {
    this.#options = options;
  }

  /**
   * Runs `create`, once for a key; later requests with it get the first answer, with `idempotency-replayed`. What failed is
   * not remembered. Rejects with `idempotency_key_reused` when the key belongs to another request, and with
   * `request_in_progress` while the first one runs.
   */
  async run(creation: Creation): Promise<CreationAnswer> {
    const { createId } = this.#options;
    if (creation.key === undefined) return await creation.create(createId());
    const key = KEY.exec(creation.key.trim())?.[1];
    if (key === undefined) {
      throw invalidRequest([{ field: 'Idempotency-Key', message: 'expected 1 to 255 visible characters' }]);
    }
    const owner = creation.userId ?? 'operator';
    const text = JSON.stringify(creation.fingerprint.map((part) => part ?? null));
    const fingerprint = createHash('sha256').update(text).digest();
    const holder = createId();
    const begun = await this.#begin(owner, key, fingerprint, holder);
    if (begun === null) return await this.#replay(owner, key, fingerprint);
    return await this.#create(creation, { owner, key, holder, ...begun });
  }

  /** Forgets what is old. Never rejects. */
  async runOnce(): Promise<void> {
    try {
      await this.#options.database
        .deleteFrom('idempotency_keys')
        .where('expires_at', '<', sql<Date>`now()`)
        .execute();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'old idempotency keys could not be forgotten');
    }
  }

  async #create(creation: Creation, row: Holding & Begun): Promise<CreationAnswer> {
    const { clock } = this.#options;
    const ended = new AbortController();
    const renewing = clock
      .sleep(KEY_RENEWAL_MS, ended.signal)
      .then(() => repeat(clock, KEY_RENEWAL_MS, ended.signal, () => this.#renew(row)))
      .catch(() => {});
    try {
      const made = row.isTakenOver ? await creation.recall(row.resourceId) : null;
      const answer = made ?? (await creation.create(row.resourceId));
      await this.#keep(row, answer);
      return answer;
    } catch (error) {
      // What was refused may be put right and sent again; whatever else happened may have made the thing.
      await this.#giveBack(row, isAppError(error) && !error.retryable);
      throw error;
    } finally {
      ended.abort(new Error('the request has ended'));
      await renewing;
    }
  }

  /** Null when the key is somebody's already. */
  async #begin(owner: string, key: string, fingerprint: Uint8Array, holder: string): Promise<Begun | null> {
    const id = this.#options.createId();
    // One whose request died is taken over, with the id that it had.
    const { rows } = await sql<{ resource_id: string }>`
      insert into idempotency_keys as known (owner, key, fingerprint, resource_id, holder, lease_expires_at, expires_at)
      values (${owner}, ${key}, ${fingerprint}::bytea, ${id}::uuid, ${holder}::uuid,
        ${inMs(KEY_LEASE_MS)}, ${inMs(KEY_MEMORY_MS)})
      on conflict (owner, key) do update
      set holder = excluded.holder, lease_expires_at = excluded.lease_expires_at, expires_at = excluded.expires_at,
        fingerprint = excluded.fingerprint, answer = null,
        resource_id = case when known.expires_at < now() then excluded.resource_id else known.resource_id end
      where known.expires_at < now()
        or (known.answer is null and known.lease_expires_at < now() and known.fingerprint = excluded.fingerprint)
      returning resource_id
    `.execute(this.#options.database);
    const [row] = rows;
    return row === undefined ? null : { resourceId: row.resource_id, isTakenOver: row.resource_id !== id };
  }

  async #replay(owner: string, key: string, fingerprint: Uint8Array): Promise<CreationAnswer> {
    const row: Row | undefined = await this.#options.database
      .selectFrom('idempotency_keys')
      .select(['fingerprint', 'resource_id', 'answer'])
      .where('owner', '=', owner)
      .where('key', '=', key)
      .executeTakeFirst();
    if (row !== undefined && !Buffer.from(row.fingerprint).equals(fingerprint)) {
      throw new AppError<ErrorCode>(
        'idempotency_key_reused',
        'Another request had this Idempotency-Key. Take a new one for each thing that is to be made.',
      );
    }
    if (row === undefined || row.answer === null) {
      throw new AppError<ErrorCode>(
        'request_in_progress',
        'The first request with this Idempotency-Key is still under way.',
        { retryable: true, details: { headers: { 'retry-after': '2' } } },
      );
    }
    const answer = JSON.parse(row.answer) as CreationAnswer;
    return { ...answer, headers: { ...answer.headers, 'idempotency-replayed': 'true' } };
  }

  /** Without the answer being kept the thing is found by its id when somebody asks again. */
  async #keep(row: Holding, answer: CreationAnswer): Promise<void> {
    const text = JSON.stringify(answer);
    if (text.length > ANSWER_LENGTH_MAX) throw new Error('an answer is too long to be kept');
    try {
      await this.#ofRow(row).set({ answer: text }).execute();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'an answer could not be kept for its idempotency key');
    }
  }

  async #renew(row: Holding): Promise<void> {
    try {
      await this.#ofRow(row)
        .set({ lease_expires_at: inMs(KEY_LEASE_MS) })
        .execute();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'an idempotency key could not be renewed');
    }
  }

  /** The next request may try; unless the key is forgotten, it looks first for what this one made. */
  async #giveBack(row: Holding, isForgotten: boolean): Promise<void> {
    try {
      if (isForgotten) {
        await this.#options.database
          .deleteFrom('idempotency_keys')
          .where('owner', '=', row.owner)
          .where('key', '=', row.key)
          .where('holder', '=', row.holder)
          .execute();
        return;
      }
      await this.#ofRow(row).set({ lease_expires_at: sql<Date>`now() - interval '1 second'` }).execute();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'an idempotency key could not be given back');
    }
  }

  #ofRow({ owner, key, holder }: Holding) {
    return this.#options.database
      .updateTable('idempotency_keys')
      .where('owner', '=', owner)
      .where('key', '=', key)
      .where('holder', '=', holder);
  }
}

function inMs(milliseconds: number) {
  return sql<Date>`now() + ${milliseconds}::bigint * interval '1 millisecond'`;
}
