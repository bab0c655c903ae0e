import { HttpServer } from '../lib/http/http-server.ts';
import { runProcess } from '../lib/lifecycle/run-process.ts';
import { announceListening, createLogger } from '../lib/logging/logger.ts';
import { readCoordinatorConfig } from './config.ts';
import { openContext } from './context.ts';
import { LIMITS } from './limits.ts';

/** How long a stop may take before the process exits anyway; longer than the drain of open requests. */
const STOP_TIMEOUT_MS = LIMITS.drainTimeoutMs + 10_000;

await runProcess({ stopTimeoutMs: STOP_TIMEOUT_MS }, async (stack, stopping) => {
  const config = readCoordinatorConfig(process.env);
  const logger = createLogger({ name: 'coordinator', level: config.LOG_LEVEL });
  const context = await openContext(stack, config, logger, stopping);
  const server = stack.use(
    await HttpServer.open({
      ...context.app,
      host: config.HOST,
      port: config.PORT,
      headersTimeoutMs: LIMITS.headersTimeoutMs,
      keepAliveTimeoutMs: LIMITS.keepAliveTimeoutMs,
      maxHeaderBytes: LIMITS.headerBytesMax,
      drainTimeoutMs: LIMITS.drainTimeoutMs,
    }),
  );
  // No log lines: logs are kept and collected, and this is the only time that these are shown.
  const { admin, adminToken } = context.created;
  if (admin !== undefined) {
    process.stdout.write(`Admin account (shown only this once, keep it): ${admin.email} ${admin.password}\n`);
  }
  if (adminToken !== undefined) {
    process.stdout.write(`Admin token (shown only this once, keep it): ${adminToken}\n`);
  }
  announceListening(logger, { url: server.url, clusterId: context.clusterId });
  context.start();
  return logger;
});
