/**
 * Sends a file of movies to a running OrbitVids: `node scripts/import-movies.ts FILE [--url http://127.0.0.1:5000] [--mode keep-going|atomic]`.
 * The token of an administrator is taken from the environment, `TOKEN`. FILE is a JSON array or has one movie a line.
 *
 * Exits with 0 when everything was taken, 1 when something was rejected or the import failed, 2 when it was called wrongly.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { ImportReport } from '../coordinator/catalog/schema.ts';
import { importFile } from './catalog/import-file.ts';

const BAR_WIDTH = 30;
const REDRAW_MS = 200;
const MIB = 1024 ** 2;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** On a terminal one line that is drawn again and again, elsewhere nothing. */
function createBar(): (sentBytes: number, totalBytes: number) => void {
  const startMs = performance.now();
  let drawnMs = 0;
  return (sentBytes, totalBytes) => {
    const nowMs = performance.now();
    const isComplete = sentBytes >= totalBytes;
    if (!process.stdout.isTTY || (!isComplete && nowMs - drawnMs < REDRAW_MS)) return;
    drawnMs = nowMs;
    const share = totalBytes === 0 ? 1 : sentBytes / totalBytes;
    const filled = Math.round(share * BAR_WIDTH);
    const bytesPerMs = sentBytes / Math.max(1, nowMs - startMs);
    const leftS = Math.ceil((totalBytes - sentBytes) / bytesPerMs / 1000);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    const size = `${(sentBytes / MIB).toFixed(1)} of ${(totalBytes / MIB).toFixed(1)} MiB`;
    const rest = isComplete ? 'waiting for the end ...' : `${leftS} s left`;
    process.stdout.write(`\r${bar} ${(share * 100).toFixed(0).padStart(3)}%  ${size}  ${rest}   `);
    if (isComplete) process.stdout.write('\n');
  };
}

function show(report: ImportReport): void {
  const { added, updated, unchanged, kept, duplicates, rejected, problems } = report;
  say(
    `added ${added}, updated ${updated}, unchanged ${unchanged}, kept ${kept}, duplicates ${duplicates}, rejected ${rejected}`,
  );
  for (const { line, byte, field, value, message } of problems) {
    const what = field === '' ? '' : ` ${field}`;
    say(`  line ${line}, byte ${byte}:${what} ${message}${value === '' ? '' : ` (${value})`}`);
  }
  const shown = problems.filter(({ code }) => code !== 'duplicate').length;
  if (shown < rejected) say(`  ... and ${rejected - shown} more`);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:5000' },
      mode: { type: 'string', default: 'keep-going' },
    },
  });
  const [file] = positionals;
  const { mode, url } = values;
  const token = process.env.TOKEN ?? '';
  if (
    file === undefined ||
    !existsSync(file) ||
    (mode !== 'keep-going' && mode !== 'atomic') ||
    token === ''
  ) {
    process.stderr.write(
      'TOKEN=... node scripts/import-movies.ts FILE [--url http://127.0.0.1:5000] [--mode keep-going|atomic]\n',
    );
    return 2;
  }
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  const startMs = performance.now();
  const { status, report, problem } = await importFile({
    file,
    url,
    token,
    mode,
    signal: abort.signal,
    onProgress: createBar(),
  });
  if (problem !== undefined) say(`${status}: ${problem}`);
  if (report !== undefined) show(report);
  const tookS = (performance.now() - startMs) / 1000;
  if (report !== undefined && report.added > 0) {
    say(`${tookS.toFixed(1)} s, ${Math.round((report.added + report.updated) / tookS)} movies a second`);
  }
  return status === 200 && report?.rejected === 0 ? 0 : 1;
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});
