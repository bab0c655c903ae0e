import { sql } from 'kysely';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ScrubState } from '../../lib/node-api/schema.ts';
import { type Cluster, notReady } from '../cluster/cluster.ts';
import { PRESENCE_TTL_MS } from '../cluster/limits.ts';
import type { NodeProbe } from '../cluster/node-probe.ts';
import { PHASE } from '../cluster/ring-state.ts';
import type { Database } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import { objectIdOf } from '../objects/chunk-id.ts';
import { HEALTH_TIMEOUT_MS, SHORT_SAMPLE } from './limits.ts';
import { isQuarantineKnown } from './node-watch.ts';
import type { ListedShortChunk, RepairRepository } from './repair-repository.ts';
import type { RepairCounts } from './repairer.ts';
import type { Suspicions } from './suspicions.ts';

export interface RepairServiceOptions {
  readonly database: Database;
  readonly cluster: Cluster;
  readonly probe: Pick<NodeProbe, 'health' | 'stats'>;
  readonly repository: RepairRepository;
  readonly suspicions: Pick<Suspicions, 'flush' | 'waiting'>;
  readonly counts: () => RepairCounts;
}

export interface ShortChunkReport {
  readonly id: string;
  readonly position: string;
  readonly copies: number;
  readonly objectId: string | null;
  readonly videoId: string | null;
  readonly problem: string | null;
  readonly foundAt: string;
}

export interface ScrubReport {
  readonly nodeId: string;
  /** Null when the node does not answer, or has no scrub. */
  readonly state: ScrubState | null;
  readonly lastFinishedAt: string | null;
  readonly foundCorrupt: number | null;
  readonly quarantined: number | null;
}

export interface RepairStatus {
  /** Every chunk that a manifest names is on all R owners, seen by checks that began after whatever might have changed that. */
  readonly complete: boolean;
  /** Since when that has been seen: the start of the check that is longest ago. Null unless complete. */
  readonly verifiedAt: string | null;
  /** Why it cannot be said, in words; empty when complete. */
  readonly reasons: readonly string[];
  readonly ranges: {
    readonly total: number;
    readonly verified: number;
    readonly suspected: number;
    readonly short: number;
    readonly moving: number;
  };
  /** What the checks counted; each chunk once. */
  readonly chunks: number;
  readonly bytes: number;
  readonly missingCopies: number;
  readonly shortChunks: {
    readonly count: number;
    /** Chunks of which no copy was found. */
    readonly lost: number;
    readonly sample: readonly ShortChunkReport[];
  };
  /** By this coordinator, since it started. */
  readonly repairing: RepairCounts;
  readonly scrub: readonly ScrubReport[];
}

/** Whether all copies are there: said only when it was seen. */
export class RepairService {
  readonly #options: RepairServiceOptions;

  constructor(options: RepairServiceOptions) {
    this.#options = options;
  }

  async status(): Promise<RepairStatus> {
    const { cluster, repository, suspicions, counts } = this.#options;
    const { state } = cluster;
    if (state === null) throw notReady();
    await suspicions.flush();
    const total = state.base.rangeCount;
    const [nodeReasons, coordinatorReasons] = await Promise.all([this.#askNodes(), this.#askCoordinators()]);
    // Read last: what the nodes' answers could hide would have been suspected before.
    const sums = await repository.sums(total);
    const moving = state.phases?.reduce((sum, phase) => sum + Number(phase !== PHASE.after), 0) ?? 0;
    const reasons = [...nodeReasons.reasons, ...coordinatorReasons];
    if (cluster.state?.step !== state.step) reasons.push('the ring moved on just now');
    if (state.target !== null) reasons.push(`${moving} ranges are on their way to other nodes`);
    if (suspicions.waiting > 0) reasons.push(`${suspicions.waiting} suspicions could not be stored yet`);
    if (sums.missingCopies > 0) {
      reasons.push(`${sums.missingCopies} copies are missing in ${sums.short} ranges`);
    }
    const unchecked = total - sums.verified - Math.max(sums.suspected, 0) - sums.short;
    if (sums.suspected > 0) {
      reasons.push(`${sums.suspected} ranges are to be checked again: ${sums.suspicions.join('; ')}`);
    }
    if (sums.verified < total && unchecked > 0) reasons.push(`${unchecked} ranges have not been checked yet`);
    const complete = reasons.length === 0 && sums.verified === total;
    const sample = await repository.listShort({ after: null, limit: SHORT_SAMPLE });
    return {
      complete,
      verifiedAt: complete ? (sums.oldestCheck?.toISOString() ?? null) : null,
      reasons,
      ranges: { total, verified: sums.verified, suspected: sums.suspected, short: sums.short, moving },
      chunks: sums.chunks,
      bytes: sums.bytes,
      missingCopies: sums.missingCopies,
      shortChunks: {
        count: sums.shortChunks,
        lost: sums.lostChunks,
        sample: await this.#describe(sample),
      },
      repairing: counts(),
      scrub: nodeReasons.scrub,
    };
  }

  /** Has every range checked anew, as soon as the repairer comes to it. */
  async runCensusNow(): Promise<void> {
    const { cluster, repository } = this.#options;
    if (cluster.state === null) throw notReady();
    await repository.suspectAll(cluster.state.base.rangeCount, 'an administrator asked for it');
    await repository.forgetTries();
  }

  /** Chunks with too few copies, the rarest first. */
  async listShort(page: {
    readonly limit: number;
    readonly cursor?: string | undefined;
  }): Promise<{ items: ShortChunkReport[]; nextCursor: string | null }> {
    const after = page.cursor === undefined ? null : decodeCursor(page.cursor);
    const chunks = await this.#options.repository.listShort({ after, limit: page.limit + 1 });
    const last = chunks[page.limit - 1];
    return {
      items: await this.#describe(chunks.slice(0, page.limit)),
      nextCursor: chunks.length > page.limit ? `${last!.copies}.${last!.id}` : null,
    };
  }

  /** All nodes that own something have to answer now, with the data that was last seen on them. */
  async #askNodes(): Promise<{ reasons: string[]; scrub: ScrubReport[] }> {
    const { cluster, probe } = this.#options;
    const asked = cluster.registeredNodes().filter(({ state }) => state === 'active' || state === 'draining');
    const answers = await Promise.all(
      asked.map(async (node) => {
        const [health, stats] = await Promise.all([
          probe.health(node.url, HEALTH_TIMEOUT_MS).catch(() => null),
          probe.stats(node.url).catch(() => null),
        ]);
        const { scrub } = stats ?? {};
        const report: ScrubReport = {
          nodeId: node.id,
          state: scrub?.state ?? null,
          lastFinishedAt: scrub?.lastFinishedAt ?? null,
          foundCorrupt: scrub?.foundCorrupt ?? null,
          quarantined: stats?.quarantinedCount ?? null,
        };
        let reason: string | undefined;
        if (health?.nodeId !== node.id || cluster.healthOf(node.id) !== 'up') {
          reason = `node ${node.id} at ${node.url} does not answer as it should`;
        } else if (health.dataId !== undefined && health.dataId !== node.dataId) {
          reason = `node ${node.id} at ${node.url} has other data than when it was last looked at`;
        } else if (stats !== null && !isQuarantineKnown(node, stats)) {
          reason = `node ${node.id} at ${node.url} set damaged copies aside that were not looked at yet`;
        }
        return { report, reason };
      }),
    );
    return {
      reasons: answers.flatMap(({ reason }) => (reason === undefined ? [] : [reason])),
      scrub: answers.map(({ report }) => report),
    };
  }

  /** A coordinator that has gone silent may take suspicions along that it has not stored. */
  async #askCoordinators(): Promise<string[]> {
    const { rows } = await sql<{ id: string }>`
      select id from coordinators
      where expires_at < clock_timestamp() + ${PRESENCE_TTL_MS / 2}::integer * interval '1 millisecond'
    `.execute(this.#options.database);
    return rows.map(({ id }) => `coordinator ${id} is silent`);
  }

  async #describe(chunks: readonly ListedShortChunk[]): Promise<ShortChunkReport[]> {
    // Who names a chunk is not always the object of its id: parts of uploads become parts of others.
    const { rows } = await sql<{ chunk: string; object: string; video: string | null }>`
      select chunks.id as chunk, chunks.object_id as object, videos.id as video
      from unnest(${chunks.map(({ id }) => id)}::text[], ${chunks.map(({ position }) => position)}::bigint[])
        as asked (id, position)
      join chunks on chunks.position = asked.position and chunks.id = asked.id
      left join videos on videos.object_id = chunks.object_id
    `.execute(this.#options.database);
    const namedBy = new Map(rows.map((row) => [row.chunk, row]));
    return chunks.map(({ id, position, copies, problem, foundAt }) => {
      const named = namedBy.get(id);
      return {
        id,
        position: position.toString(16).padStart(8, '0'),
        copies,
        objectId: named?.object ?? objectIdOf(id) ?? null,
        videoId: named?.video ?? null,
        problem,
        foundAt: foundAt.toISOString(),
      };
    });
  }
}

function decodeCursor(cursor: string): { copies: number; id: string } {
  const match = /^(\d{1,3})\.([0-9a-z-]{8,64})$/.exec(cursor);
  if (match !== null) return { copies: Number(match[1]), id: match[2]! };
  throw new AppError<ErrorCode>('invalid_request', 'cursor: not a cursor of this list');
}
