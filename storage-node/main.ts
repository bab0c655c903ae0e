/**
 * The storage node's process: `node storage-node/main.ts --dir DIR --port N`, with CLUSTER_SECRET in the
 * environment. The README has the rest. It has started when it logs "listening".
 */
import { afterImports, applyProcessSettings } from './process-settings.ts';

applyProcessSettings();

// Imported only now, so that what is started over does not load them twice.
const { systemClock } = await import('../lib/clock/clock.ts');
const { runProcess } = await import('../lib/lifecycle/run-process.ts');
const { announceListening, createLogger } = await import('../lib/logging/logger.ts');
const { readNodeConfig } = await import('./config.ts');
const { STOP_TIMEOUT_MS } = await import('./limits.ts');
const { startNode } = await import('./start-node.ts');

afterImports();

await runProcess({ stopTimeoutMs: STOP_TIMEOUT_MS }, async (stack, signal) => {
  const config = readNodeConfig(process.argv.slice(2), process.env);
  const logger = createLogger({ name: 'storage-node', level: config.LOG_LEVEL });
  const { url, nodeId } = await startNode(config, { clock: systemClock, logger, stack, signal });
  announceListening(logger, { url, nodeId });
  return logger;
});
