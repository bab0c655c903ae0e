import { createHash } from 'node:crypto';
import { createReadStream, openAsBlob } from 'node:fs';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { UploadError } from '../lib/upload-client/answers.ts';
import { type UploadMemory, uploadDirect } from '../lib/upload-client/direct-upload.ts';

const USAGE = `Sends a file straight to the storage nodes.

npm run upload -- <file> [--url http://127.0.0.1:5000] [--token ...] [--title ...] [--visibility public|unlisted|private]
                  [--parallel 4] [--verify] [--state <file>.upload]

The token is an access token, an API key or the admin token; ORBITVIDS_TOKEN is read when it is not given. An upload that was
interrupted goes on when the same command is given again: what it takes to do so lies in the file of --state. With --verify
the file's SHA-256 is computed first, and the server verifies it.`;

const stateSchema = z.object({
  url: z.string(),
  size: z.number(),
  modifiedMs: z.number(),
  uploadId: z.string(),
});

/** Remembers the upload of one file, as it is now, to one server. */
function fileMemory(path: string, key: Omit<z.infer<typeof stateSchema>, 'uploadId'>): UploadMemory {
  return {
    async load() {
      try {
        const { uploadId, ...known } = stateSchema.parse(JSON.parse(await readFile(path, 'utf8')));
        const isSame =
          known.url === key.url && known.size === key.size && known.modifiedMs === key.modifiedMs;
        return isSame ? uploadId : null;
      } catch {
        return null;
      }
    },
    async save(uploadId) {
      await writeFile(`${path}.new`, `${JSON.stringify({ ...key, uploadId })}\n`);
      await rename(`${path}.new`, path);
    },
    clear: () => rm(path, { force: true }),
  };
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 }))
    hash.update(piece as Buffer);
  return hash.digest('hex');
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:5000' },
      token: { type: 'string' },
      title: { type: 'string' },
      visibility: { type: 'string' },
      parallel: { type: 'string', default: '4' },
      verify: { type: 'boolean', default: false },
      state: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const [path] = positionals;
  const parallel = Number(values.parallel);
  if (values.help || path === undefined || positionals.length > 1 || !(parallel >= 1 && parallel <= 64)) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const { size, mtimeMs } = await stat(path);
  const visibility = z.enum(['public', 'unlisted', 'private']).optional().parse(values.visibility);
  const isTerminal = process.stderr.isTTY === true;
  let shownAtMs = 0;
  const video = await uploadDirect(await openAsBlob(path), {
    url: values.url,
    token: values.token ?? process.env.ORBITVIDS_TOKEN,
    filename: basename(path),
    title: values.title,
    visibility,
    sha256: values.verify ? await sha256Of(path) : undefined,
    parallel,
    memory: fileMemory(values.state ?? `${resolve(path)}.upload`, {
      url: values.url,
      size,
      modifiedMs: mtimeMs,
    }),
    onProgress: ({ storedBytes, totalBytes }) => {
      const isDone = storedBytes === totalBytes;
      if (!isTerminal || (!isDone && performance.now() - shownAtMs < 200)) return;
      shownAtMs = performance.now();
      const percent = ((storedBytes / totalBytes) * 100).toFixed(1);
      process.stderr.write(`\r${percent} % of ${(totalBytes / 1e6).toFixed(1)} MB${isDone ? '\n' : ''}`);
    },
  });
  console.log(JSON.stringify(video));
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const why =
    error instanceof UploadError && error.code !== '' ? `${error.message} (${error.code})` : String(error);
  console.error(`The upload is not complete: ${why}\nGive the same command again to go on with it.`);
  process.exitCode = 1;
}
