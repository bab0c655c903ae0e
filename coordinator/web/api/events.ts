/** A server-sent event with JSON in it. */
export interface ServerEvent {
  readonly kind: string;
  readonly data: Record<string, unknown>;
}

const RETRY_MS = 3000;

/**
 * Listens to server-sent events of these kinds until the returned function is called. Connections that break are made
 * again by the browser, and those that the server refuses after a while, for the login may have been renewed.
 */
export function listen(
  url: string,
  kinds: readonly string[],
  onEvent: (event: ServerEvent) => void,
  onState?: (isConnected: boolean) => void,
): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const open = () => {
    source = new EventSource(url);
    source.onopen = () => onState?.(true);
    source.onerror = () => {
      onState?.(false);
      if (source?.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, RETRY_MS);
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
