import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * For a request with `Expect: 100-continue` (the server's event `checkContinue`): says `100 Continue` when somebody
 * begins to read the body, and not before, so that a refused upload costs its client nothing. If the answer
 * comes first, the connection closes behind it: what follows on it could be the body or the next request.
 */
export function continueOnFirstRead(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const keepAlive = outgoing.shouldKeepAlive;
  const read = incoming._read;
  outgoing.shouldKeepAlive = false;
  incoming._read = (sizeBytes) => {
    incoming._read = read;
    if (!outgoing.headersSent) {
      outgoing.shouldKeepAlive = keepAlive;
      outgoing.writeContinue();
    }
    incoming._read(sizeBytes);
  };
}
