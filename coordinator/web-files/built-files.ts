import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Asset } from '../asset.ts';

/** What `npm run build:web` makes; the bounds keep a wrong directory from filling the memory. */
const FILES_MAX = 500;
const BYTES_MAX = 32 * 1024 * 1024;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};
const COMPRESSED: ReadonlySet<string> = new Set(['.png', '.woff2']);

export interface BuiltFile {
  readonly asset: Asset;
  /** Whether its name changes with its content. */
  readonly isImmutable: boolean;
}

export interface BuiltPage {
  /** The document of every page. */
  readonly document: Asset;
  /** By path, as `/assets/main-3f2a.js`. */
  readonly files: ReadonlyMap<string, BuiltFile>;
}

/** Reads the built page into memory, so that a build while the server runs changes nothing; null when there is none. */
export async function readBuiltPage(directory: string): Promise<BuiltPage | null> {
  const names = await listFiles(directory);
  if (!names.includes('index.html')) return null;
  if (names.length > FILES_MAX)
    throw new Error(`${directory} has ${names.length} files: that is no web page.`);
  const bytes = new Map<string, Uint8Array>();
  let total = 0;
  for (const name of names) {
    const content = await readFile(path.join(directory, name));
    total += content.length;
    if (total > BYTES_MAX) throw new Error(`${directory} is larger than ${BYTES_MAX} bytes.`);
    bytes.set(name, content);
  }
  const files = new Map<string, BuiltFile>();
  for (const name of names) {
    const extension = path.extname(name);
    const contentType = TYPES[extension];
    if (contentType === undefined) continue;
    const [br, gzip] = [bytes.get(`${name}.br`), bytes.get(`${name}.gz`)];
    const asset = new Asset({
      load: () => bytes.get(name)!,
      contentType,
      isCompressed: COMPRESSED.has(extension),
      precompressed: { ...(br && { br }), ...(gzip && { gzip }) },
    });
    files.set(`/${name}`, { asset, isImmutable: name.startsWith('assets/') });
  }
  const document = files.get('/index.html')!.asset;
  files.delete('/index.html');
  return { document, files };
}

/** Relative, with slashes; empty when the directory is not there. */
async function listFiles(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
      .map((name) => name.replaceAll(path.sep, '/'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
