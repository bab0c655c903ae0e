import type { Clock } from '../../lib/clock/clock.ts';
import { sliceTarget } from '../../lib/node-api/targets.ts';
import { type SigningKey, signTarget } from '../../lib/signing/signed-url.ts';
import type { ChunkSlice } from '../chunks/chunk-reader.ts';
import { slicesOf } from '../chunks/object-reading.ts';
import type { Placement, StorageNode } from '../cluster/placement.ts';
import type { Manifest } from '../objects/manifest.ts';
import { REDIRECTS_MAX, SEGMENT_URL_LIFETIME_S, SIGNED_SEGMENTS_MAX } from './limits.ts';
import { RecentRedirects, type Viewer } from './recent-redirects.ts';

export interface SliceUrlsOptions {
  readonly placement: Placement;
  readonly key: SigningKey;
  /** Base URLs for clients by those for other servers, where they differ. */
  readonly publicUrls: ReadonlyMap<string, string>;
  readonly clock: Clock;
  /** 32 bits that nobody can guess. */
  readonly seed: number;
}

/** A segment that a viewer asked for. */
export interface WantedSlice {
  readonly object: Manifest;
  readonly offset: number;
  readonly length: number;
  readonly viewer: Viewer;
}

/** What is remembered of a segment. */
interface KnownSlice {
  readonly slice: ChunkSlice;
  /** When its addresses were signed, in half lifetimes. */
  signedAt: number;
  /** Signed ones, by owner. */
  readonly addresses: Map<StorageNode, string>;
}

const HALF_LIFETIME_S = SEGMENT_URL_LIFETIME_S / 2;

/**
 * Addresses at which viewers get segments from storage nodes themselves. An address is given out again as long as half of its
 * lifetime is left: for a segment that many watch, signing it would cost more than all the rest.
 */
export class SliceUrls {
  readonly #options: SliceUrlsOptions;
  readonly #recent: RecentRedirects;
  /** Of objects in memory, by where slices begin: an object's bytes never change, and no two segments begin at one place. */
  #known = new WeakMap<Manifest, Map<number, KnownSlice>>();
  #knownCount = 0;

  constructor(options: SliceUrlsOptions) {
    this.#options = options;
    this.#recent = new RecentRedirects(options.clock, options.seed);
  }

  /**
   * A signed address at an owner that is up. A viewer that comes again for the same bytes soon did not get them there: then at
   * another owner, and undefined when it was tried often enough. Undefined as well when no owner is up, or when the
   * bytes lie in several chunks.
   */
  urlOf(wanted: WantedSlice): string | undefined {
    const { object, offset, length, viewer } = wanted;
    const known = this.#known.get(object)?.get(offset) ?? this.#find(wanted);
    if (known === undefined) return undefined;
    const asked = this.#recent.keyOf(viewer, object.objectId, offset);
    const before = this.#recent.count(asked);
    if (before >= REDIRECTS_MAX) return undefined;
    const { placement } = this.#options;
    const { ref, first } = known.slice;
    const owners = placement
      .readSourcesOf(ref.position)
      .owners.filter(({ id }) => placement.healthOf(id) === 'up');
    if (before >= owners.length) return undefined;
    // Different slices of a chunk begin at different owners.
    const node = owners[(Math.floor(first / length) + before) % owners.length]!;
    this.#recent.add(asked, before);
    return this.#addressAt(node, known);
  }

  /** Undefined when the bytes lie in several chunks. */
  #find({ object, offset, length }: WantedSlice): KnownSlice | undefined {
    const slices = slicesOf(object, offset, offset + length - 1);
    const [slice] = slices;
    if (slice === undefined || slices.length > 1) return undefined;
    const known = { slice, signedAt: 0, addresses: new Map<StorageNode, string>() };
    if (this.#knownCount >= SIGNED_SEGMENTS_MAX) {
      this.#known = new WeakMap();
      this.#knownCount = 0;
    }
    const ofObject = this.#known.get(object) ?? new Map<number, KnownSlice>();
    this.#known.set(object, ofObject.set(offset, known));
    this.#knownCount += 1;
    return known;
  }

  #addressAt(node: StorageNode, known: KnownSlice): string {
    const { clock, key, publicUrls } = this.#options;
    const now = Math.floor(clock.nowMs() / 1000 / HALF_LIFETIME_S);
    if (known.signedAt !== now) {
      known.signedAt = now;
      known.addresses.clear();
    }
    let address = known.addresses.get(node);
    if (address === undefined) {
      const { ref, first, last } = known.slice;
      const target = sliceTarget(ref.position, ref.id, { first, last });
      const signed = signTarget(key, { method: 'GET', target, expiresAtS: (now + 2) * HALF_LIFETIME_S });
      address = (publicUrls.get(node.url) ?? node.url) + signed;
      known.addresses.set(node, address);
    }
    return address;
  }
}
