import { type RawBuilder, sql } from 'kysely';

/** Messages say that there may be a task to do. */
export const TASKS_CHANNEL = 'transcode_tasks';

/** A column of a query: tells all coordinators when that commits. */
export const TELL_OF_TASKS: RawBuilder<unknown> = sql`pg_notify(${sql.lit(TASKS_CHANNEL)}, '')`;
