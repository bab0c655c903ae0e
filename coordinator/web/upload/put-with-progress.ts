/**
 * `fetch` for sending bytes that tells how many have gone: only the older interface of browsers does. For anything but
 * a PUT of an ArrayBuffer it is `otherwise`.
 */
export function fetchWithProgress(
  otherwise: typeof fetch,
  onSent: (url: string, bytes: number) => void,
): typeof fetch {
  return (input, init = {}) => {
    const { method, body, headers, signal } = init;
    if (method !== 'PUT' || !(body instanceof ArrayBuffer)) return otherwise(input, init);
    const url = String(input);
    return new Promise<Response>((resolve, reject) => {
      const request = new XMLHttpRequest();
      const abort = () => request.abort();
      const end = () => {
        signal?.removeEventListener('abort', abort);
        onSent(url, 0);
      };
      request.open('PUT', url);
      for (const [name, value] of new Headers(headers ?? {})) request.setRequestHeader(name, value);
      request.responseType = 'arraybuffer';
      request.upload.onprogress = ({ loaded }) => onSent(url, loaded);
      request.onload = () => {
        end();
        resolve(responseOf(request));
      };
      request.onerror = () => {
        end();
        reject(new TypeError('The server cannot be reached.'));
      };
      request.onabort = () => {
        end();
        reject(signal?.reason ?? new DOMException('Aborted', 'AbortError'));
      };
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      signal?.addEventListener('abort', abort, { once: true });
      request.send(body);
    });
  };
}

function responseOf(request: XMLHttpRequest): Response {
  const headers = new Headers();
  for (const line of request.getAllResponseHeaders().trim().split('\r\n')) {
    const [name, ...value] = line.split(': ');
    if (name) headers.append(name, value.join(': '));
  }
  const hasNoBody = request.status === 204 || request.status === 304;
  return new Response(hasNoBody ? null : (request.response as ArrayBuffer), {
    status: request.status,
    headers,
  });
}
