import { ask } from '../../../api/client.ts';
import type { ClusterNode, RebalancePlan } from '../../../api/types.ts';
import { say } from '../../../app/toasts.ts';
import { formatBytes, formatDuration, formatNumber, formatShare } from '../../../i18n/format.ts';
import { type MessageName, t } from '../../../i18n/translate.ts';
import { Button } from '../../../parts/button.tsx';
import { Dialog } from '../../../parts/dialog.tsx';
import { Failed, Loading } from '../../../parts/states.tsx';
import { useAction } from '../../../parts/use-action.ts';
import { useResource } from '../../../parts/use-resource.ts';
import { nodeName } from './node-name.ts';

export interface WantedChange {
  readonly nodeId: string;
  readonly kind: 'active' | 'draining' | 'lost' | 'edit';
  readonly weight?: number;
  readonly zone?: string;
}

const TITLES: Readonly<Record<WantedChange['kind'], MessageName>> = {
  active: 'planUse',
  draining: 'planDrain',
  lost: 'planLost',
  edit: 'planEdit',
};

interface PlanDialogProps {
  readonly change: WantedChange;
  readonly nodes: readonly ClusterNode[];
  readonly onClose: () => void;
  readonly onStarted: () => void;
}

/** Shows what a change would move before anything moves. */
export function PlanDialog({ change, nodes, onClose, onStarted }: PlanDialogProps) {
  const { nodeId, kind, weight, zone } = change;
  const edit = { ...(weight !== undefined && { weight }), ...(zone !== undefined && { zone }) };
  const changes = [{ nodeId, ...(kind !== 'edit' && { state: kind }), ...edit }];
  const plan = useResource(JSON.stringify(changes), (signal) =>
    ask<RebalancePlan>('POST', '/admin/nodes/plan', { json: { changes }, signal }),
  );
  const { isBusy, run } = useAction();
  const name = nodeName(nodes.find(({ id }) => id === nodeId)?.url ?? nodeId);
  const start = () =>
    run(async () => {
      if (kind === 'lost') await ask('DELETE', `/admin/nodes/${nodeId}`, { query: { lost: true } });
      else {
        const json = { ...(kind !== 'edit' && { state: kind }), ...edit };
        await ask('PATCH', `/admin/nodes/${nodeId}`, { json });
      }
      say(t('changeStarted'), { kind: 'good' });
      onStarted();
    });
  return (
    <Dialog title={t(TITLES[kind], { name })} onClose={onClose} isWide>
      {plan.value === undefined ? (
        plan.error === undefined ? (
          <Loading />
        ) : (
          <Failed error={plan.error} onRetry={plan.reload} />
        )
      ) : (
        <>
          {kind === 'lost' && <p class="notice notice-bad">{t('planLostText')}</p>}
          <PlanFigures plan={plan.value} />
          <PlannedNodes plan={plan.value} nodes={nodes} />
        </>
      )}
      <footer class="dialog-foot">
        <Button onClick={onClose}>{t('cancel')}</Button>
        <Button
          look={kind === 'lost' ? 'danger' : 'main'}
          isBusy={isBusy}
          disabled={plan.value === undefined}
          onClick={() => void start()}
        >
          {t('startChange')}
        </Button>
      </footer>
    </Dialog>
  );
}

function PlanFigures({ plan }: { readonly plan: RebalancePlan }) {
  const { ranges, totalRanges, bytes, chunks, share, movedRanges, minimumRanges, estimatedSeconds } = plan;
  return (
    <dl class="figures plan-figures">
      <div>
        <dt>{t('planBytes')}</dt>
        <dd>
          {formatBytes(bytes)} <span class="quiet">({formatShare(share, 1)})</span>
        </dd>
      </div>
      <div>
        <dt>{t('planRanges')}</dt>
        <dd>
          {formatNumber(ranges)} <span class="quiet">/ {formatNumber(totalRanges)}</span>
        </dd>
      </div>
      <div>
        <dt>{t('chunks')}</dt>
        <dd>{formatNumber(chunks)}</dd>
      </div>
      <div>
        <dt>{t('planMinimum')}</dt>
        <dd>
          {formatNumber(movedRanges)} <span class="quiet">/ {formatNumber(minimumRanges)}</span>
        </dd>
      </div>
      <div>
        <dt>{t('planTime')}</dt>
        <dd>{estimatedSeconds === null ? t('notKnownYet') : formatDuration(estimatedSeconds)}</dd>
      </div>
    </dl>
  );
}

function PlannedNodes({
  plan,
  nodes,
}: {
  readonly plan: RebalancePlan;
  readonly nodes: readonly ClusterNode[];
}) {
  return (
    <div class="table-frame">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{t('node')}</th>
            <th scope="col">{t('ranges')}</th>
            <th scope="col">{t('gains')}</th>
            <th scope="col">{t('gives')}</th>
          </tr>
        </thead>
        <tbody>
          {plan.nodes.map(({ nodeId, before, after, gainedBytes, lostBytes }) => (
            <tr key={nodeId}>
              <td>{nodeName(nodes.find(({ id }) => id === nodeId)?.url ?? nodeId)}</td>
              <td>
                {formatNumber(before.ranges)} → {formatNumber(after.ranges)}
              </td>
              <td>{formatBytes(gainedBytes)}</td>
              <td>{formatBytes(lostBytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
