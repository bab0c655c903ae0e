import { existsSync, fsyncSync } from 'node:fs';
import path from 'node:path';
import { parseArguments } from '../pglite-protocol.ts';
import { servePglite } from '../serve-pglite.ts';

/*
 * A process like `pglite-main.ts` that fails when it has to sync, as long as there is a file of that name in the data
 * directory: `disk-fails` is a disk that reports an error, `process-dies` an end without a word, and
 * `process-throws` an exception that nobody expects.
 */
const { dataDir } = parseArguments(process.argv.slice(2));
const isThere = (name: string) => existsSync(path.join(dataDir, name));
await servePglite({
  fsync: (fileDescriptor) => {
    if (isThere('disk-fails')) throw Object.assign(new Error('input/output error'), { code: 'EIO' });
    if (isThere('process-dies')) process.exit(3);
    if (isThere('process-throws')) throw new Error('out of the blue');
    fsyncSync(fileDescriptor);
  },
});
