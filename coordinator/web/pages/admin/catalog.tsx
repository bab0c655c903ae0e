import { useSignal } from '@preact/signals';
import { ask } from '../../api/client.ts';
import { Problem } from '../../api/problem.ts';
import type { ImportReport, MovieList } from '../../api/types.ts';
import { Link } from '../../app/link.tsx';
import { pathOf } from '../../app/paths.ts';
import { explain } from '../../i18n/explain.ts';
import { formatBytes, formatNumber } from '../../i18n/format.ts';
import { type MessageName, t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Progress } from '../../parts/progress.tsx';
import { useAction } from '../../parts/use-action.ts';
import { useResource } from '../../parts/use-resource.ts';
import { useTitle } from '../../parts/use-title.ts';
import { forgetListings } from '../movies/movie-list.ts';

type Mode = ImportReport['mode'];

/** Takes files of movies into the catalog, and says what became of each. */
export function CatalogPage() {
  const file = useSignal<File | undefined>(undefined);
  const mode = useSignal<Mode>('keep-going');
  const report = useSignal<ImportReport | undefined>(undefined);
  const problem = useSignal<string | undefined>(undefined);
  const { value, reload } = useResource('facets', (signal) =>
    ask<MovieList>('GET', '/movies', { query: { limit: 1, facets: true }, signal }),
  );
  const { isBusy, run } = useAction((error) => {
    problem.value = explain(error);
    // What a file that broke off has brought is told all the same.
    const told = error instanceof Problem ? error.details.report : undefined;
    report.value = told as ImportReport | undefined;
  });
  useTitle(t('catalog'));
  const start = () =>
    run(async () => {
      problem.value = undefined;
      report.value = undefined;
      const query = { mode: mode.value };
      const body = file.value!;
      report.value = await ask<ImportReport>('POST', '/movies/import', { query, body, timeoutMs: 0 });
      forgetListings();
      reload();
    });
  const known = value?.facets?.years.reduce((sum, { count }) => sum + count, 0);
  return (
    <div class="panels">
      <div class="page-head">
        <h1>{t('catalog')}</h1>
        <Link class="button button-plain" href={pathOf('newMovie')}>
          <Icon name="plus" size={18} />
          {t('addMovie')}
        </Link>
      </div>
      {known !== undefined && <p class="quiet">{t('moviesWithYear', { count: known })}</p>}
      <form
        class="panel form"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <h2>{t('importMovies')}</h2>
        <p class="quiet">{t('importText')}</p>
        <label class="button button-plain file-button">
          <Icon name="file" size={18} />
          <bdi>
            {file.value === undefined
              ? t('chooseFile')
              : `${file.value.name} (${formatBytes(file.value.size)})`}
          </bdi>
          <input
            type="file"
            class="for-readers"
            accept=".json,.ndjson,.jsonl,application/json"
            onChange={(event) => {
              file.value = event.currentTarget.files?.[0];
            }}
          />
        </label>
        <fieldset class="choices">
          <legend class="label">{t('importMode')}</legend>
          {(['keep-going', 'atomic'] as const).map((one) => (
            <label key={one} class="check">
              <input
                type="radio"
                name="mode"
                checked={mode.value === one}
                onChange={() => {
                  mode.value = one;
                }}
              />
              {t(one === 'atomic' ? 'importAtomic' : 'importKeepGoing')}
            </label>
          ))}
        </fieldset>
        <Button look="main" type="submit" isBusy={isBusy} disabled={file.value === undefined}>
          {t('importMovies')}
        </Button>
        {isBusy && <Progress share={null} label={t('importMovies')} />}
      </form>
      {problem.value !== undefined && (
        <p class="notice notice-bad" role="alert">
          {problem.value}
        </p>
      )}
      {report.value !== undefined && <Report report={report.value} />}
    </div>
  );
}

const COUNTS: readonly (readonly [keyof ImportReport & MessageCount, MessageName])[] = [
  ['added', 'importAdded'],
  ['updated', 'importUpdated'],
  ['unchanged', 'importUnchanged'],
  ['kept', 'importKept'],
  ['duplicates', 'importDuplicates'],
  ['rejected', 'importRejected'],
];
type MessageCount = 'added' | 'updated' | 'unchanged' | 'kept' | 'duplicates' | 'rejected';

function Report({ report }: { readonly report: ImportReport }) {
  return (
    <section class="panel" aria-labelledby="report-title">
      <h2 id="report-title">{t('importReport')}</h2>
      <dl class="figures">
        {COUNTS.map(([name, text]) => (
          <div key={name}>
            <dt>{t(text)}</dt>
            <dd>{formatNumber(report[name])}</dd>
          </div>
        ))}
      </dl>
      {report.problems.length > 0 && (
        <div class="table-frame">
          <table class="table">
            <caption class="for-readers">{t('importRejected')}</caption>
            <thead>
              <tr>
                <th scope="col">{t('line')}</th>
                <th scope="col">{t('field')}</th>
                <th scope="col">{t('value')}</th>
                <th scope="col">{t('reason')}</th>
              </tr>
            </thead>
            <tbody>
              {report.problems.map(({ line, byte, field, value, message }) => (
                <tr key={`${byte} ${field}`}>
                  <td>{formatNumber(line)}</td>
                  <td>{field}</td>
                  <td dir="auto">{value}</td>
                  <td>{message}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
