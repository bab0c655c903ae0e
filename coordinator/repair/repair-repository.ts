import { sql } from 'kysely';
import type { Database, Transaction } from '../database/database.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import { SHORT_LISTED_MAX } from './limits.ts';

/** What a check found in one range. */
export interface RangeVerdict {
  readonly range: number;
  /** The ring's step that it was checked under. */
  readonly step: number;
  readonly chunks: number;
  readonly bytes: number;
  /** Copies that owners lack. */
  readonly missingCopies: number;
  readonly short: readonly ShortChunk[];
}

export interface ShortChunk extends ChunkRef {
  /** Good copies that owners have. */
  readonly copies: number;
  readonly problem: string | null;
}

export interface ListedShortChunk extends ShortChunk {
  readonly foundAt: Date;
}

/** All ranges summed up. */
export interface CensusSums {
  /** Checked, nothing missing, nothing suspected since. */
  readonly verified: number;
  readonly suspected: number;
  /** Ranges with copies missing. */
  readonly short: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly missingCopies: number;
  /** When the check that is longest ago began; null when a range was never checked. */
  readonly oldestCheck: Date | null;
  readonly shortChunks: number;
  /** Of these, chunks of which no copy was found at all. */
  readonly lostChunks: number;
  /** Some suspicions, in words. */
  readonly suspicions: readonly string[];
}

/**
 * What is known of the copies in each range. All times are the database's. A check counts from when it began: what
 * is suspected after that stays suspected.
 */
export class RepairRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** From now on nobody may say that these ranges are complete, until a check that begins later has seen it. */
  async suspect(ranges: readonly number[], why: string, within?: Transaction): Promise<void> {
    if (ranges.length === 0) return;
    await sql`
      insert into range_checks (range, suspected_at, suspicion)
      select range, clock_timestamp(), ${why} from unnest(${[...new Set(ranges)]}::integer[]) as range
      on conflict (range) do update set suspected_at = excluded.suspected_at, suspicion = excluded.suspicion
    `.execute(within ?? this.#database);
  }

  /** `suspect` for every range of the ring. */
  async suspectAll(rangeCount: number, why: string): Promise<void> {
    await sql`
      insert into range_checks (range, suspected_at, suspicion)
      select range, clock_timestamp(), ${why} from generate_series(0, ${rangeCount - 1}::integer) as range
      on conflict (range) do update set suspected_at = excluded.suspected_at, suspicion = excluded.suspicion
    `.execute(this.#database);
  }

  /**
   * Ranges to check next, at most `limit`: the suspected ones, those never checked and those with copies missing
   * first (a try lies back at least `retryMs`), then those whose last check is longer ago than `intervalMs`. The times are
   * what `record` wants: the database's, before anything is looked at, and since when everything that was stored is
   * named by manifests: the chunks of a running upload are not (of a resumable one, what is being sent now), so what a check
   * misses of them it must not clear.
   */
  async due(
    rangeCount: number,
    options: { readonly limit: number; readonly intervalMs: number; readonly retryMs: number },
  ): Promise<{ readonly ranges: readonly number[]; readonly now: Date; readonly namedUntil: Date }> {
    const { limit, intervalMs, retryMs } = options;
    // In selects of their own these are computed once, and not for each of thousands of ranges.
    const retriedBefore = sql`(select clock_timestamp() - ${retryMs}::integer * interval '1 millisecond')`;
    const checkedBefore = sql`(select clock_timestamp() - ${intervalMs}::double precision * interval '1 millisecond')`;
    const { rows } = await sql<{ range: number; now: Date; named_until: Date }>`
      select range, clock_timestamp() as now,
        least(
          (select min(objects.created_at) from objects left join uploads on uploads.object_id = objects.id
            where objects.state = 'open' and uploads.id is null),
          (select min(held_since) from uploads where lock_expires_at > clock_timestamp()),
          (select min(created_at) from record_writes),
          clock_timestamp()
        ) as named_until
      from generate_series(0, ${rangeCount - 1}::integer) as range
      left join range_checks using (range)
      where (tried_at is null or tried_at < ${retriedBefore})
        and (checked_at is null or suspected_at is not null
          or (missing_copies > 0 and checked_at < ${retriedBefore})
          or checked_at < ${checkedBefore})
      order by missing_copies desc nulls last, (suspected_at is null), checked_at nulls first, range
      limit ${limit}::integer
    `.execute(this.#database);
    const { now = new Date(0), named_until: namedUntil = new Date(0) } = rows[0] ?? {};
    return { ranges: rows.map(({ range }) => range), now, namedUntil };
  }

  /** Stores what checks that began at `now` found. Clears only what was suspected before both times. */
  async record(
    verdicts: readonly RangeVerdict[],
    { now: startedAt, namedUntil }: { readonly now: Date; readonly namedUntil: Date },
  ): Promise<void> {
    const clearable = namedUntil < startedAt ? namedUntil : startedAt;
    if (verdicts.length === 0) return;
    const column = (name: 'range' | 'step' | 'chunks' | 'bytes' | 'missingCopies') =>
      verdicts.map((verdict) => verdict[name]);
    const ranges = column('range');
    await this.#database.transaction().execute(async (transaction) => {
      await sql`
        insert into range_checks (range, checked_step, checked_at, chunks, bytes, missing_copies)
        select v.range, v.step, ${startedAt}::timestamptz, v.chunks, v.bytes, v.missing
        from unnest(
          ${ranges}::integer[], ${column('step')}::integer[], ${column('chunks')}::bigint[],
          ${column('bytes')}::bigint[], ${column('missingCopies')}::bigint[]
        ) as v (range, step, chunks, bytes, missing)
        on conflict (range) do update set
          checked_step = excluded.checked_step, checked_at = excluded.checked_at, chunks = excluded.chunks,
          bytes = excluded.bytes, missing_copies = excluded.missing_copies,
          tried_at = case when range_checks.suspected_at >= ${clearable}::timestamptz then clock_timestamp() end,
          suspicion = case when range_checks.suspected_at >= ${clearable}::timestamptz then range_checks.suspicion end,
          suspected_at = case when range_checks.suspected_at >= ${clearable}::timestamptz then range_checks.suspected_at end
      `.execute(transaction);
      const short = verdicts.flatMap(({ range, short: chunks }) =>
        chunks.slice(0, SHORT_LISTED_MAX).map((chunk) => ({ ...chunk, range })),
      );
      await this.#replaceShort(transaction, ranges, short);
    });
  }

  /** These could not be checked now: suspected as they are, they are tried again only after a while. */
  async postpone(ranges: readonly number[], why: string): Promise<void> {
    if (ranges.length === 0) return;
    await this.suspect(ranges, why);
    await this.#database
      .updateTable('range_checks')
      .set({ tried_at: sql<Date>`clock_timestamp()` })
      .where('range', 'in', [...ranges])
      .execute();
  }

  /** Whatever was tried in vain may be tried again at once. */
  async forgetTries(): Promise<void> {
    await this.#database.updateTable('range_checks').set({ tried_at: null }).execute();
  }

  async sums(rangeCount: number): Promise<CensusSums> {
    const { rows } = await sql<Record<string, number | string | Date | null>>`
      select
        count(*) filter (where checked_at is not null and suspected_at is null and missing_copies = 0) as verified,
        count(*) filter (where suspected_at is not null) as suspected,
        count(*) filter (where missing_copies > 0) as short,
        count(*) filter (where checked_at is not null) as checked,
        coalesce(sum(chunks), 0)::bigint as chunks, coalesce(sum(bytes), 0)::bigint as bytes,
        coalesce(sum(missing_copies), 0)::bigint as missing,
        min(checked_at) as oldest,
        (select count(*) from short_chunks) as short_chunks,
        (select count(*) from short_chunks where copies = 0) as lost_chunks
      from range_checks where range < ${rangeCount}::integer
    `.execute(this.#database);
    const row = rows[0]!;
    const suspicions = await this.#database
      .selectFrom('range_checks')
      .select('suspicion')
      .distinct()
      .where('suspicion', 'is not', null)
      .limit(10)
      .execute();
    return {
      verified: Number(row.verified),
      suspected: Number(row.suspected),
      short: Number(row.short),
      chunks: Number(row.chunks),
      bytes: Number(row.bytes),
      missingCopies: Number(row.missing),
      oldestCheck: Number(row.checked) === rangeCount ? (row.oldest as Date) : null,
      shortChunks: Number(row.short_chunks),
      lostChunks: Number(row.lost_chunks),
      suspicions: suspicions.map(({ suspicion }) => suspicion!),
    };
  }

  /** Short chunks, the rarest first, from behind the cursor. */
  async listShort(page: {
    readonly after: { readonly copies: number; readonly id: string } | null;
    readonly limit: number;
  }): Promise<ListedShortChunk[]> {
    let query = this.#database
      .selectFrom('short_chunks')
      .selectAll()
      .orderBy('copies')
      .orderBy('id')
      .limit(page.limit);
    if (page.after !== null) {
      query = query.where(sql<boolean>`(copies, id) > (${page.after.copies}::integer, ${page.after.id})`);
    }
    const rows = await query.execute();
    return rows.map((row) => ({
      id: row.id,
      position: Number(row.position),
      length: row.length,
      checksum: Number(row.checksum),
      copies: row.copies,
      problem: row.problem,
      foundAt: row.found_at,
    }));
  }

  async #replaceShort(
    transaction: Transaction,
    ranges: readonly number[],
    short: readonly (ShortChunk & { readonly range: number })[],
  ): Promise<void> {
    await sql`
      delete from short_chunks where range = any(${[...ranges]}::integer[])
    `.execute(transaction);
    if (short.length === 0) return;
    await sql`
      insert into short_chunks (id, range, position, length, checksum, copies, problem)
      select s.id, s.range, s.position, s.length, s.checksum, s.copies, s.problem
      from unnest(
        ${short.map(({ id }) => id)}::text[], ${short.map(({ range }) => range)}::integer[],
        ${short.map(({ position }) => position)}::bigint[], ${short.map(({ length }) => length)}::integer[],
        ${short.map(({ checksum }) => checksum)}::bigint[], ${short.map(({ copies }) => copies)}::integer[],
        ${short.map(({ problem }) => problem)}::text[]
      ) as s (id, range, position, length, checksum, copies, problem)
      on conflict (id) do nothing
    `.execute(transaction);
  }
}
