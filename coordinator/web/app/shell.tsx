import type { ComponentChildren } from 'preact';
import { isAdmin, mayUpload, me, signOut, user } from '../api/session.ts';
import {
  chooseLanguage,
  LANGUAGES,
  type Language,
  language,
  type MessageName,
  t,
} from '../i18n/translate.ts';
import { Icon, type IconName } from '../parts/icon.tsx';
import { Logo } from '../parts/logo.tsx';
import { Menu, MenuItem } from '../parts/menu.tsx';
import { activity } from '../upload/activity.ts';
import { Link } from './link.tsx';
import { goTo, match, navigate, place } from './navigation.ts';
import { type PageName, pathOf } from './paths.ts';
import { SearchBox } from './search-box.tsx';
import { chooseTheme, THEMES, type Theme, theme } from './theme.ts';
import { Toasts } from './toast-list.tsx';
import { sayProblem } from './toasts.ts';

interface Section {
  readonly page: PageName;
  readonly text: MessageName;
  readonly icon: IconName;
  readonly isFor?: () => boolean;
}

const SECTIONS: readonly Section[] = [
  { page: 'movies', text: 'movies', icon: 'film' },
  { page: 'videos', text: 'videos', icon: 'play' },
  { page: 'library', text: 'library', icon: 'library', isFor: () => me.value != null },
  { page: 'cluster', text: 'admin', icon: 'orbit', isFor: () => isAdmin.value },
];

/** What surrounds every page. */
export function Shell({ children }: { readonly children: ComponentChildren }) {
  const sections = SECTIONS.filter(({ isFor }) => isFor?.() ?? true);
  const isInAdmin = place.value.path.startsWith(pathOf('cluster'));
  return (
    <div class="shell">
      <a class="skip-link" href="#main">
        {t('skipToContent')}
      </a>
      <header class="top">
        <Link class="brand" href="/">
          <Logo />
          <span class="brand-name">OrbitVids</span>
        </Link>
        <SearchBox />
        <nav class="top-links" aria-label={t('sections')}>
          {sections.map((section) => (
            <SectionLink key={section.page} section={section} />
          ))}
        </nav>
        <div class="top-tools">
          {mayUpload.value && (
            <Link class="button button-main top-upload" href={pathOf('upload')}>
              <Icon name="upload" size={18} />
              <span>{t('upload')}</span>
              {activity.value.share !== null && (
                <span class="top-upload-bar" style={{ width: `${activity.value.share * 100}%` }} />
              )}
            </Link>
          )}
          <ThemeMenu />
          <AccountMenu />
        </div>
      </header>
      {isInAdmin && isAdmin.value && <AdminTabs />}
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <nav class="bottom-bar" aria-label={t('sections')}>
        {sections.map((section) => (
          <SectionLink key={section.page} section={section} />
        ))}
        {mayUpload.value && <SectionLink section={{ page: 'upload', text: 'upload', icon: 'upload' }} />}
      </nav>
      <Toasts />
    </div>
  );
}

function SectionLink({ section: { page, text, icon } }: { readonly section: Section }) {
  const { path } = place.value;
  const address = pathOf(page);
  const isHere = page === 'movies' ? path === '/' || path.startsWith('/movies') : path.startsWith(address);
  return (
    <Link class="section-link" href={address} aria-current={isHere ? 'page' : undefined}>
      <Icon name={icon} />
      <span>{t(text)}</span>
    </Link>
  );
}

const ADMIN_PAGES: readonly Section[] = [
  { page: 'cluster', text: 'cluster', icon: 'orbit' },
  { page: 'health', text: 'copies', icon: 'heart' },
  { page: 'users', text: 'users', icon: 'users' },
  { page: 'catalog', text: 'catalog', icon: 'film' },
  { page: 'jobs', text: 'jobs', icon: 'gear' },
  { page: 'webhooks', text: 'webhooks', icon: 'bell' },
  { page: 'audit', text: 'audit', icon: 'log' },
];

function AdminTabs() {
  return (
    <nav class="tabs" aria-label={t('admin')}>
      {ADMIN_PAGES.map(({ page, text, icon }) => (
        <Link
          key={page}
          class="tab"
          href={pathOf(page)}
          aria-current={match.value?.page === page ? 'page' : undefined}
        >
          <Icon name={icon} size={18} />
          {t(text)}
        </Link>
      ))}
    </nav>
  );
}

const THEME_FACES: Readonly<Record<Theme, { icon: IconName; text: MessageName }>> = {
  system: { icon: 'screen', text: 'themeSystem' },
  light: { icon: 'sun', text: 'themeLight' },
  dark: { icon: 'moon', text: 'themeDark' },
};

function ThemeMenu() {
  return (
    <Menu label={t('look')} face={<Icon name={THEME_FACES[theme.value].icon} />}>
      {(close) => (
        <>
          {THEMES.map((name) => (
            <MenuItem
              key={name}
              isChosen={theme.value === name}
              onChoose={() => {
                chooseTheme(name);
                close();
              }}
            >
              {t(THEME_FACES[name].text)}
            </MenuItem>
          ))}
          <hr />
          {(Object.keys(LANGUAGES) as Language[]).map((code) => (
            <MenuItem
              key={code}
              isChosen={language.value === code}
              onChoose={() => {
                chooseLanguage(code);
                close();
              }}
            >
              <span lang={code}>{LANGUAGES[code]}</span>
            </MenuItem>
          ))}
        </>
      )}
    </Menu>
  );
}

function AccountMenu() {
  if (me.value === undefined) return <span class="account-unknown" />;
  const who = user.value;
  if (who === null) {
    return (
      <Link class="button button-plain" href={pathOf('signIn')}>
        <Icon name="user" size={18} />
        <span class="wide-only">{t('signIn')}</span>
        <span class="for-readers narrow-only">{t('signIn')}</span>
      </Link>
    );
  }
  const leave = async () => {
    await signOut().catch(sayProblem);
    navigate('/');
  };
  return (
    <Menu
      label={t('accountOf', { name: who.name })}
      face={<span class="avatar">{[...who.name][0]?.toUpperCase() ?? '?'}</span>}
    >
      {(close) => {
        const open = (page: PageName) => () => {
          close();
          goTo(page);
        };
        return (
          <>
            <p class="menu-note">
              <strong dir="auto">{who.name}</strong>
              <span>{who.email}</span>
            </p>
            <MenuItem onChoose={open('library')}>
              <Icon name="library" size={18} /> {t('library')}
            </MenuItem>
            <MenuItem onChoose={open('account')}>
              <Icon name="user" size={18} /> {t('account')}
            </MenuItem>
            <MenuItem
              onChoose={() => {
                close();
                void leave();
              }}
            >
              <Icon name="door" size={18} /> {t('signOut')}
            </MenuItem>
          </>
        );
      }}
    </Menu>
  );
}
