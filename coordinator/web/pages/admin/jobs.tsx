import { useSignal } from '@preact/signals';
import { ask, isNotFound } from '../../api/client.ts';
import { usePagedList } from '../../api/paged.ts';
import { JOB_STATES, type Job, type JobDetails, type JobState, type Worker } from '../../api/transcoding.ts';
import { Link } from '../../app/link.tsx';
import { pathOf } from '../../app/paths.ts';
import { formatAgo, formatNumber, formatShare } from '../../i18n/format.ts';
import { type MessageName, t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { SelectField } from '../../parts/field.tsx';
import { Listing } from '../../parts/listing.tsx';
import { Progress } from '../../parts/progress.tsx';
import { Empty, Failed, Loading } from '../../parts/states.tsx';
import { useAction } from '../../parts/use-action.ts';
import { usePoll } from '../../parts/use-poll.ts';
import { useResource } from '../../parts/use-resource.ts';
import { useTitle } from '../../parts/use-title.ts';

const REFRESH_MS = 3000;

export const JOB_STATE_NAMES: Readonly<Record<JobState, MessageName>> = {
  queued: 'jobQueued',
  running: 'jobRunning',
  complete: 'jobComplete',
  failed: 'jobFailed',
  cancelled: 'jobCancelled',
};

/** What is being made of videos, by whom. */
export function JobsPage() {
  const state = useSignal<JobState | ''>('');
  const list = usePagedList<Job>('/jobs', { state: state.value, limit: 30 });
  useTitle(t('jobs'));
  usePoll(REFRESH_MS, () => void list.refresh().catch(() => {}));
  if (isNotFound(list.error.value)) {
    return <Empty icon="gear" title={t('noTranscoding')} text={t('noTranscodingText')} />;
  }
  return (
    <>
      <div class="page-head">
        <h1>{t('jobs')}</h1>
        <SelectField
          label={t('state')}
          isCompact
          value={state.value}
          options={[['', t('all')], ...JOB_STATES.map((name) => [name, t(JOB_STATE_NAMES[name])] as const)]}
          onChoose={(chosen) => {
            state.value = chosen;
          }}
        />
      </div>
      <Workers />
      <Listing list={list} empty={<Empty icon="gear" title={t('noJobs')} text={t('noJobsText')} />}>
        {(jobs) => (
          <ul class="rows">
            {jobs.map((job) => (
              <JobRow key={job.id} job={job} onChanged={() => void list.refresh()} />
            ))}
          </ul>
        )}
      </Listing>
    </>
  );
}

function Workers() {
  const { value, reload } = useResource('workers', (signal) =>
    ask<{ items: Worker[] }>('GET', '/workers', { signal }),
  );
  usePoll(REFRESH_MS, reload);
  if (value === undefined) return null;
  return (
    <section class="panel workers" aria-labelledby="workers-title">
      <h2 id="workers-title">{t('workers')}</h2>
      {value.items.length === 0 && <p class="quiet">{t('noWorkers')}</p>}
      <ul class="log">
        {value.items.map(({ id, name, concurrency, isRunning, seenAt, tasks }) => (
          <li key={id}>
            <span class={`state state-${isRunning ? 'up' : 'down'}`}>
              {t(isRunning ? 'nodeUp' : 'nodeDown')}
            </span>
            <strong>{name}</strong>
            <span class="quiet">
              {t('busyOf', { busy: tasks.length, all: concurrency })} · {formatAgo(seenAt)}
            </span>
            {tasks.map((task) => (
              <Link key={task.id} href={pathOf('watch', { id: task.videoId })} class="chip">
                {task.kind}
              </Link>
            ))}
          </li>
        ))}
      </ul>
    </section>
  );
}

interface JobRowProps {
  readonly job: Job;
  readonly onChanged: () => void;
}

function JobRow({ job, onChanged }: JobRowProps) {
  const { id, videoId, state, progress, reason, createdAt } = job;
  const isOpen = useSignal(false);
  const { isBusy, run } = useAction();
  const act = (action: 'retry' | 'cancel') =>
    run(async () => {
      await ask('POST', `/jobs/${id}/${action}`, { json: {} });
      onChanged();
    });
  const isUnderWay = state === 'queued' || state === 'running';
  return (
    <li class="row job">
      <div class="row-text">
        <p class="job-head">
          <span class={`state state-${state === 'complete' ? 'ready' : state}`}>
            {t(JOB_STATE_NAMES[state])}
          </span>
          <Link href={pathOf('watch', { id: videoId })}>{t('video')}</Link>
          <span class="quiet">
            {formatAgo(createdAt)} · {formatShare(progress)}
          </span>
        </p>
        <Progress share={progress} label={t('jobs')} tone={state === 'complete' ? 'good' : 'main'} />
        {reason !== null && <p class="bad">{reason}</p>}
        <details
          onToggle={(event) => {
            isOpen.value = event.currentTarget.open;
          }}
        >
          <summary>{t('tasks')}</summary>
          {isOpen.value && <JobTasks id={id} />}
        </details>
      </div>
      {(state === 'failed' || state === 'cancelled') && (
        <Button isBusy={isBusy} onClick={() => void act('retry')}>
          {t('tryAgain')}
        </Button>
      )}
      {isUnderWay && (
        <Button look="danger" isBusy={isBusy} onClick={() => void act('cancel')}>
          {t('cancel')}
        </Button>
      )}
    </li>
  );
}

function JobTasks({ id }: { readonly id: string }) {
  const { value, error, reload } = useResource(`job ${id}`, (signal) =>
    ask<JobDetails>('GET', `/jobs/${id}`, { signal }),
  );
  usePoll(REFRESH_MS, reload);
  if (value === undefined)
    return error === undefined ? <Loading /> : <Failed error={error} onRetry={reload} />;
  return (
    <div class="table-frame">
      <ul class="chips">
        {value.renditions.map(({ name, pieces, piecesDone, isPublished }) => (
          <li key={name} class="chip">
            {name} {isPublished ? '✓' : `${formatNumber(piecesDone)} / ${formatNumber(pieces)}`}
          </li>
        ))}
      </ul>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{t('what')}</th>
            <th scope="col">{t('state')}</th>
            <th scope="col">{t('progress')}</th>
            <th scope="col">{t('worker')}</th>
            <th scope="col">{t('reason')}</th>
          </tr>
        </thead>
        <tbody>
          {value.tasks.map((task) => (
            <tr key={task.id}>
              <td>
                {task.kind} <span class="quiet">{task.renditions.join(', ')}</span>
              </td>
              <td>{t(JOB_STATE_NAMES[task.state])}</td>
              <td>{formatShare(task.progress)}</td>
              <td>{task.worker ?? '–'}</td>
              <td class="small">{task.reason ?? ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
