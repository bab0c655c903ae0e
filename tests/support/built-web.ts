import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const BUILD = join(import.meta.dirname, '../../scripts/build-web.ts');

/** Builds the web page unless it is made of the present sources. */
export async function buildWeb(): Promise<void> {
  await promisify(execFile)(process.execPath, [BUILD, '--if-stale']);
}
