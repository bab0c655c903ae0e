import { runProcess } from '../../lib/lifecycle/run-process.ts';
import { announceListening, createLogger } from '../../lib/logging/logger.ts';
import { readWorkerConfig } from '../config.ts';
import { Worker } from '../worker.ts';

/* A worker as `main.ts` runs it, with the engine of the tests. */

const config = readWorkerConfig(process.argv.slice(2), process.env);
await runProcess({ stopTimeoutMs: 20_000 }, async (stack) => {
  const logger = createLogger({ name: 'worker', level: config.logLevel });
  const engine = new URL('./fake-engine.ts', import.meta.url).href;
  stack.use(new Worker({ config, engine, logger })).start();
  announceListening(logger, { url: config.coordinatorUrl });
  return logger;
});
