import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Anything below these keys is a secret or may carry one; it never reaches the log. */
const REDACTED = [
  'authorization',
  'cookie',
  '*.authorization',
  '*.cookie',
  'headers.authorization',
  'headers.cookie',
  'secret',
  '*.secret',
  'token',
  '*.token',
  'password',
  '*.password',
];

/** A pino logger that writes one JSON object a line (to stdout unless `destination` is given). */
export function createLogger(
  options: { name: string; level: string },
  destination?: DestinationStream,
): Logger {
  return pino(
    {
      name: options.name,
      level: options.level,
      redact: { paths: REDACTED, censor: '[redacted]' },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    destination ?? pino.destination({ dest: 1, sync: true }),
  );
}

/**
 * The one line that is written whatever the level is: this process serves at `url`. Whoever started it waits
 * for it.
 */
export function announceListening(
  logger: Logger,
  fields: { readonly url: string } & Record<string, unknown>,
): void {
  logger.child({}, { level: 'info' }).info(fields, 'listening');
}
