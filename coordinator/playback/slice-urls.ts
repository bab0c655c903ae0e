import type { Clock } from '../../lib/clock/clock.ts';
import { sliceTarget } from '../../lib/node-api/targets.ts';
import { HotTargetSigner } from '../../lib/signing/hot-targets.ts';
import type { SigningKey } from '../../lib/signing/signed-url.ts';
import { slicesOf } from '../chunks/object-reading.ts';
import type { Placement } from '../cluster/placement.ts';
import type { Manifest } from '../objects/manifest.ts';
import { REDIRECTS_MAX, SEGMENT_URL_LIFETIME_S } from './limits.ts';
import { RecentRedirects } from './recent-redirects.ts';

export interface SliceUrlsOptions {
  readonly placement: Placement;
  readonly key: SigningKey;
  /** Base URLs for clients by those for other servers, where they differ. */
  readonly publicUrls: ReadonlyMap<string, string>;
  readonly clock: Clock;
}

/** A segment that a client asked for. */
export interface WantedSlice {
  readonly object: Manifest;
  readonly offset: number;
  readonly length: number;
  /** By which it is known again when the client comes back for it. */
  readonly name: string;
  /** Who asks, as far as that can be told. */
  readonly client: string;
}

/** Addresses at which clients get segments from storage nodes themselves. */
export class SliceUrls {
  readonly #options: SliceUrlsOptions;
  readonly #signer: HotTargetSigner;
  readonly #recent: RecentRedirects;

  constructor(options: SliceUrlsOptions) {
    this.#options = options;
    this.#signer = new HotTargetSigner(options.key, SEGMENT_URL_LIFETIME_S);
    this.#recent = new RecentRedirects(options.clock);
  }

  /**
   * A signed address at an owner that is up. A client that comes again for the same bytes soon did not get them there: then at
   * another owner, and undefined when it was tried often enough. Undefined as well when no owner is up, or when the
   * bytes lie in several chunks.
   */
  urlOf(wanted: WantedSlice): string | undefined {
    const { object, offset, length, name, client } = wanted;
    const slices = slicesOf(object, offset, offset + length - 1);
    const [slice] = slices;
    if (slice === undefined || slices.length > 1) return undefined;
    const asked = `${client} ${name}`;
    const before = this.#recent.count(asked);
    if (before >= REDIRECTS_MAX) return undefined;
    const { placement, publicUrls, clock } = this.#options;
    const { ref, first, last } = slice;
    const owners = placement
      .readSourcesOf(ref.position)
      .owners.filter(({ id }) => placement.healthOf(id) === 'up');
    if (before >= owners.length) return undefined;
    // Different slices of a chunk begin at different owners.
    const node = owners[(Math.floor(first / length) + before) % owners.length]!;
    this.#recent.add(asked, before);
    const target = sliceTarget(ref.position, ref.id, { first, last });
    const nowS = Math.floor(clock.nowMs() / 1000);
    return (publicUrls.get(node.url) ?? node.url) + this.#signer.sign('GET', target, nowS);
  }
}
