import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { glob, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { build } from 'vite';

/**
 * `npm run build:web`: makes the web page in `coordinator/web/dist`, with everything compressed beforehand. With
 * `--if-stale` only when the page's sources or the packages have changed since. Several builds at a time do not mix.
 */

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const WEB = path.join(ROOT, 'coordinator/web');
const DIST = path.join(WEB, 'dist');
const STAMP = '.stamp';
/** What the page is made of. */
const SOURCES = ['coordinator/web/**/*.{ts,tsx,css,html,svg,json,webmanifest}', 'lib/upload-client/*.ts'];
const COMPRESSIBLE = /\.(?:html|js|css|svg|json|webmanifest)$/;
/** Below this many bytes, compressing makes a file no smaller in packets. */
const COMPRESSED_BYTES_MIN = 512;

async function main(): Promise<void> {
  const stamp = await stampOfSources();
  if (process.argv.includes('--if-stale') && (await readStamp()) === stamp) return;
  process.stdout.write('Building the web page ...\n');
  const made = path.join(WEB, `dist-${process.pid}`);
  try {
    await build({
      configFile: path.join(WEB, 'vite.config.ts'),
      logLevel: 'warn',
      build: { outDir: made, emptyOutDir: true },
    });
    await compressAll(made);
    await writeFile(path.join(made, STAMP), stamp);
    await rm(DIST, { recursive: true, force: true });
    await rename(made, DIST).catch((error: unknown) => {
      // Another build was faster; its page is made of the same sources.
      if (!existsSync(path.join(DIST, STAMP))) throw error;
    });
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

async function stampOfSources(): Promise<string> {
  const files = ['package-lock.json'];
  for await (const file of glob(SOURCES, { cwd: ROOT })) {
    if (!/\/dist(?:-\d+)?\/|\.test\.ts$/.test(file)) files.push(file);
  }
  const hash = createHash('sha256');
  for (const file of files.sort()) {
    hash.update(`${file}\0`).update(await readFile(path.join(ROOT, file)));
  }
  return hash.digest('hex');
}

async function readStamp(): Promise<string | null> {
  return await readFile(path.join(DIST, STAMP), 'utf8').catch(() => null);
}

async function compressAll(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  await Promise.all(
    entries.map(async (entry) => {
      if (!entry.isFile() || !COMPRESSIBLE.test(entry.name)) return;
      const file = path.join(entry.parentPath, entry.name);
      const bytes = await readFile(file);
      if (bytes.length < COMPRESSED_BYTES_MIN) return;
      const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
      await writeFile(`${file}.br`, await promisify(brotliCompress)(bytes, { params }));
      await writeFile(`${file}.gz`, await promisify(gzip)(bytes, { level: 9 }));
    }),
  );
}

await main();
