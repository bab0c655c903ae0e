import { useSignal } from '@preact/signals';
import { ask, askVersioned } from '../../api/client.ts';
import { Problem } from '../../api/problem.ts';
import type { Movie } from '../../api/types.ts';
import { Link } from '../../app/link.tsx';
import { goTo } from '../../app/navigation.ts';
import { pathOf } from '../../app/paths.ts';
import { say, sayProblem } from '../../app/toasts.ts';
import { type MessageName, t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { TextArea, TextField } from '../../parts/field.tsx';
import { Failed, Loading } from '../../parts/states.tsx';
import { useAction } from '../../parts/use-action.ts';
import { useResource } from '../../parts/use-resource.ts';
import { useTitle } from '../../parts/use-title.ts';
import { fieldsOf, type MovieFields, movieOf, NO_FIELDS } from './movie-fields.ts';
import { forgetListings } from './movie-list.ts';

export function NewMoviePage() {
  useTitle(t('addMovie'));
  const save = async (fields: MovieFields) => {
    const movie = await ask<Movie>('POST', '/movies', { json: movieOf(fields) });
    return movie.id;
  };
  return <MovieForm heading={t('addMovie')} fields={NO_FIELDS} save={save} back="/" />;
}

export function EditMoviePage({ id = '' }: { readonly id?: string }) {
  const { value, error, reload } = useResource(`movie ${id}`, (signal) =>
    askVersioned<Movie>('GET', `/movies/${id}`, { signal, isFresh: true }),
  );
  useTitle(t('editMovie'));
  if (value === undefined) {
    return error === undefined ? <Loading /> : <Failed error={error} onRetry={reload} />;
  }
  const save = async (fields: MovieFields) => {
    const headers = value.etag === undefined ? {} : { 'if-match': value.etag };
    await ask('PUT', `/movies/${id}`, { json: movieOf(fields), headers });
    return id;
  };
  return (
    <MovieForm
      heading={t('editMovie')}
      fields={fieldsOf(value.value)}
      save={save}
      back={pathOf('movie', { id })}
    />
  );
}

interface MovieFormProps {
  readonly heading: string;
  readonly fields: MovieFields;
  /** Resolves with the movie's id. */
  readonly save: (fields: MovieFields) => Promise<string>;
  readonly back: string;
}

function MovieForm({ heading, fields: before, save, back }: MovieFormProps) {
  const fields = useSignal(before);
  const problem = useSignal<unknown>(undefined);
  const { isBusy, run } = useAction((error) => {
    problem.value = error;
    sayProblem(error);
  });
  const submit = () =>
    run(async () => {
      problem.value = undefined;
      const id = await save(fields.value);
      forgetListings();
      say(t('saved'), { kind: 'good' });
      goTo('movie', { id });
    });
  const error = problem.value;
  const props = (name: keyof MovieFields, label: MessageName) => ({
    label: t(label),
    value: fields.value[name],
    problem:
      error instanceof Problem
        ? error.fields.find(({ field }) => field.split('.', 1)[0] === name)?.message
        : undefined,
    onInput: (event: { currentTarget: HTMLInputElement | HTMLTextAreaElement }) => {
      fields.value = { ...fields.value, [name]: event.currentTarget.value };
    },
  });
  return (
    <form
      class="form form-page"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <h1>{heading}</h1>
      <TextField {...props('title', 'title')} required dir="auto" />
      <TextField {...props('originalTitle', 'originalTitle')} dir="auto" />
      <div class="form-row">
        <TextField {...props('year', 'year')} type="number" />
        <TextField {...props('runtimeMinutes', 'minutes')} type="number" min={1} />
        <TextField {...props('score', 'scoreOfTen')} type="number" step="0.01" min={0} max={10} />
        <TextField {...props('popularity', 'popularity')} type="number" step="0.01" min={0} max={100} />
      </div>
      <TextField {...props('directors', 'directors')} hint={t('semicolons')} dir="auto" />
      <TextField {...props('genres', 'genres')} hint={t('semicolons')} dir="auto" />
      <TextArea {...props('synopsis', 'synopsis')} rows={6} dir="auto" />
      <TextField {...props('poster', 'posterUrl')} type="url" />
      <TextField {...props('videoId', 'videoOfMovie')} hint={t('videoOfMovieHint')} />
      <div class="form-foot">
        <Link class="button button-plain" href={back}>
          {t('cancel')}
        </Link>
        <Button look="main" type="submit" isBusy={isBusy}>
          {t('save')}
        </Button>
      </div>
    </form>
  );
}
