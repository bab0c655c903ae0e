import { useSignal } from '@preact/signals';
import { ask } from '../../api/client.ts';
import type { Attachment, Page } from '../../api/types.ts';
import { say } from '../../app/toasts.ts';
import { formatBytes } from '../../i18n/format.ts';
import { type MessageName, t } from '../../i18n/translate.ts';
import { Button, IconButton } from '../../parts/button.tsx';
import { TextField } from '../../parts/field.tsx';
import { Icon, type IconName } from '../../parts/icon.tsx';
import { Failed, Loading } from '../../parts/states.tsx';
import { useAction } from '../../parts/use-action.ts';
import { useResource } from '../../parts/use-resource.ts';
import { attachmentName, languageIn } from './attachment-name.ts';

const KINDS: Readonly<Record<Attachment['kind'], { icon: IconName; text: MessageName }>> = {
  captions: { icon: 'captions', text: 'captions' },
  subtitles: { icon: 'captions', text: 'captions' },
  descriptions: { icon: 'captions', text: 'descriptions' },
  chapters: { icon: 'log', text: 'chapters' },
  poster: { icon: 'film', text: 'poster' },
  document: { icon: 'file', text: 'document' },
};

export function Attachments({ videoId }: { readonly videoId: string }) {
  const path = `/videos/${videoId}/attachments`;
  const { value, error, reload } = useResource(path, (signal) =>
    ask<Page<Attachment>>('GET', path, { signal }),
  );
  const { isBusy, run } = useAction();
  const remove = (name: string) =>
    run(async () => {
      await ask('DELETE', `${path}/${name}`);
      reload();
    });
  if (value === undefined) {
    return error === undefined ? <Loading /> : <Failed error={error} onRetry={reload} />;
  }
  return (
    <section class="panel" aria-labelledby="attachments-title">
      <h2 id="attachments-title">{t('attachments')}</h2>
      <p class="quiet">{t('attachmentsText')}</p>
      <ul class="attachment-list">
        {value.items.map(({ name, kind, language, label, size, links }) => (
          <li key={name}>
            <Icon name={KINDS[kind].icon} />
            <a href={links.self} target="_blank" rel="noopener" dir="auto">
              {label ?? name}
            </a>
            <span class="quiet">
              {t(KINDS[kind].text)}
              {language !== null && ` · ${language}`} · {formatBytes(size)}
            </span>
            <IconButton
              icon="trash"
              size={18}
              label={t('deleteNamed', { name: label ?? name })}
              disabled={isBusy}
              onClick={() => void remove(name)}
            />
          </li>
        ))}
      </ul>
      <AddAttachment path={path} onAdded={reload} />
    </section>
  );
}

interface AddAttachmentProps {
  readonly path: string;
  readonly onAdded: () => void;
}

function AddAttachment({ path, onAdded }: AddAttachmentProps) {
  const file = useSignal<File | undefined>(undefined);
  const label = useSignal('');
  const language = useSignal('');
  const { isBusy, run } = useAction();
  const add = () =>
    run(async () => {
      if (file.value === undefined) return;
      const query = { label: label.value.trim(), language: language.value.trim() };
      const name = attachmentName(file.value.name);
      await ask('PUT', `${path}/${name}`, { query, body: file.value, timeoutMs: 0 });
      say(t('saved'), { kind: 'good' });
      file.value = undefined;
      label.value = '';
      language.value = '';
      onAdded();
    });
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        void add();
      }}
    >
      <label class="button button-plain file-button">
        <Icon name="plus" size={18} />
        <bdi>{file.value?.name ?? t('chooseAttachment')}</bdi>
        <input
          type="file"
          class="for-readers"
          accept=".vtt,.srt,.pdf,image/jpeg,image/png,image/webp"
          onChange={(event) => {
            file.value = event.currentTarget.files?.[0];
            language.value = languageIn(file.value?.name ?? '');
          }}
        />
      </label>
      {file.value !== undefined && (
        <div class="form-row">
          <TextField
            label={t('shownName')}
            dir="auto"
            maxLength={100}
            value={label.value}
            onInput={(event) => {
              label.value = event.currentTarget.value;
            }}
          />
          <TextField
            label={t('languageTag')}
            value={language.value}
            placeholder="de"
            maxLength={35}
            onInput={(event) => {
              language.value = event.currentTarget.value;
            }}
          />
          <Button look="main" type="submit" isBusy={isBusy}>
            {t('add')}
          </Button>
        </div>
      )}
    </form>
  );
}
