import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { Problem } from '../../api/problem.ts';
import type { Visibility } from '../../api/types.ts';
import { Link } from '../../app/link.tsx';
import { pathOf } from '../../app/paths.ts';
import { sayProblem } from '../../app/toasts.ts';
import { explain } from '../../i18n/explain.ts';
import { formatBytes, formatDuration, formatRate, formatShare } from '../../i18n/format.ts';
import { type MessageName, t } from '../../i18n/translate.ts';
import { IconButton } from '../../parts/button.tsx';
import { SelectField, TextArea, TextField } from '../../parts/field.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Progress } from '../../parts/progress.tsx';
import type { EntryState, UploadEntry } from '../../upload/entry.ts';
import { isSameFile } from '../../upload/entry.ts';
import type { UploadQueue } from '../../upload/queue.ts';
import { secondsLeft } from '../../upload/rate-meter.ts';
import { Processing } from './processing.tsx';

const STATES: Readonly<Record<EntryState, MessageName>> = {
  waiting: 'uploadWaiting',
  sending: 'uploadSending',
  paused: 'uploadPaused',
  needsFile: 'uploadNeedsFile',
  offline: 'uploadOffline',
  finishing: 'uploadFinishing',
  done: 'uploadDone',
  failed: 'uploadFailed',
};

interface RowProps {
  readonly entry: UploadEntry;
  readonly queue: UploadQueue;
}

export function UploadRow({ entry, queue }: RowProps) {
  const { id, name, size, sentBytes, state, problem, videoId } = entry;
  const share = size === 0 ? 1 : sentBytes / size;
  return (
    <li class={`upload-row upload-${state}`}>
      <div class="upload-head">
        <span class="upload-name" dir="auto">
          {name}
        </span>
        <span class="quiet">{formatBytes(size)}</span>
        <span class="upload-buttons">
          <RowButtons entry={entry} queue={queue} />
        </span>
      </div>
      {state !== 'done' && (
        <Progress share={share} label={name} tone={state === 'sending' ? 'main' : 'waiting'} />
      )}
      <p class="upload-state" role="status">
        {problem !== null && state === 'failed' ? (
          <span class="bad">{explain(new Problem(1, problem.code, problem.message))}</span>
        ) : (
          <>
            <strong>{t(STATES[state])}</strong>
            {state === 'sending' && <Speed entry={entry} queue={queue} />}
          </>
        )}
        {state === 'sending' && <span class="for-readers">{formatShare(share)}</span>}
      </p>
      {state === 'needsFile' && <ChooseAgain entry={entry} queue={queue} />}
      {state === 'done' && videoId !== null && (
        <div class="upload-done">
          <Link class="button button-main" href={pathOf('watch', { id: videoId })}>
            <Icon name="play" size={18} />
            {t('watch')}
          </Link>
          <Link class="button button-plain" href={pathOf('libraryVideo', { id: videoId })}>
            {t('moreSettings')}
          </Link>
          <Processing videoId={videoId} />
        </div>
      )}
      <Metadata key={id} entry={entry} queue={queue} />
    </li>
  );
}

/** How fast, and how long still. */
function Speed({ entry: { id, size, sentBytes, way }, queue }: RowProps) {
  const rate = queue.rateOf(id);
  const left = secondsLeft(size - sentBytes, rate);
  return (
    <span class="upload-speed">
      {t('sentOf', { sent: formatBytes(sentBytes), total: formatBytes(size) })}
      {rate !== null && ` · ${formatRate(rate)}`}
      {left !== null && ` · ${t('timeLeft', { time: formatDuration(left) })}`}
      <span class="upload-way" title={t(way === 'direct' ? 'wayDirect' : 'wayTus')}>
        {way === 'direct' ? '⇉' : '→'}
      </span>
    </span>
  );
}

function RowButtons({ entry: { id, name, state }, queue }: RowProps) {
  const mayPause = state === 'sending' || state === 'waiting' || state === 'offline';
  const mayResume = state === 'paused' || state === 'failed';
  const act = (work: Promise<unknown>) => void work.catch(sayProblem);
  return (
    <>
      {mayPause && (
        <IconButton icon="pause" label={t('pauseUpload', { name })} onClick={() => act(queue.pause(id))} />
      )}
      {mayResume && (
        <IconButton icon="play" label={t('resumeUpload', { name })} onClick={() => act(queue.resume(id))} />
      )}
      {state !== 'finishing' && (
        <IconButton
          icon="close"
          label={t(state === 'done' ? 'removeFromList' : 'cancelUpload', { name })}
          onClick={() => act(queue.remove(id))}
        />
      )}
    </>
  );
}

/** Browsers do not let pages open files again by themselves. */
function ChooseAgain({ entry, queue }: RowProps) {
  const isOther = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  return (
    <div class="upload-again">
      <p>{t(isOther.value ? 'otherFile' : 'chooseAgain', { name: entry.name })}</p>
      <label class="button button-main">
        {t('chooseFile')}
        <input
          ref={input}
          type="file"
          class="for-readers"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            if (file === undefined) return;
            isOther.value = !isSameFile(entry, file);
            if (!isOther.value) void queue.add([{ file, handle: null }]);
          }}
        />
      </label>
    </div>
  );
}

const VISIBILITIES: readonly Visibility[] = ['public', 'unlisted', 'private'];

/** What the video is to be called and who may see it, also while it is on its way. */
function Metadata({ entry, queue }: RowProps) {
  const isOpen = useSignal(entry.state !== 'done');
  const fields = useSignal({ title: entry.title, description: entry.description });
  const keep = (changes: Partial<Pick<UploadEntry, 'title' | 'description' | 'visibility'>>) =>
    void queue.edit(entry.id, changes).catch(sayProblem);
  return (
    <details
      class="upload-fields"
      open={isOpen.value}
      onToggle={(event) => {
        isOpen.value = event.currentTarget.open;
      }}
    >
      <summary>{t('details')}</summary>
      <div class="form-row">
        <TextField
          label={t('title')}
          dir="auto"
          maxLength={200}
          value={fields.value.title}
          onInput={(event) => {
            fields.value = { ...fields.value, title: event.currentTarget.value };
          }}
          onChange={(event) => {
            const title = event.currentTarget.value.trim();
            if (title !== '') keep({ title });
          }}
        />
        <SelectField
          label={t('visibility')}
          value={entry.visibility}
          options={VISIBILITIES.map((name) => [name, t(name)] as const)}
          onChoose={(visibility) => keep({ visibility })}
        />
      </div>
      <TextArea
        label={t('description')}
        dir="auto"
        rows={2}
        value={fields.value.description}
        onInput={(event) => {
          fields.value = { ...fields.value, description: event.currentTarget.value };
        }}
        onChange={(event) => keep({ description: event.currentTarget.value })}
      />
    </details>
  );
}
