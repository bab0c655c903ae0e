import { matchPage } from '../../app/paths.ts';

/** Where to go after a login: the page of this site that was asked for, and no other site. */
export function placeAfterLogin(query: URLSearchParams): string {
  const next = query.get('next') ?? '/';
  const path = next.split(/[?#]/, 1)[0]!;
  return /^\/(?![/\\])/.test(next) && matchPage(path) !== undefined ? next : '/';
}
