import { useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { t } from '../../../i18n/translate.ts';
import { Button } from '../../../parts/button.tsx';
import { Empty, Failed, Loading } from '../../../parts/states.tsx';
import { useTitle } from '../../../parts/use-title.ts';
import { CopiesVerdict } from '../copies-verdict.tsx';
import { AddNode } from './add-node.tsx';
import { EventList } from './event-list.tsx';
import { Load } from './load.tsx';
import { NodeList } from './node-list.tsx';
import { nodeClasses } from './node-name.ts';
import { PlanDialog, type WantedChange } from './plan-dialog.tsx';
import { RebalanceList, RebalancePanel } from './rebalance-panel.tsx';
import type { RingOrder } from './ring-geometry.ts';
import { RingView } from './ring-view.tsx';
import { useCluster } from './use-cluster.ts';

/** The cluster at a glance: the ring, its nodes, what moves, and whether all copies are there. */
export function ClusterPage() {
  const state = useCluster();
  const chosen = useSignal<string | undefined>(undefined);
  const order = useSignal<RingOrder>('owners');
  const isAdding = useSignal(false);
  const wanted = useSignal<WantedChange | undefined>(undefined);
  useTitle(t('cluster'));
  const { nodes, ring, rebalances, repair } = state;
  const classes = useMemo(() => nodeClasses(nodes ?? []), [nodes]);
  if (nodes === undefined) {
    return state.error === undefined ? <Loading /> : <Failed error={state.error} onRetry={state.refresh} />;
  }
  const running = rebalances.find(({ state: name }) => ['running', 'paused', 'cancelling'].includes(name));
  return (
    <div class="cluster">
      <div class="page-head">
        <h1>{t('cluster')}</h1>
        <span class={`live ${state.isLive ? 'live-on' : ''}`}>{t(state.isLive ? 'live' : 'notLive')}</span>
        <Button
          look="main"
          icon="plus"
          onClick={() => {
            isAdding.value = true;
          }}
        >
          {t('addNode')}
        </Button>
      </div>
      {repair !== undefined && <CopiesVerdict status={repair} />}
      <div class="cluster-body">
        <section class="panel ring-panel" aria-label={t('ring')}>
          {ring === undefined ? (
            <Empty icon="orbit" title={t('noRing')} text={t('noRingText')} />
          ) : (
            <>
              <RingView
                ring={ring}
                nodes={nodes}
                classes={classes}
                order={order.value}
                chosen={chosen}
                isComplete={repair?.complete}
              />
              <fieldset class="chips">
                <legend class="for-readers">{t('ringOrder')}</legend>
                {(['owners', 'position'] as const).map((name) => (
                  <button
                    key={name}
                    type="button"
                    class="chip"
                    aria-pressed={order.value === name}
                    onClick={() => {
                      order.value = name;
                    }}
                  >
                    {t(name === 'owners' ? 'byOwner' : 'byPosition')}
                  </button>
                ))}
              </fieldset>
            </>
          )}
        </section>
        <div class="cluster-side">
          {running !== undefined && (
            <RebalancePanel rebalance={running} ring={ring} onChanged={state.refresh} />
          )}
          <NodeList
            nodes={nodes}
            classes={classes}
            chosen={chosen}
            onWanted={(change) => {
              wanted.value = change;
            }}
            onChanged={state.refresh}
          />
        </div>
      </div>
      <Load />
      <div class="cluster-foot">
        <EventList events={state.events} nodes={nodes} />
        <RebalanceList rebalances={rebalances} />
      </div>
      {isAdding.value && (
        <AddNode
          onClose={() => {
            isAdding.value = false;
          }}
          onRegistered={(change) => {
            isAdding.value = false;
            wanted.value = change;
            state.refresh();
          }}
        />
      )}
      {wanted.value !== undefined && (
        <PlanDialog
          change={wanted.value}
          nodes={nodes}
          onClose={() => {
            wanted.value = undefined;
          }}
          onStarted={() => {
            wanted.value = undefined;
            state.refresh();
          }}
        />
      )}
    </div>
  );
}
