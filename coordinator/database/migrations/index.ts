import type { Migration } from 'kysely/migration';
import { initial } from './0001-initial.ts';
import { rebalancing } from './0002-rebalancing.ts';
import { records } from './0003-records.ts';
import { accounts } from './0004-accounts.ts';
import { catalog } from './0005-catalog.ts';
import { uploads } from './0006-uploads.ts';
import { directUploads } from './0007-direct-uploads.ts';
import { renditions } from './0008-renditions.ts';
import { transcode } from './0009-transcode.ts';
import { webhooks } from './0010-webhooks.ts';
import { droppedSources } from './0011-dropped-sources.ts';
import { quarantineTimes } from './0012-quarantine-times.ts';

/** Every migration by its name, applied in the order of the names. A released one is never edited. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001-initial': initial,
  '0002-rebalancing': rebalancing,
  '0003-records': records,
  '0004-accounts': accounts,
  '0005-catalog': catalog,
  '0006-uploads': uploads,
  '0007-direct-uploads': directUploads,
  '0008-renditions': renditions,
  '0009-transcode': transcode,
  '0010-webhooks': webhooks,
  '0011-dropped-sources': droppedSources,
  '0012-quarantine-times': quarantineTimes,
};
