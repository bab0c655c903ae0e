import type { ComponentType } from 'preact';
import { MoviesPage } from '../pages/movies/movies.tsx';
import type { PageName } from './paths.ts';

/** Of the address. */
export interface PageProps {
  readonly id?: string;
}
type Loader = () => Promise<ComponentType<PageProps>>;

/** Who a page is for; others are sent to log in, or told so. */
export type Audience = 'everybody' | 'signedIn' | 'admin';

/** The code of each page comes when the page is asked for; that of the first one comes with the rest. */
export const PAGES: Readonly<Record<PageName, { readonly load: Loader; readonly audience: Audience }>> = {
  movies: { audience: 'everybody', load: async () => MoviesPage },
  movie: { audience: 'everybody', load: async () => (await import('../pages/movies/movie.tsx')).MoviePage },
  newMovie: {
    audience: 'admin',
    load: async () => (await import('../pages/movies/edit-movie.tsx')).NewMoviePage,
  },
  editMovie: {
    audience: 'admin',
    load: async () => (await import('../pages/movies/edit-movie.tsx')).EditMoviePage,
  },
  videos: {
    audience: 'everybody',
    load: async () => (await import('../pages/videos/videos.tsx')).VideosPage,
  },
  watch: { audience: 'everybody', load: async () => (await import('../pages/watch/watch.tsx')).WatchPage },
  embed: { audience: 'everybody', load: async () => (await import('../pages/watch/embed.tsx')).EmbedPage },
  signIn: {
    audience: 'everybody',
    load: async () => (await import('../pages/account/sign-in.tsx')).SignInPage,
  },
  register: {
    audience: 'everybody',
    load: async () => (await import('../pages/account/register.tsx')).RegisterPage,
  },
  account: {
    audience: 'signedIn',
    load: async () => (await import('../pages/account/account.tsx')).AccountPage,
  },
  upload: { audience: 'signedIn', load: async () => (await import('../pages/upload/upload.tsx')).UploadPage },
  library: {
    audience: 'signedIn',
    load: async () => (await import('../pages/library/library.tsx')).LibraryPage,
  },
  libraryVideo: {
    audience: 'signedIn',
    load: async () => (await import('../pages/library/edit-video.tsx')).EditVideoPage,
  },
  cluster: {
    audience: 'admin',
    load: async () => (await import('../pages/admin/cluster/cluster.tsx')).ClusterPage,
  },
  health: { audience: 'admin', load: async () => (await import('../pages/admin/health.tsx')).HealthPage },
  users: { audience: 'admin', load: async () => (await import('../pages/admin/users.tsx')).UsersPage },
  catalog: { audience: 'admin', load: async () => (await import('../pages/admin/catalog.tsx')).CatalogPage },
  jobs: { audience: 'admin', load: async () => (await import('../pages/admin/jobs.tsx')).JobsPage },
  webhooks: {
    audience: 'admin',
    load: async () => (await import('../pages/admin/webhooks.tsx')).WebhooksPage,
  },
  audit: { audience: 'admin', load: async () => (await import('../pages/admin/audit.tsx')).AuditPage },
};
