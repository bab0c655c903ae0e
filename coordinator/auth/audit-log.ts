import type { Database, Transaction } from '../database/database.ts';
import { isAdmin, type Principal, userIdOf } from './principal.ts';
import type { AuditEventJson } from './schema.ts';

/** Names are part of the API. */
export type AuditKind =
  | 'first_admin_created'
  | 'registered'
  | 'login_succeeded'
  | 'login_failed'
  | 'rate_limited'
  | 'refresh_token_reused'
  | 'logged_out'
  | 'password_changed'
  | 'user_created'
  | 'user_changed'
  | 'user_deleted'
  | 'api_key_created'
  | 'api_key_deleted'
  | 'signing_keys_revoked';

/** Who does something, and from where. */
export interface Origin {
  readonly principal: Principal;
  readonly address: string | null;
  readonly requestId: string | null;
}

export interface AuditEvent {
  readonly kind: AuditKind;
  readonly origin: Origin;
  /** The user whom it concerns. */
  readonly subjectId?: string | null;
  /** Never a secret: neither a password nor what was given as an unknown address. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** What happened to accounts: who, what, when, from where. */
export class AuditLog {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Within a transaction it is there if and only if what it tells of has happened. */
  async record(event: AuditEvent, within?: Transaction): Promise<void> {
    const { kind, origin, subjectId = null, details = {} } = event;
    const { principal, address, requestId } = origin;
    await (within ?? this.#database)
      .insertInto('audit_events')
      .values({
        kind,
        actor_id: userIdOf(principal),
        actor: nameOf(principal),
        subject_id: subjectId,
        address,
        request_id: requestId,
        details: JSON.stringify(details),
      })
      .execute();
  }

  /** Newest first. */
  async list(page: {
    readonly limit: number;
    readonly before?: number | undefined;
    readonly subjectId?: string | undefined;
    readonly kind?: string | undefined;
  }): Promise<AuditEventJson[]> {
    let query = this.#database.selectFrom('audit_events').selectAll();
    const { before, subjectId, kind } = page;
    if (before !== undefined) query = query.where('id', '<', before);
    if (kind !== undefined) query = query.where('kind', '=', kind);
    if (subjectId !== undefined) {
      query = query.where((eb) => eb.or([eb('subject_id', '=', subjectId), eb('actor_id', '=', subjectId)]));
    }
    const rows = await query.orderBy('id', 'desc').limit(page.limit).execute();
    return rows.map((row) => ({
      id: Number(row.id),
      at: row.at.toISOString(),
      kind: row.kind,
      actor: row.actor,
      actorId: row.actor_id,
      subjectId: row.subject_id,
      address: row.address,
      requestId: row.request_id,
      details: row.details as unknown as Record<string, unknown>,
    }));
  }
}

function nameOf(principal: Principal): string {
  if (principal.kind !== 'user') return principal.kind;
  if (principal.sessionId === null) return 'api key';
  return isAdmin(principal) ? 'admin' : 'user';
}
