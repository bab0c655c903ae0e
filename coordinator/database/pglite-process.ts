import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { ErrorCode } from '../errors.ts';
import {
  EXIT_STATUS,
  formatArguments,
  type PgliteArguments,
  parseRemark,
  saysTheEnd,
  WIRE_FD,
} from './pglite-protocol.ts';

export interface PgliteProcessOptions extends PgliteArguments {
  readonly logger: Logger;
  /** What the process runs; only tests pass another. */
  readonly entry?: URL | undefined;
}

const ENTRY = new URL('./pglite-main.ts', import.meta.url);
/** Of what it said, this many lines explain its end. */
const LAST_LINES = 20;
/**
 * How much of a function has to run, in bytes of code, until V8 optimises it; by itself it takes 13 MB. PostgreSQL goes
 * through so much code when it starts that optimising it takes more of the processor than all the rest of a start.
 */
const FLAGS = ['--wasm-tiering-budget=1000000000'];

/**
 * PGlite in a process of its own: PostgreSQL runs, writes and syncs there without holding up this one, and whatever
 * becomes of it, this one goes on. What crosses is the wire protocol, so that `pg` is the client of this database
 * as it is of a server's. It closes the database and ends when the client takes its leave; when this process dies, it
 * ends too.
 */
export class PgliteProcess {
  /** For the one client, which `pg` takes for the socket of a server: PGlite has one session. */
  readonly stream: Duplex;
  /** Resolves with the reason when the process has ended, however it did. Its lock on the directory is free then. */
  readonly ended: Promise<Error>;
  readonly #child: ChildProcess;
  readonly #logger: Logger;
  readonly #lastLines: string[] = [];
  #lastRemark = '';

  constructor({ entry = ENTRY, logger, ...given }: PgliteProcessOptions) {
    // Neither what this process was started with (a debugger's port, a profiler) nor its secrets are for the other.
    const child = spawn(process.execPath, [...FLAGS, fileURLToPath(entry), ...formatArguments(given)], {
      env: passedOn(),
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#logger = logger;
    this.ended = new Promise((resolve) => {
      child.once('error', resolve);
      // Not `exit`: the last lines may still be in the pipe.
      child.once('close', (status, signal) => resolve(this.#describeEnd(signal ?? `status ${status}`)));
    });
    if (!child.stderr) throw new Error('The process of PGlite cannot be started: too many open files.');
    createInterface({ input: child.stderr }).on('line', (line) => this.#passOn(line));
    // It is connected already.
    this.stream = Object.assign(child.stdio[WIRE_FD] as Duplex, {
      connect: () => process.nextTick(() => this.stream.emit('connect')),
    });
    // `ended` says it as well, also when there is no client yet.
    this.stream.on('error', () => {});
  }

  /** Whether it ended because there was no database and it has made one. */
  get hasCreated(): boolean {
    return this.#child.exitCode === EXIT_STATUS.created;
  }

  /** Ends the process whatever it is doing. The next one to open the database finds what was acknowledged. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  #passOn(line: string): void {
    const remark = parseRemark(line);
    if (remark !== undefined) {
      this.#lastRemark = remark;
      this.#logger.warn(`pglite: ${remark}`);
    } else if (saysTheEnd(line)) {
      this.#lastRemark = line;
      this.#logger.error({ line }, 'the embedded database gave up');
    } else {
      this.#logger.debug({ line }, 'pglite');
    }
    this.#lastLines.push(line);
    if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift();
  }

  #describeEnd(how: string): Error {
    if (this.#child.exitCode === EXIT_STATUS.locked) {
      return new AppError<ErrorCode>('database_unavailable', this.#lastRemark);
    }
    const why = this.#lastRemark === '' ? '' : `: ${this.#lastRemark}`;
    return new Error(`Connection terminated: the process of PGlite ended (${how})${why}`, {
      cause: new Error(this.#lastLines.join('\n')),
    });
  }
}

/** Of this process's environment, what the child shall have. */
function passedOn(): Record<string, string> {
  const { TZ, NODE_COMPILE_CACHE } = process.env;
  return { ...(TZ !== undefined && { TZ }), ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }) };
}
