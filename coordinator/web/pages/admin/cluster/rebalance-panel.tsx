import { ask } from '../../../api/client.ts';
import type { Rebalance, RingReport } from '../../../api/types.ts';
import {
  formatAgo,
  formatBytes,
  formatDuration,
  formatNumber,
  formatRate,
  formatShare,
} from '../../../i18n/format.ts';
import { type MessageName, t } from '../../../i18n/translate.ts';
import { Button } from '../../../parts/button.tsx';
import { SelectField } from '../../../parts/field.tsx';
import { Progress } from '../../../parts/progress.tsx';
import { useAction } from '../../../parts/use-action.ts';
import { PHASES } from './ring-geometry.ts';

const STATES: Readonly<Record<Rebalance['state'], MessageName>> = {
  running: 'rebalanceRunning',
  paused: 'paused',
  cancelling: 'rebalanceCancelling',
  superseded: 'rebalanceSuperseded',
  cancelled: 'rebalanceCancelled',
  finished: 'rebalanceFinished',
};

const PHASE_NAMES: Readonly<Record<(typeof PHASES)[number], MessageName>> = {
  before: 'phaseBefore',
  dual: 'phaseDual',
  readNew: 'phaseReadNew',
  newOnly: 'phaseNewOnly',
  after: 'phaseAfter',
};

const MIB = 1024 * 1024;
const SPEEDS_MIB = [5, 20, 100] as const;

interface RebalancePanelProps {
  readonly rebalance: Rebalance;
  readonly ring: RingReport | undefined;
  readonly onChanged: () => void;
}

/** What moves now: how far, how fast, how long still, and how to stop it. */
export function RebalancePanel({ rebalance, ring, onChanged }: RebalancePanelProps) {
  const { id, state, reason, bytes, ranges, bytesPerSecond, secondsLeft, error, limits } = rebalance;
  const { isBusy, run } = useAction();
  const act = (action: 'pause' | 'resume' | 'cancel') =>
    run(async () => {
      await ask('POST', `/admin/rebalances/${id}/${action}`);
      onChanged();
    });
  const limit = (text: string) =>
    run(async () => {
      const json = { bytesPerSecond: text === '' ? null : Number(text) * MIB };
      await ask('PATCH', `/admin/rebalances/${id}`, { json });
      onChanged();
    });
  const share = ranges.total === 0 ? 1 : ranges.done / ranges.total;
  const limitMib = limits.bytesPerSecond === null ? '' : String(limits.bytesPerSecond / MIB);
  const speeds = [...new Set([...SPEEDS_MIB.map(String), ...(limitMib === '' ? [] : [limitMib])])];
  return (
    <section class="panel rebalance" aria-labelledby="rebalance-title">
      <div class="panel-head">
        <h2 id="rebalance-title">{t('rangesMove')}</h2>
        <span class={`state state-${state}`}>{t(STATES[state])}</span>
      </div>
      <p class="quiet">{reason}</p>
      <Progress share={share} label={t('rangesMove')} />
      <p class="facts">
        <span>
          {formatShare(share)} · {formatNumber(ranges.done)} / {formatNumber(ranges.total)} {t('ranges')}
        </span>
        <span>
          {formatBytes(bytes.done)} / {formatBytes(bytes.total)}
        </span>
        {bytesPerSecond !== null && <span>{formatRate(bytesPerSecond)}</span>}
        {secondsLeft !== null && <span>{t('timeLeft', { time: formatDuration(secondsLeft) })}</span>}
      </p>
      {ring?.phases != null && (
        <ul class="phases">
          {PHASES.map((phase) => (
            <li key={phase} class={`phase phase-${phase}`}>
              <span class="phase-dot" aria-hidden="true" />
              {t(PHASE_NAMES[phase])} <strong>{formatNumber(ring.phases![phase])}</strong>
            </li>
          ))}
        </ul>
      )}
      {error !== null && <p class="notice">{error}</p>}
      <div class="rebalance-actions">
        <SelectField
          label={t('speedLimit')}
          isCompact
          value={limitMib}
          options={[['', t('noLimit')], ...speeds.map((mib) => [mib, `${mib} MiB/s`] as const)]}
          onChoose={(text) => void limit(text)}
        />
        {state === 'running' && (
          <Button icon="pause" isBusy={isBusy} onClick={() => void act('pause')}>
            {t('pause')}
          </Button>
        )}
        {state === 'paused' && (
          <Button icon="play" isBusy={isBusy} onClick={() => void act('resume')}>
            {t('goOn')}
          </Button>
        )}
        {state !== 'cancelling' && (
          <Button look="danger" isBusy={isBusy} onClick={() => void act('cancel')}>
            {t('goBack')}
          </Button>
        )}
      </div>
    </section>
  );
}

/** What moved before. */
export function RebalanceList({ rebalances }: { readonly rebalances: readonly Rebalance[] }) {
  const past = rebalances.filter(({ finishedAt }) => finishedAt !== null);
  if (past.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="past-title">
      <h2 id="past-title">{t('changesBefore')}</h2>
      <ul class="log">
        {past.map(({ id, state, reason, finishedAt, copiedBytes }) => (
          <li key={id}>
            <span class={`state state-${state}`}>{t(STATES[state])}</span>
            <span>{reason}</span>
            <span class="quiet">
              {formatBytes(copiedBytes)} · {formatAgo(finishedAt!)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
