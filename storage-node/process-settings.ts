import { flushCompileCache } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Counts the starts of the program in this process, so that it is started over a limited number of times. */
const STARTS = 'ORBITVIDS_STARTS';

const FLAGS = [
  // Makes V8 collect often; by itself it lets garbage gather as long as the machine has memory.
  '--max-semi-space-size=2',
  '--max-old-space-size=128',
];

const VARIABLES: Readonly<Record<string, string>> = {
  // Four threads are not enough where writes wait for the disk while reads go on.
  UV_THREADPOOL_SIZE: '8',
  // Each arena of glibc's allocator keeps freed memory of its own.
  MALLOC_ARENA_MAX: '2',
  // Keeps the files with their types stripped. Stripping them takes 28 MiB that are never given back.
  NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
};

/**
 * Starts the program over, in the same process, with the settings above, which count only at the start of a
 * process; `afterImports` starts it over once more if files had to be stripped. Returns when there is nothing to
 * do or the platform cannot do it; the node then runs all the same, with more memory. Variables that are set
 * already are left alone.
 */
export function applyProcessSettings(): void {
  if (process.env[STARTS] === undefined) startOver([...FLAGS, ...process.execArgv], '1');
}

/** To be called when every module has been imported and nothing has been opened yet. */
export function afterImports(): void {
  const { moduleLoadList } = process as unknown as { readonly moduleLoadList?: readonly string[] };
  const stripped = moduleLoadList?.some((name) => name.includes('amaro'));
  if (process.env[STARTS] !== '1' || !stripped) return;
  flushCompileCache();
  startOver(process.execArgv, '2');
}

function startOver(flags: readonly string[], starts: string): void {
  // A parent that talks to this process over a pipe of Node's would lose it.
  if (!process.execve || process.env.NODE_CHANNEL_FD !== undefined) return;
  process.execve(process.execPath, [process.execPath, ...flags, ...process.argv.slice(1)], {
    ...VARIABLES,
    ...process.env,
    [STARTS]: starts,
  });
}
