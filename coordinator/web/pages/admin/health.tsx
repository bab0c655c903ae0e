import { ask } from '../../api/client.ts';
import type { ClusterNode, Page, RepairStatus } from '../../api/types.ts';
import { say } from '../../app/toasts.ts';
import { formatAgo, formatBytes, formatDateTime, formatNumber } from '../../i18n/format.ts';
import { type MessageName, t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { Progress } from '../../parts/progress.tsx';
import { Failed, Loading } from '../../parts/states.tsx';
import { useAction } from '../../parts/use-action.ts';
import { usePoll } from '../../parts/use-poll.ts';
import { useResource } from '../../parts/use-resource.ts';
import { useTitle } from '../../parts/use-title.ts';
import { nodeName } from './cluster/node-name.ts';
import { CopiesVerdict } from './copies-verdict.tsx';

const REFRESH_MS = 3000;

/** Whether every copy is there, and what the nodes find when they read what they store. */
export function HealthPage() {
  const repair = useResource('repair', (signal) => ask<RepairStatus>('GET', '/admin/repair', { signal }));
  const nodes = useResource('nodes', (signal) => ask<Page<ClusterNode>>('GET', '/admin/nodes', { signal }));
  useTitle(t('copies'));
  usePoll(REFRESH_MS, repair.reload);
  const { isBusy, run } = useAction();
  const check = () =>
    run(async () => {
      await ask('POST', '/admin/repair', { json: {} });
      say(t('checkStarted'), { kind: 'good' });
      repair.reload();
    });
  const status = repair.value;
  if (status === undefined) {
    return repair.error === undefined ? <Loading /> : <Failed error={repair.error} onRetry={repair.reload} />;
  }
  return (
    <div class="panels panels-wide">
      <div class="page-head">
        <h1>{t('copies')}</h1>
        <Button icon="check" isBusy={isBusy} onClick={() => void check()}>
          {t('checkAll')}
        </Button>
      </div>
      <CopiesVerdict status={status} />
      <section class="panel">
        <Counts status={status} />
      </section>
      {status.shortChunks.count > 0 && <ShortChunks status={status} />}
      <Scrub status={status} nodes={nodes.value?.items ?? []} />
    </div>
  );
}

function Counts({ status }: { readonly status: RepairStatus }) {
  const { ranges, chunks, bytes, missingCopies, shortChunks, repairing } = status;
  const figures: readonly (readonly [MessageName, string])[] = [
    ['checkedRanges', `${formatNumber(ranges.verified)} / ${formatNumber(ranges.total)}`],
    ['suspectedRanges', formatNumber(ranges.suspected)],
    ['movingRanges', formatNumber(ranges.moving)],
    ['chunks', `${formatNumber(chunks)} · ${formatBytes(bytes)}`],
    ['missingCopies', formatNumber(missingCopies)],
    ['lostChunks', formatNumber(shortChunks.lost)],
    ['copiesMade', `${formatNumber(repairing.copiedChunks)} · ${formatBytes(repairing.copiedBytes)}`],
  ];
  return (
    <>
      <Progress
        share={ranges.total === 0 ? null : ranges.verified / ranges.total}
        label={t('checkedRanges')}
        tone={status.complete ? 'good' : 'main'}
      />
      <dl class="figures">
        {figures.map(([name, text]) => (
          <div key={name}>
            <dt>{t(name)}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function ShortChunks({ status: { shortChunks } }: { readonly status: RepairStatus }) {
  return (
    <section class="panel table-frame" aria-labelledby="short-title">
      <h2 id="short-title">{t('shortChunks')}</h2>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{t('chunk')}</th>
            <th scope="col">{t('copies')}</th>
            <th scope="col">{t('reason')}</th>
            <th scope="col">{t('when')}</th>
          </tr>
        </thead>
        <tbody>
          {shortChunks.sample.map(({ id, copies, problem, foundAt }) => (
            <tr key={id}>
              <td class="small">{id}</td>
              <td>{copies}</td>
              <td>{problem}</td>
              <td class="nowrap">{formatDateTime(foundAt)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const SCRUB_STATES: Readonly<Record<'idle' | 'running' | 'paused' | 'off', MessageName>> = {
  idle: 'scrubIdle',
  running: 'scrubRunning',
  paused: 'paused',
  off: 'off',
};

interface ScrubProps {
  readonly status: RepairStatus;
  readonly nodes: readonly ClusterNode[];
}

function Scrub({ status: { scrub }, nodes }: ScrubProps) {
  return (
    <section class="panel table-frame" aria-labelledby="scrub-title">
      <h2 id="scrub-title">{t('scrub')}</h2>
      <p class="quiet">{t('scrubText')}</p>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{t('node')}</th>
            <th scope="col">{t('state')}</th>
            <th scope="col">{t('lastFinished')}</th>
            <th scope="col">{t('foundCorrupt')}</th>
            <th scope="col">{t('quarantined')}</th>
          </tr>
        </thead>
        <tbody>
          {scrub.map(({ nodeId, state, lastFinishedAt, foundCorrupt, quarantined }) => (
            <tr key={nodeId}>
              <td>{nodeName(nodes.find(({ id }) => id === nodeId)?.url ?? nodeId)}</td>
              <td>{state === null ? '–' : t(SCRUB_STATES[state])}</td>
              <td>{lastFinishedAt === null ? '–' : formatAgo(lastFinishedAt)}</td>
              <td class={(foundCorrupt ?? 0) > 0 ? 'bad' : ''}>{foundCorrupt ?? '–'}</td>
              <td class={(quarantined ?? 0) > 0 ? 'bad' : ''}>{quarantined ?? '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
