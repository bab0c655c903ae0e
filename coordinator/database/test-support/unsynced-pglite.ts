import { servePglite } from '../serve-pglite.ts';

/* A process like `pglite-main.ts` whose database does not wait for the disk. */
await servePglite({ fsync: () => {} });
