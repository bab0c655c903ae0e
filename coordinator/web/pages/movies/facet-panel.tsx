import type { Facets } from '../../api/types.ts';
import { changeQuery } from '../../app/navigation.ts';
import { formatNumber } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { decadesOf, type MovieQuery } from './movie-query.ts';

const GENRES_SHOWN = 14;
const DIRECTORS_SHOWN = 8;
const SCORES = ['6', '7', '8', '9'] as const;

interface FacetPanelProps {
  readonly query: MovieQuery;
  readonly facets: Facets | undefined;
}

/** What is found can be narrowed by. */
export function FacetPanel({ query, facets }: FacetPanelProps) {
  const genres = withChosen(facets?.genres ?? [], query.genres).slice(0, GENRES_SHOWN);
  const decades = decadesOf(facets?.years ?? []);
  const directors = (facets?.directors ?? []).slice(0, DIRECTORS_SHOWN);
  const toggleGenre = (name: string) => {
    const isChosen = query.genres.includes(name);
    const genre = isChosen ? query.genres.filter((one) => one !== name) : [...query.genres, name];
    changeQuery({ genre });
  };
  return (
    <div class="facets">
      <FacetGroup name={t('genres')}>
        {genres.map(({ value, count }) => (
          <Choice
            key={value}
            isOn={query.genres.includes(value)}
            text={value}
            count={count}
            onToggle={() => toggleGenre(value)}
          />
        ))}
      </FacetGroup>
      <FacetGroup name={t('decades')}>
        {decades.map(({ from, count }) => {
          const isOn = query.yearFrom === String(from) && query.yearTo === String(from + 9);
          const years = isOn
            ? { yearFrom: '', yearTo: '' }
            : { yearFrom: String(from), yearTo: String(from + 9) };
          const text = t('decade', { from: String(from) });
          return (
            <Choice key={from} isOn={isOn} text={text} count={count} onToggle={() => changeQuery(years)} />
          );
        })}
      </FacetGroup>
      <FacetGroup name={t('atLeast')}>
        {SCORES.map((score) => {
          const isOn = query.minScore === score;
          const onToggle = () => changeQuery({ minScore: isOn ? '' : score });
          return <Choice key={score} isOn={isOn} text={`★ ${score}+`} onToggle={onToggle} />;
        })}
      </FacetGroup>
      {directors.length > 0 && query.director === '' && (
        <FacetGroup name={t('directors')}>
          {directors.map(({ value, count }) => (
            <Choice
              key={value}
              isOn={false}
              text={value}
              count={count}
              onToggle={() => changeQuery({ director: value })}
            />
          ))}
        </FacetGroup>
      )}
    </div>
  );
}

function FacetGroup({
  name,
  children,
}: {
  readonly name: string;
  readonly children: preact.ComponentChildren;
}) {
  return (
    <section class="facet-group">
      <h2>{name}</h2>
      <div class="chips">{children}</div>
    </section>
  );
}

interface ChoiceProps {
  readonly isOn: boolean;
  readonly text: string;
  readonly count?: number;
  readonly onToggle: () => void;
}

function Choice({ isOn, text, count, onToggle }: ChoiceProps) {
  return (
    <button type="button" class="chip" aria-pressed={isOn} onClick={onToggle}>
      <bdi>{text}</bdi>
      {count !== undefined && <span class="chip-count">{formatNumber(count)}</span>}
    </button>
  );
}

/** What is chosen stays to be seen, also when nothing is left of it. */
function withChosen(
  found: readonly { readonly value: string; readonly count: number }[],
  chosen: readonly string[],
): { value: string; count: number }[] {
  const first = chosen.map((value) => found.find((one) => one.value === value) ?? { value, count: 0 });
  return [...first, ...found.filter(({ value }) => !chosen.includes(value))];
}
