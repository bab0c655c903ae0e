/**
 * What the process of PGlite and the one that starts it have agreed on. Through the pipe at `WIRE_FD` goes
 * PostgreSQL's wire protocol and nothing else; PostgreSQL's log and remarks come line by line through stderr.
 */

export const WIRE_FD = 3;

/** How the process of PGlite ends when there is something to say about it; 0 when it was asked to close. */
export const EXIT_STATUS = {
  failed: 1,
  /** It has created the database. One that starts afresh is left without the garbage of that. */
  created: 10,
  /** Another process has the directory; the last remark tells which. */
  locked: 11,
} as const;

/** The arguments of the process; `lockWaitMs` is how long another process may take to leave the directory. */
export interface PgliteArguments {
  readonly dataDir: string;
  readonly lockWaitMs: number;
}

export function formatArguments({ dataDir, lockWaitMs }: PgliteArguments): string[] {
  return [dataDir, String(lockWaitMs)];
}

export function parseArguments([dataDir, lockWaitMs]: readonly string[]): PgliteArguments {
  return { dataDir: dataDir!, lockWaitMs: Number(lockWaitMs) };
}

const REMARK = 'pglite: ';

/** A line that is not PostgreSQL's but of the process that runs it. */
export function formatRemark(text: string): string {
  return REMARK + text.replaceAll('\n', ' ');
}

export function parseRemark(line: string): string | undefined {
  return line.startsWith(REMARK) ? line.slice(REMARK.length) : undefined;
}

/** PostgreSQL writes such a line when it cannot go on; what runs after it must not be trusted. */
export function saysTheEnd(logLine: string): boolean {
  return /^[^[]*\[\d+\] (PANIC|FATAL): /.test(logLine);
}
