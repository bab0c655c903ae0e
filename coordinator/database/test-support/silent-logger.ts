import { createLogger } from '../../../lib/logging/logger.ts';

export const silentLogger = createLogger({ name: 'test', level: 'silent' });
