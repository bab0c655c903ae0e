import { once } from 'node:events';
import { open as openFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { TEST_EVENT_TYPE } from '../../coordinator/webhooks/event-schema.ts';
import { complaintsOf, openTab, uploadRow, type WebWorld } from './world.ts';

const MIB = 1024 * 1024;
/** What a film takes on a line that is slow. */
const LINE_S = 3;

function choose(page: Page, file: string | { name: string; mimeType: string; buffer: Buffer }) {
  return page.locator('.drop input[type=file]').setInputFiles(file);
}

/** What people run into while they use the page. */
export function usingJourneys(isPossible: boolean, world: () => WebWorld): void {
  test.runIf(isPossible)('what is refused is said in plain words', async () => {
    const { cluster, grace, clip } = world();
    const { page } = grace;
    const { items } = (await (await cluster.api('/users?limit=10')).json()) as {
      items: { id: string; email: string; quotaBytes: number | null }[];
    };
    const user = items.find(({ email }) => email.startsWith('grace'))!;
    const setQuota = async (quotaBytes: number | null) => {
      const body = JSON.stringify({ quotaBytes });
      const headers = { 'content-type': 'application/json' };
      const { status } = await cluster.api(`/users/${user.id}`, { method: 'PATCH', body, headers });
      expect(status).toBe(200);
    };
    await setQuota(1);
    await page.goto(`${cluster.url}/upload`);
    await choose(page, { name: 'quota.mp4', mimeType: 'video/mp4', buffer: clip });
    await uploadRow(page, 'quota.mp4').getByText('That is more than you may store.').waitFor();
    await setQuota(null);
    // It is tried again when whoever uploads wants it.
    await uploadRow(page, 'quota.mp4').getByRole('button', { name: 'Go on with quota.mp4' }).click();
    await uploadRow(page, 'quota.mp4').getByText('Uploaded', { exact: true }).waitFor();

    const large = join(cluster.dataDir, 'large.mp4');
    await using file = await openFile(large, 'w');
    await file.truncate(65 * MIB);
    await choose(page, large);
    await uploadRow(page, 'large.mp4').getByText('The file is larger than this server takes.').waitFor();

    // All nodes being full is a long story of its own.
    const full = {
      type: 'about:blank',
      title: 'full',
      status: 507,
      code: 'insufficient_storage',
      detail: '',
    };
    const body = JSON.stringify({ ...full, requestId: 'x' });
    await page.route('**/uploads/direct', (route) =>
      route.fulfill({ status: 507, contentType: 'application/problem+json', body }),
    );
    await choose(page, { name: 'full.mp4', mimeType: 'video/mp4', buffer: clip });
    await uploadRow(page, 'full.mp4').getByText('All storage is full.').waitFor();
    await page.unroute('**/uploads/direct');
    expect(complaintsOf(grace, /status of (413|507|401)/)).toEqual([]);
  });

  test.runIf(isPossible)(
    'where parts do not get their copies, an upload passes the coordinator',
    async () => {
      const { cluster, grace, clip } = world();
      const { page } = grace;
      const short = { type: 'about:blank', title: 'short', status: 409, code: 'parts_missing', detail: '' };
      await page.route('**/uploads/direct/*/complete', (route) =>
        route.fulfill({
          status: 409,
          contentType: 'application/problem+json',
          body: JSON.stringify({ ...short, requestId: 'x' }),
        }),
      );
      await page.goto(`${cluster.url}/upload`);
      await choose(page, { name: 'short.mp4', mimeType: 'video/mp4', buffer: clip });
      await uploadRow(page, 'short.mp4').getByText('Uploaded', { exact: true }).waitFor();
      await page.unroute('**/uploads/direct/*/complete');
      expect(complaintsOf(grace, /status of (409|401)/)).toEqual([]);
    },
  );

  test.runIf(isPossible)('the progress of an upload on a slow line is what has arrived', async () => {
    const { cluster, grace, film } = world();
    const { page } = grace;
    await page.goto(`${cluster.url}/upload`);
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    const line = { offline: false, latency: 20, downloadThroughput: -1 };
    const bytesPerSecond = film.length / LINE_S;
    await session.send('Network.emulateNetworkConditions', { ...line, uploadThroughput: bytesPerSecond });
    await choose(page, { name: 'slow.mp4', mimeType: 'video/mp4', buffer: film });
    const row = uploadRow(page, 'slow.mp4');
    const begunMs = performance.now();
    const shares: { share: number; atMs: number }[] = [];
    while ((await row.getByText('Uploaded', { exact: true }).count()) === 0) {
      const bar = row.getByRole('progressbar', { name: 'slow.mp4' });
      const now = await bar.getAttribute('aria-valuenow', { timeout: 500 }).catch(() => null);
      const atMs = performance.now() - begunMs;
      if (now !== null) shares.push({ share: Number(now), atMs });
      expect(atMs).toBeLessThan(30_000);
    }
    // It never goes back, and never says that more has gone than the line can have carried.
    const seen = shares.map(({ share }) => share);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    const early = shares.filter(({ atMs }) => atMs < LINE_S * 500);
    expect(early.length).toBeGreaterThan(0);
    expect(Math.max(...early.map(({ share }) => share))).toBeLessThan(90);
    await session.send('Network.emulateNetworkConditions', { ...line, latency: 0, uploadThroughput: -1 });
    await session.detach();
  });

  test.runIf(isPossible)('a webhook is made, tried, and what it was told is sent again', async () => {
    const { cluster, admin } = world();
    const { page } = admin;
    const told: string[] = [];
    const receiver = createServer(async (request, response) => {
      const event = (await json(request)) as { type: string };
      // Nodes come and go in other tests.
      if (event.type === TEST_EVENT_TYPE) told.push(request.headers['webhook-id'] as string);
      response.end();
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    try {
      await page.goto(`${cluster.url}/admin/webhooks`);
      await page.getByRole('button', { name: 'New webhook' }).click();
      await page.getByLabel('Address').fill(url);
      await page.getByRole('button', { name: 'Create', exact: true }).click();
      await page.getByText('Keep it now').waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: `More for ${url}` }).click();
      await page.getByRole('menuitem', { name: 'Send a test' }).click();
      const delivery = page.locator('tbody tr', { hasText: TEST_EVENT_TYPE }).first();
      await delivery.getByText('Delivered').waitFor();
      await delivery.getByRole('button', { name: 'Send again' }).click();
      await expect.poll(() => told, { timeout: 10_000 }).toHaveLength(2);
      expect(new Set(told).size).toBe(1);
      await delivery.getByText('Delivered').waitFor();
    } finally {
      receiver.close();
    }
  });
}

/** What the tabs of one browser have in common. Nobody is logged in at the end. */
export function tabJourneys(isPossible: boolean, world: () => WebWorld): void {
  test.runIf(isPossible)('two tabs share a login and see what happens in the other', async () => {
    const { cluster, grace, clip } = world();
    const { page } = grace;
    const other = await openTab(world(), grace);
    await other.page.goto(`${cluster.url}/library`);
    await other.page.locator('.row').first().waitFor();
    await page.goto(`${cluster.url}/upload`);
    await choose(page, { name: 'seen_elsewhere.mp4', mimeType: 'video/mp4', buffer: clip });
    const row = other.page.locator('.row', { hasText: 'seen elsewhere' });
    await row.getByText('Ready').waitFor({ timeout: 30_000 });

    // Both find out at once that the token has expired, and one of them renews it.
    let refreshes = 0;
    for (const tab of [page, other.page]) {
      tab.on('request', (request) => {
        if (request.url().endsWith('/auth/refresh')) refreshes++;
      });
    }
    await page.context().clearCookies({ name: 'orbitvids_access' });
    await Promise.all([page.reload(), other.page.reload()]);
    for (const tab of [page, other.page]) await tab.getByRole('button', { name: /Grace/ }).waitFor();
    expect(refreshes).toBe(1);

    await page.getByRole('button', { name: /Grace/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out', exact: true }).click();
    await other.page.getByRole('main').getByText('Sign in first').waitFor();
    expect(complaintsOf(other, /status of 401/)).toEqual([]);
    await other.page.close();
  });
}
