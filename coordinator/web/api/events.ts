import { ask } from './client.ts';
import { hasLogin } from './renewal.ts';

/** A server-sent event with JSON in it. */
export interface ServerEvent {
  readonly kind: string;
  readonly data: Record<string, unknown>;
}

/** Before a stream that the server refused is asked for again; twice as long each time. */
const RETRY_MIN_MS = 2000;
const RETRY_MAX_MS = 60_000;

/**
 * Listens to server-sent events of these kinds until the returned function is called. Connections that break are made
 * again by the browser, and those that the server refuses after a while: the login may have expired, and is renewed then.
 */
export function listen(
  url: string,
  kinds: readonly string[],
  onEvent: (event: ServerEvent) => void,
  onState?: (isConnected: boolean) => void,
): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let retryMs = RETRY_MIN_MS;
  let isOver = false;
  const reopen = async () => {
    // Streams do not say why they are refused; any other request renews a login that has expired.
    if (hasLogin()) await ask('GET', '/auth/me').catch(() => {});
    if (!isOver) open();
  };
  const open = () => {
    source = new EventSource(url);
    source.onopen = () => {
      retryMs = RETRY_MIN_MS;
      onState?.(true);
    };
    source.onerror = () => {
      onState?.(false);
      if (source?.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(() => void reopen(), retryMs);
      retryMs = Math.min(RETRY_MAX_MS, 2 * retryMs);
    };
    for (const kind of kinds) {
      source.addEventListener(kind, (event) => {
        const data = parse((event as MessageEvent<string>).data);
        if (data !== undefined) onEvent({ kind, data });
      });
    }
  };
  open();
  return () => {
    isOver = true;
    clearTimeout(timer);
    source?.close();
  };
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
