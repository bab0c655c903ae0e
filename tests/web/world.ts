import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import type { TestBrowser, WatchedPage } from '../support/browser.ts';
import type { TestCluster } from '../support/test-cluster.ts';

/** How long the film lasts that is watched. */
export const FILM_S = 54;

/** What the journeys through the web page share: one small cluster, one browser, and who uses them. */
export interface WebWorld {
  readonly cluster: TestCluster;
  readonly browser: TestBrowser;
  readonly admin: WatchedPage;
  readonly grace: WatchedPage;
  /** Some seconds of video. */
  readonly clip: Buffer;
  /** Nearly a minute of video, in one chunk, of which a smaller rung is made. */
  readonly film: Buffer;
}

/** Where pictures of every page are left, to be looked at. */
export const PICTURES = join(import.meta.dirname, '../../test-output/web');
export const DESK = { width: 1280, height: 860 };

export function openPage(
  { browser, cluster }: Pick<WebWorld, 'browser' | 'cluster'>,
  viewport = DESK,
): Promise<WatchedPage> {
  return browser.page(cluster.url, viewport, originsOf(cluster));
}

/** Another tab of whoever has this page. */
export function openTab({ browser, cluster }: WebWorld, { page }: WatchedPage): Promise<WatchedPage> {
  return browser.tab(page, cluster.url, originsOf(cluster));
}

function originsOf({ cluster }: TestCluster): () => string[] {
  return () => cluster.nodes.map(({ url }) => new URL(url).origin);
}

/** What a page has complained about, other than this; it is forgotten. */
export function complaintsOf({ complaints }: WatchedPage, except: RegExp): string[] {
  return (complaints as string[]).splice(0).filter((text) => !except.test(text));
}

export function uploadRow(page: Page, name: string): Locator {
  return page.getByRole('list', { name: 'Uploads' }).getByRole('listitem').filter({ hasText: name });
}

/** Of the video element of the page. */
export function videoState(
  page: Page,
): Promise<{ at: number; paused: boolean; width: number; height: number; error: number | null }> {
  return page.evaluate(`(() => {
    const video = document.querySelector('video');
    const { currentTime: at, paused, videoWidth: width, videoHeight: height } = video;
    return { at, paused, width, height, error: video.error?.code ?? null };
  })()`);
}
