import { runProcess } from '../lib/lifecycle/run-process.ts';
import { announceListening, createLogger } from '../lib/logging/logger.ts';
import { readWorkerConfig } from './config.ts';
import { Worker } from './worker.ts';

/** Beyond the time that tasks have to come to their end. */
const STOP_TIMEOUT_MS = 10_000;

const config = readConfigOrExit();
if (config.printToken) {
  process.stdout.write(`${config.token}\n`);
  process.exit(0);
}
await runProcess({ stopTimeoutMs: config.stopGraceMs + STOP_TIMEOUT_MS }, async (stack) => {
  const logger = createLogger({ name: 'worker', level: config.logLevel });
  const engine = new URL('./engine/run-task.ts', import.meta.url).href;
  const worker = stack.use(new Worker({ config, engine, logger }));
  worker.start();
  // It listens to nobody; this is what whoever started it waits for.
  announceListening(logger, { url: config.coordinatorUrl, worker: config.name });
  return logger;
});

function readConfigOrExit() {
  try {
    return readWorkerConfig(process.argv.slice(2), process.env);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  }
}
