import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { importFile } from './import-file.ts';

/** The movies of vega-datasets, which is installed with the other packages. */
const SAMPLE = fileURLToPath(new URL('../../node_modules/vega-datasets/data/movies.json', import.meta.url));

export interface SampleCatalogOptions {
  /** Of the coordinator. */
  readonly url: string;
  /** An administrator's; undefined when nobody has said one. */
  readonly token: string | undefined;
  /** Whether somebody has asked for the sample, or may be asked. */
  readonly wish: 'load' | 'ask';
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Fills an empty catalog with 3,200 movies if that is wanted; one that has movies is left alone. */
export async function offerSampleCatalog(options: SampleCatalogOptions): Promise<void> {
  const { url, token, wish, say, signal } = options;
  if (token === undefined || !existsSync(SAMPLE)) {
    if (wish === 'load')
      say('No sample catalog was loaded: that takes ADMIN_TOKEN, and all packages installed.');
    return;
  }
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}/api/v1/movies?limit=1`, { headers, signal });
  const { items } = (await response.json()) as { items?: unknown[] };
  if (!response.ok || items === undefined || items.length > 0) return;
  if (wish === 'ask' && !(await isWanted(signal))) return;
  const { report, problem } = await importFile({ file: SAMPLE, url, token, mode: 'keep-going', signal });
  say(problem ?? `The sample catalog is loaded: ${report?.added} movies, at ${url}/api/v1/movies`);
}

async function isWanted(signal: AbortSignal): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  // Ctrl-C goes to whoever watches over the cluster.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    const answer = await terminal.question('The catalog is empty. Load a sample of 3,200 movies? [y/N] ', {
      signal,
    });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
