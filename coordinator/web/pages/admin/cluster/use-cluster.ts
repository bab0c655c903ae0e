import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { API, ask } from '../../../api/client.ts';
import { listen } from '../../../api/events.ts';
import type { ClusterNode, Page, Rebalance, RepairStatus, RingReport } from '../../../api/types.ts';
import { usePoll } from '../../../parts/use-poll.ts';
import { useResource } from '../../../parts/use-resource.ts';

/** After which something is to be looked at anew. */
const EVENTS = [
  ...['node_registered', 'node_up', 'node_suspect', 'node_down', 'node_lost_data', 'node_declared_lost'],
  ...['rebalance_started', 'rebalance_progress', 'rebalance_paused', 'rebalance_resumed'],
  ...['rebalance_cancelling', 'rebalance_cancelled', 'rebalance_finished', 'rebalance_blocked'],
  ...['chunks_lost', 'chunks_quarantined', 'copies_repaired', 'copies_missing', 'node_lost_but_needed'],
] as const;

export interface ClusterEvent {
  readonly key: string;
  readonly at: string;
  readonly kind: string;
  readonly nodeId: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface ClusterState {
  readonly nodes: readonly ClusterNode[] | undefined;
  readonly ring: RingReport | undefined;
  readonly rebalances: readonly Rebalance[];
  readonly repair: RepairStatus | undefined;
  readonly events: readonly ClusterEvent[];
  readonly isLive: boolean;
  readonly error: unknown;
  readonly refresh: () => void;
}

const EVENTS_SHOWN = 30;
/** Events come in bursts: what they change is read once. */
const GATHER_MS = 250;
const POLL_MS = 5000;
/** While ranges move, there is more to see. */
const MOVING_POLL_MS = 1000;

/** The cluster as it is now: read anew whenever the server tells of something, and now and then anyway. */
export function useCluster(): ClusterState {
  const nodes = useResource('nodes', (signal) => ask<Page<ClusterNode>>('GET', '/admin/nodes', { signal }));
  const ring = useResource('ring', (signal) =>
    ask<RingReport>('GET', '/admin/ring', { query: { arcs: true }, signal }),
  );
  const rebalances = useResource('rebalances', (signal) =>
    ask<Page<Rebalance>>('GET', '/admin/rebalances', { query: { limit: 6 }, signal }),
  );
  const repair = useResource('repair', (signal) => ask<RepairStatus>('GET', '/admin/repair', { signal }));
  const events = useSignal<readonly ClusterEvent[]>([]);
  const isLive = useSignal(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  const refresh = () => {
    nodes.reload();
    ring.reload();
    rebalances.reload();
    repair.reload();
  };
  const latestRefresh = useRef(refresh);
  latestRefresh.current = refresh;
  useEffect(() => {
    const gather = () => {
      timer.current ??= setTimeout(() => {
        timer.current = undefined;
        latestRefresh.current();
      }, GATHER_MS);
    };
    let count = 0;
    const stop = listen(
      `${API}/admin/events`,
      EVENTS,
      ({ kind, data }) => {
        gather();
        if (kind === 'rebalance_progress') return;
        const event = { ...(data as unknown as ClusterEvent), key: String(++count), kind };
        events.value = [event, ...events.peek()].slice(0, EVENTS_SHOWN);
      },
      (isConnected) => {
        // What happened meanwhile was missed.
        if (isConnected && !isLive.peek()) gather();
        isLive.value = isConnected;
      },
    );
    return () => {
      clearTimeout(timer.current);
      stop();
    };
  }, []);
  const isMoving = ring.value?.rebalanceId != null;
  usePoll(isMoving ? MOVING_POLL_MS : POLL_MS, refresh);

  return {
    nodes: nodes.value?.items,
    ring: ring.value,
    rebalances: rebalances.value?.items ?? [],
    repair: repair.value,
    events: events.value,
    isLive: isLive.value,
    error: nodes.error ?? ring.error,
    refresh,
  };
}
