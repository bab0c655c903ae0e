import { useSignal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect, useLayoutEffect } from 'preact/hooks';
import { me } from '../api/session.ts';
import { t } from '../i18n/translate.ts';
import { Button } from '../parts/button.tsx';
import { Empty, Loading } from '../parts/states.tsx';
import { Link } from './link.tsx';
import { match, place, scrollOf } from './navigation.ts';
import { type Audience, PAGES, type PageProps } from './page-loaders.ts';
import { type PageMatch, pathOf } from './paths.ts';
import { Shell } from './shell.tsx';

export function App() {
  const current = match.value;
  if (current?.page === 'embed') return <PageFrame match={current} />;
  return (
    <Shell>
      {current === undefined ? (
        <Empty icon="search" title={t('notThere')} text={t('notThereText')}>
          <Link class="button button-main" href="/">
            {t('toStart')}
          </Link>
        </Empty>
      ) : (
        <PageFrame match={current} />
      )}
    </Shell>
  );
}

type Loaded = { readonly page: string; readonly Page: ComponentType<PageProps> };

function PageFrame({ match: { page, params } }: { readonly match: PageMatch }) {
  const loaded = useSignal<Loaded | undefined>(undefined);
  const failed = useSignal(false);
  const { audience } = PAGES[page];
  useEffect(() => {
    failed.value = false;
    let isWanted = true;
    PAGES[page].load().then(
      (Page) => {
        if (isWanted) loaded.value = { page, Page };
      },
      () => {
        if (isWanted) failed.value = true;
      },
    );
    return () => {
      isWanted = false;
    };
  }, [page]);

  const { key, how, path } = place.value;
  const isHere = loaded.value?.page === page;
  useLayoutEffect(() => {
    if (!isHere) return;
    scrollTo(0, how === 'link' ? 0 : scrollOf(key));
    // Who reads with the ears or goes by keyboard begins at the page's own content.
    if (how !== 'start') document.getElementById('main')?.focus({ preventScroll: true });
  }, [isHere, path, how === 'history' ? key : '']);

  if (!mayEnter(audience)) return <NotForYou audience={audience} />;
  if (failed.value) {
    // The program has been replaced while the page was open, or nobody answers.
    return (
      <Empty icon="warning" title={t('wentWrong')} text={t('pageNotLoaded')}>
        <Button onClick={() => location.reload()}>{t('reload')}</Button>
      </Empty>
    );
  }
  if (!isHere) return <Loading />;
  const { Page } = loaded.value!;
  return <Page {...params} key={Object.values(params).join('/')} />;
}

function mayEnter(audience: Audience): boolean {
  if (audience === 'everybody') return true;
  const known = me.value;
  return known != null && (audience === 'signedIn' || known.role === 'admin');
}

function NotForYou({ audience }: { readonly audience: Audience }) {
  if (me.value === undefined) return <Loading />;
  if (me.value !== null && audience === 'admin') {
    return <Empty icon="lock" title={t('adminsOnly')} text={t('adminsOnlyText')} />;
  }
  const { path, query } = place.value;
  const next = `?next=${encodeURIComponent(path + (query === '' ? '' : `?${query}`))}`;
  return (
    <Empty icon="lock" title={t('signInFirst')} text={t('signInFirstText')}>
      <Link class="button button-main" href={pathOf('signIn') + next}>
        {t('signIn')}
      </Link>
    </Empty>
  );
}
