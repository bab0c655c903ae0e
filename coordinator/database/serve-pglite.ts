import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PGlite } from '@electric-sql/pglite';
import { isAppError } from '../../lib/errors/app-error.ts';
import { DirectoryLock } from './directory-lock.ts';
import { LOCK_RETRY_MS } from './limits.ts';
import { MessageSplitter } from './message-splitter.ts';
import { isCreated, openPglite } from './pglite.ts';
import { EXIT_STATUS, formatRemark, parseArguments, saysTheEnd, WIRE_FD } from './pglite-protocol.ts';

export interface ServeOptions {
  /** Brings a file to the disk; only tests pass another. */
  readonly fsync?: (fileDescriptor: number) => void;
}

interface OpenPglite {
  readonly pglite: PGlite;
  readonly lock: DirectoryLock;
}

/** The status with which PostgreSQL leaves its main loop to report the error of a statement. */
const STATEMENT_FAILED = 100;

/**
 * Runs PGlite for the process that started this one, and holds the directory's lock for as long as this process
 * lives. It ends when the client takes its leave, after closing the database. It ends at once when the pipe breaks,
 * because the other process has died, and when PostgreSQL gives up or traps: PGlite itself would enter it again, and
 * might never return.
 */
export async function servePglite(options: ServeOptions = {}): Promise<void> {
  // A terminal and many a supervisor signal both processes, but the other one has statements to run before it ends.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  const opened = openLocked(options);
  // Before it is open: a process that has died needs no database.
  serveClient(opened);
  try {
    await opened;
  } catch (error) {
    say(formatRemark(error instanceof Error ? error.message : String(error)));
    process.exit(isLocked(error) ? EXIT_STATUS.locked : EXIT_STATUS.failed);
  }
}

async function openLocked(options: ServeOptions): Promise<OpenPglite> {
  const { dataDir, lockWaitMs } = parseArguments(process.argv.slice(2));
  const lock = await acquireLock(dataDir, lockWaitMs);
  const pgliteOptions = { ...options, dataDir, onLogLine: passLogLine };
  const isNew = !isCreated(dataDir);
  const pglite = await openPglite(pgliteOptions);
  if (isNew) {
    await pglite.close();
    process.exit(EXIT_STATUS.created);
  }
  endOnTrap(pglite);
  return { pglite, lock };
}

/** The process that had the directory may take a moment to notice that its own coordinator has died. */
async function acquireLock(dataDir: string, waitMs: number): Promise<DirectoryLock> {
  const purpose = `The database in ${path.resolve(dataDir, 'database')}`;
  const holder = `pid ${process.ppid}, which runs PGlite as ${process.pid}`;
  const deadlineMs = performance.now() + waitMs;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await DirectoryLock.acquire(path.join(dataDir, 'database.lock'), purpose, holder);
    } catch (error) {
      if (!isLocked(error) || performance.now() >= deadlineMs) throw error;
      if (isFirst) say(formatRemark(`waiting: ${(error as Error).message}`));
      await sleep(LOCK_RETRY_MS);
    }
  }
}

function isLocked(error: unknown): boolean {
  return isAppError(error) && error.code === 'database_unavailable';
}

/** Answers the client's messages in their order. */
function serveClient(opened: Promise<OpenPglite>): void {
  const client = new Socket({ fd: WIRE_FD, allowHalfOpen: true });
  const splitter = new MessageSplitter();
  let hasLeft = false;
  let answered: Promise<void> = opened.then(() => {});
  // The failure to open is reported elsewhere.
  answered.catch(() => {});
  client.on('data', (bytes) => {
    const { whole, terminated } = splitter.push(bytes);
    if (whole) answered = answered.then(() => answer(opened, whole, client));
    if (terminated && !hasLeft) void answered.then(() => close(opened));
    hasLeft = terminated;
  });
  client.on('error', () => {});
  const endWithClient = () => {
    if (!hasLeft) process.exit(EXIT_STATUS.failed);
  };
  client.on('end', endWithClient);
  client.on('close', endWithClient);
}

async function answer(opened: Promise<OpenPglite>, request: Uint8Array, client: Socket): Promise<void> {
  const { pglite } = await opened;
  const pieces: Uint8Array[] = [];
  // The plain `execProtocolRaw` parses its answers as well, and keeps what it parsed for ever.
  await pglite.execProtocolRawStream(request, {
    syncToFs: false,
    // What is passed lies in PostgreSQL's own buffer.
    onRawData: (bytes) => pieces.push(bytes.slice()),
  });
  if (pieces.length > 0) client.write(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
}

async function close(opened: Promise<OpenPglite>): Promise<void> {
  const { pglite, lock } = await opened;
  await pglite.close();
  await lock[Symbol.asyncDispose]();
  process.exit();
}

function passLogLine(line: string): void {
  say(line);
  if (saysTheEnd(line)) process.exit(EXIT_STATUS.failed);
}

/** PGlite takes whatever is thrown out of PostgreSQL for a failed statement. */
function endOnTrap(pglite: PGlite): void {
  const engine = pglite.Module;
  const runOnce = engine._PostgresMainLoopOnce;
  engine._PostgresMainLoopOnce = () => {
    try {
      runOnce();
    } catch (error) {
      if ((error as { status?: unknown }).status === STATEMENT_FAILED) throw error;
      say(formatRemark(`trapped: ${error}`));
      process.exit(EXIT_STATUS.failed);
    }
  };
}

/** Written before this returns, because the process may be about to end. */
function say(line: string): void {
  try {
    writeSync(process.stderr.fd, `${line}\n`);
  } catch {
    // Nobody listens any more.
  }
}
