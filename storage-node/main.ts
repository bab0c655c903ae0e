/**
 * The storage node's process: `node storage-node/main.ts --dir DIR --port N`, with CLUSTER_SECRET in the
 * environment. The README has the rest. It has started when it logs "listening".
 */

// Before anything touches the file system: the size of libuv's thread pool is fixed at its first use. Four
// threads are not enough where three writes may be waiting for the disk.
process.env.UV_THREADPOOL_SIZE ??= '8';

const { systemClock } = await import('../lib/clock/clock.ts');
const { runProcess } = await import('../lib/lifecycle/run-process.ts');
const { announceListening, createLogger } = await import('../lib/logging/logger.ts');
const { readNodeConfig } = await import('./config.ts');
const { STOP_TIMEOUT_MS } = await import('./limits.ts');
const { startNode } = await import('./start-node.ts');

await runProcess({ stopTimeoutMs: STOP_TIMEOUT_MS }, async (stack, signal) => {
  const config = readNodeConfig(process.argv.slice(2), process.env);
  const logger = createLogger({ name: 'storage-node', level: config.LOG_LEVEL });
  const { url, nodeId } = await startNode(config, { clock: systemClock, logger, stack, signal });
  announceListening(logger, { url, nodeId });
  return logger;
});
