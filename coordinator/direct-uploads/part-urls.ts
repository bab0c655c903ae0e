import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import { encodePartClaims, PART_NODES_MAX } from '../../lib/node-api/part-claims.ts';
import { partTarget } from '../../lib/node-api/targets.ts';
import { type SigningKey, signTarget } from '../../lib/signing/signed-url.ts';
import type { Placement, StorageNode, WriteTargets } from '../cluster/placement.ts';
import type { ErrorCode } from '../errors.ts';
import { chunkOf, type DirectUpload, lengthOf, type PartAttempt } from './direct-upload.ts';
import { ATTEMPTS_MAX, PART_URL_LIFETIME_S } from './limits.ts';

export interface PartUrlsOptions {
  readonly placement: Placement;
  readonly key: SigningKey;
  /** Base URLs for clients by those for other servers, where they differ. */
  readonly publicUrls: ReadonlyMap<string, string>;
  readonly clock: Clock;
}

export interface PartUrl {
  readonly index: number;
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
  readonly url: string;
  readonly expiresAt: Date;
}

/** Says which node takes which part, and signs the URLs for that. */
export class PartUrls {
  readonly #options: PartUrlsOptions;

  constructor(options: PartUrlsOptions) {
    this.#options = options;
  }

  /**
   * The attempt to make next for a part: the latest one while its node is up, or another one at the first owner that is.
   * Throws `write_quorum_unavailable` when none is.
   */
  nextAttempt(upload: DirectUpload, index: number, latest: PartAttempt | undefined): PartAttempt {
    const { placement } = this.#options;
    if (latest !== undefined) {
      const isUp = placement.healthOf(latest.nodeId) === 'up';
      if (isUp || latest.attempt + 1 >= ATTEMPTS_MAX) return latest;
    }
    const attempt = latest === undefined ? 0 : latest.attempt + 1;
    const targets = placement.writeTargetsOf(chunkOf(upload, { index, attempt }).position);
    const node = this.#inOrder(targets).find(({ id }) => placement.healthOf(id) === 'up');
    if (node !== undefined) return { index, attempt, nodeId: node.id };
    throw new AppError<ErrorCode>('write_quorum_unavailable', 'No storage node can take a part now.', {
      retryable: true,
    });
  }

  /** Undefined when the node of the attempt is not there any more. */
  urlOf(upload: DirectUpload, attempt: PartAttempt): PartUrl | undefined {
    const { placement, key, publicUrls, clock } = this.#options;
    const node = placement.nodes().find(({ id }) => id === attempt.nodeId);
    if (node === undefined) return undefined;
    const { index } = attempt;
    const { id, position } = chunkOf(upload, attempt);
    const targets = placement.writeTargetsOf(position);
    const setsOf = (candidate: StorageNode) =>
      targets.sets.reduce((mask, set, bit) => (set.includes(candidate) ? mask | (1 << bit) : mask), 0);
    const others = this.#inOrder(targets).filter((candidate) => candidate !== node);
    const length = lengthOf(upload, index);
    const claims = encodePartClaims({
      nodeId: node.id,
      nodeUrl: node.url,
      length,
      quorum: placement.writeQuorum,
      sets: targets.sets.length,
      copies: targets.owners.length,
      nodeSets: setsOf(node),
      others: others.slice(0, PART_NODES_MAX).map((candidate) => [candidate.url, setsOf(candidate)]),
    });
    const expiresAtS = Math.floor(clock.nowMs() / 1000) + PART_URL_LIFETIME_S;
    const target = signTarget(key, { method: 'PUT', target: partTarget(position, id), expiresAtS, claims });
    return {
      index,
      offset: index * upload.partBytes,
      length,
      url: (publicUrls.get(node.url) ?? node.url) + target,
      expiresAt: new Date(expiresAtS * 1000),
    };
  }

  /** Owners first; those that are not up stand behind the others. */
  #inOrder({ owners, fallbacks }: WriteTargets): StorageNode[] {
    const { placement } = this.#options;
    const withHealth = (nodes: readonly StorageNode[], health: string) =>
      nodes.filter(({ id }) => placement.healthOf(id) === health);
    return [
      ...withHealth(owners, 'up'),
      ...withHealth(fallbacks, 'up'),
      ...withHealth(owners, 'suspect'),
      ...withHealth(fallbacks, 'suspect'),
    ];
  }
}
