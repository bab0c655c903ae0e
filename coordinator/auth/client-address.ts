import { isIP, isIPv6 } from 'node:net';

/**
 * Where a request comes from. Behind `proxies` trusted proxies, each of which appends the address it sees to
 * `X-Forwarded-For`, that is the entry so many places from the end; what stands before it anybody can write.
 */
export function addressOf(
  socketAddress: string | undefined,
  forwardedFor: string | undefined,
  proxies: number,
): string | null {
  const forwarded = proxies === 0 ? undefined : forwardedFor?.split(',').at(-proxies)?.trim();
  const address = forwarded !== undefined && isIP(forwarded) > 0 ? forwarded : socketAddress;
  return address?.replace(/^::ffff:(?=\d+\.)/, '') ?? null;
}

/** What limits count: an IPv6 client has a whole network of addresses (a /64) to itself. */
export function networkOf(address: string | null): string {
  if (address === null || !isIPv6(address)) return address ?? 'unknown';
  const [head = '', tail] = address.toLowerCase().replace(/%.*$/, '').split('::');
  const groups = head.split(':').filter((group) => group !== '');
  const last = tail === undefined ? [] : tail.split(':').filter((group) => group !== '');
  const zeros = tail === undefined ? 0 : 8 - groups.length - last.length;
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...last];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
