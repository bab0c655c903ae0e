import { servePglite } from './serve-pglite.ts';

/* The process that runs PGlite: `node pglite-main.ts <data directory> <ms to wait for its lock>`. */
await servePglite();
