import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { askVersioned } from '../../api/client.ts';
import { mediaOf } from '../../api/media.ts';
import { Problem } from '../../api/problem.ts';
import type { Video, Visibility } from '../../api/types.ts';
import { Link } from '../../app/link.tsx';
import { goTo } from '../../app/navigation.ts';
import { pathOf } from '../../app/paths.ts';
import { say, sayProblem } from '../../app/toasts.ts';
import { formatBytes, formatDateTime } from '../../i18n/format.ts';
import { type MessageName, t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { TextArea, TextField } from '../../parts/field.tsx';
import { Icon, type IconName } from '../../parts/icon.tsx';
import { Failed, Loading } from '../../parts/states.tsx';
import { useAction } from '../../parts/use-action.ts';
import { useTitle } from '../../parts/use-title.ts';
import { useVideo, type Watched } from '../watch/use-video.ts';
import { Attachments } from './attachments.tsx';
import { deleteLater } from './deletions.ts';
import { MediaState } from './media-state.tsx';
import { LinksDialog } from './video-menu.tsx';

export function EditVideoPage({ id = '' }: { readonly id?: string }) {
  const resource = useVideo(id);
  const { value, error, reload } = resource;
  useTitle(value?.video.title);
  if (value === undefined) {
    return error === undefined ? <Loading /> : <Failed error={error} onRetry={reload} />;
  }
  return (
    <div class="edit-video">
      <VideoForm watched={value} onSaved={reload} />
      <Attachments videoId={id} />
    </div>
  );
}

const VISIBILITIES: readonly { name: Visibility; icon: IconName; text: MessageName }[] = [
  { name: 'public', icon: 'globe', text: 'publicText' },
  { name: 'unlisted', icon: 'link', text: 'unlistedText' },
  { name: 'private', icon: 'lock', text: 'privateText' },
];

interface VideoFormProps {
  readonly watched: Watched;
  readonly onSaved: () => void;
}

function VideoForm({ watched: { video, etag }, onSaved }: VideoFormProps) {
  const fields = useSignal({
    title: video.title,
    description: video.description,
    visibility: video.visibility,
  });
  // Of what the fields were filled with: what becomes of the video meanwhile is not what was edited here.
  const base = useRef(etag);
  const areLinksShown = useSignal(false);
  const { isBusy, run } = useAction((error) => {
    sayProblem(error);
    if (!(error instanceof Problem && error.code === 'precondition_failed')) return;
    // Somebody else has changed it. Who has been told so may save once more; what was typed stays.
    void askVersioned<Video>('GET', `/videos/${video.id}`, { isFresh: true }).then((fresh) => {
      base.current = fresh.etag;
      onSaved();
    }, sayProblem);
  });
  const submit = () =>
    run(async () => {
      const headers = base.current === undefined ? {} : { 'if-match': base.current };
      const saved = await askVersioned<Video>('PATCH', `/videos/${video.id}`, {
        json: fields.value,
        headers,
      });
      base.current = saved.etag;
      say(t('saved'), { kind: 'good' });
      onSaved();
    });
  const remove = () => {
    deleteLater(video, () => {});
    goTo('library');
  };
  return (
    <form
      class="form form-page"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <h1>{t('editVideo')}</h1>
      <p class="facts">
        <span>{formatDateTime(video.createdAt)}</span>
        <span>{formatBytes(video.size)}</span>
        <span>{video.contentType}</span>
        <MediaState media={mediaOf(video)} />
      </p>
      <TextField
        label={t('title')}
        required
        maxLength={200}
        dir="auto"
        value={fields.value.title}
        onInput={(event) => {
          fields.value = { ...fields.value, title: event.currentTarget.value };
        }}
      />
      <TextArea
        label={t('description')}
        dir="auto"
        rows={6}
        value={fields.value.description}
        onInput={(event) => {
          fields.value = { ...fields.value, description: event.currentTarget.value };
        }}
      />
      <fieldset class="choices">
        <legend class="label">{t('visibility')}</legend>
        {VISIBILITIES.map(({ name, icon, text }) => (
          <label key={name} class="choice">
            <input
              type="radio"
              name="visibility"
              value={name}
              checked={fields.value.visibility === name}
              onChange={() => {
                fields.value = { ...fields.value, visibility: name };
              }}
            />
            <Icon name={icon} />
            <span>
              <strong>{t(name)}</strong>
              <span class="quiet">{t(text)}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <div class="form-foot">
        <Button look="danger" icon="trash" onClick={remove}>
          {t('delete')}
        </Button>
        <span class="form-gap" />
        <Button
          icon="link"
          onClick={() => {
            areLinksShown.value = true;
          }}
        >
          {t('links')}
        </Button>
        <Link class="button button-plain" href={pathOf('watch', { id: video.id })}>
          <Icon name="play" size={18} />
          {t('watch')}
        </Link>
        <Button look="main" type="submit" isBusy={isBusy}>
          {t('save')}
        </Button>
      </div>
      {areLinksShown.value && (
        <LinksDialog
          video={video}
          onClose={() => {
            areLinksShown.value = false;
          }}
        />
      )}
    </form>
  );
}
