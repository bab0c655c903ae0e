import { Hono } from 'hono';
import { parseFields } from '../parse-fields.ts';
import type { RepairService } from './repair-service.ts';
import { shortListSchema } from './schema.ts';

export interface RepairRoutesOptions {
  readonly repair: Pick<RepairService, 'status' | 'runCensusNow' | 'listShort'>;
}

/** The admin API about copies: whether all are there, and which are not. */
export function createRepairRoutes({ repair }: RepairRoutesOptions): Hono {
  const app = new Hono();

  app.get('/admin/repair', async (context) => context.json(await repair.status()));

  app.post('/admin/repair', async (context) => {
    await repair.runCensusNow();
    return context.json(await repair.status(), 202);
  });

  app.get('/admin/repair/chunks', async (context) =>
    context.json(await repair.listShort(parseFields(shortListSchema, context.req.query()))),
  );

  return app;
}
