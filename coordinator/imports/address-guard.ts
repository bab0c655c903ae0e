import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import { URL_LENGTH_MAX } from './limits.ts';

/** All addresses of a name. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

export interface AddressGuardOptions {
  readonly resolve: Resolve;
  /** Whether addresses of this machine and of private networks may be asked as well. */
  readonly allowPrivate: boolean;
  /** Null: any. */
  readonly ports: ReadonlySet<number> | null;
  /** What refusals are called; `import_refused` by default. */
  readonly refusal?: ErrorCode;
}

/**
 * Keeps a server that fetches what users name from fetching what only the server can reach. A connection is made to an
 * address that was checked, and not to a name that was: between a check and a connection a name can change its address.
 */
export class AddressGuard {
  readonly #options: AddressGuardOptions;

  constructor(options: AddressGuardOptions) {
    this.#options = options;
  }

  /**
   * The URL, if its scheme, port and address (when it names one instead of a host) are allowed; to be asked for every
   * redirect as well. Throws the refusal.
   */
  check(text: string, base?: URL): URL {
    const url = text.length <= URL_LENGTH_MAX ? URL.parse(text, base?.href) : null;
    if (url === null) throw this.#refused('This is no URL.');
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      throw this.#refused('Only http and https URLs are allowed.');
    if (base?.protocol === 'https:' && url.protocol === 'http:') {
      throw this.#refused('The server redirects from https to http.');
    }
    if (url.username !== '' || url.password !== '')
      throw this.#refused('URLs with a user or password are not allowed.');
    const port = Number(url.port || (url.protocol === 'http:' ? 80 : 443));
    if (this.#options.ports?.has(port) === false) throw this.#refused(`Port ${port} is not allowed.`);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0) this.#assertAllowed(host);
    return url;
  }

  /** For sockets: resolves a name, and fails unless all of its addresses are allowed. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#resolve(hostname, options).then(
      (addresses) => {
        if (options.all) callback(null, [...addresses]);
        else callback(null, addresses[0]!.address, addresses[0]!.family);
      },
      (error: Error) => callback(error, '', 0),
    );
  };

  async #resolve(hostname: string, { family }: LookupOptions): Promise<readonly LookupAddress[]> {
    const all = await this.#options.resolve(hostname);
    // One that is not allowed among others says that somebody tries something.
    for (const { address } of all) this.#assertAllowed(address);
    const wanted = family === 4 || family === 6 ? all.filter((found) => found.family === family) : all;
    if (wanted.length === 0) throw this.#refused('The host of the URL has no address.');
    return wanted;
  }

  #assertAllowed(address: string): void {
    if (this.#options.allowPrivate || isPublic(address)) return;
    throw this.#refused('The address of the URL is not a public one.');
  }

  #refused(message: string): AppError {
    return new AppError<ErrorCode>(this.#options.refusal ?? 'import_refused', message);
  }
}

/**
 * Whether an address is one of the public internet. Everything else is none: private and shared networks, loopback,
 * link-local (where clouds keep credentials), multicast, reserved, and IPv6 addresses that stand for IPv4 ones.
 */
export function isPublic(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.parse(text);
  if (address.range() !== 'unicast') return false;
  // Global unicast is 2000::/3; what lies outside and has no name yet is for nobody to use.
  return address.kind() === 'ipv4' || (address.toByteArray()[0]! & 0xe0) === 0x20;
}
