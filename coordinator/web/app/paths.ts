/**
 * Every page by its address. The server answers these with the page's document and nothing else; the browser finds the
 * page's code by its name.
 */
export const PAGE_PATHS = {
  movies: '/',
  newMovie: '/movies/new',
  movie: '/movies/:id',
  editMovie: '/movies/:id/edit',
  videos: '/videos',
  watch: '/watch/:id',
  embed: '/embed/:id',
  signIn: '/sign-in',
  register: '/register',
  upload: '/upload',
  library: '/library',
  libraryVideo: '/library/:id',
  account: '/account',
  cluster: '/admin',
  health: '/admin/health',
  users: '/admin/users',
  catalog: '/admin/catalog',
  jobs: '/admin/jobs',
  webhooks: '/admin/webhooks',
  audit: '/admin/audit',
} as const;

export type PageName = keyof typeof PAGE_PATHS;

/** Whether other sites may show the page in a frame. */
export function isEmbeddable(page: PageName): boolean {
  return page === 'embed';
}

export interface PageMatch {
  readonly page: PageName;
  readonly params: Readonly<Record<string, string>>;
}

const PATTERNS = Object.entries(PAGE_PATHS).map(([page, path]) => ({
  page: page as PageName,
  names: [...path.matchAll(/:(\w+)/g)].map(([, name]) => name!),
  pattern: new RegExp(`^${path.replaceAll(/:\w+/g, '([\\w-]{1,64})')}$`),
}));

/** The page of a path (without a query), a slash at its end or not; undefined when there is none. */
export function matchPage(path: string): PageMatch | undefined {
  const plain = path.replace(/(?<=\w)\/$/, '');
  for (const { page, names, pattern } of PATTERNS) {
    const values = pattern.exec(plain);
    if (values === null) continue;
    return { page, params: Object.fromEntries(names.map((name, index) => [name, values[index + 1]!])) };
  }
  return undefined;
}

/** The address of a page. */
export function pathOf(page: PageName, params: Readonly<Record<string, string>> = {}): string {
  return PAGE_PATHS[page].replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}
