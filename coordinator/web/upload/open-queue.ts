import { API, ask, send } from '../api/client.ts';
import type { Video } from '../api/types.ts';
import { report } from './activity.ts';
import { isUnfinished, type UploadEntry } from './entry.ts';
import { IndexedEntryStore } from './entry-store.ts';
import { UploadQueue } from './queue.ts';
import { isServerThere, sendFile } from './send-file.ts';

let queue: UploadQueue | undefined;
let owner: string | undefined;

/** The one of this page and user; it goes on whatever page is shown. */
export function openQueue(userId: string): UploadQueue {
  if (queue !== undefined && owner === userId) return queue;
  for (const { id, state } of queue?.entries.peek() ?? []) if (state === 'sending') void queue?.pause(id);
  owner = userId;
  queue = new UploadQueue({
    userId,
    store: new IndexedEntryStore(),
    send: sendFile,
    change: (id, changes) => ask<Video>('PATCH', `/videos/${id}`, { json: changes }),
    discard,
    isServerThere,
    exclusively,
    nowMs: () => Date.now(),
    wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    createId: () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`,
    onChange: tell,
  });
  void queue.restore();
  return queue;
}

function tell(entries: readonly UploadEntry[]): void {
  const sending = entries.filter(({ state }) => state === 'sending');
  const total = sending.reduce((sum, { size }) => sum + size, 0);
  const sent = sending.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
  report({ unfinished: entries.filter(isUnfinished).length, share: total === 0 ? null : sent / total });
  if (sending.length > 0) addEventListener('beforeunload', warn);
  else removeEventListener('beforeunload', warn);
}

/** It goes on after a reload, but only by hand. */
function warn(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

async function discard({ way, serverId }: UploadEntry): Promise<void> {
  if (serverId === null) return;
  if (way === 'direct') {
    await ask('DELETE', `/uploads/direct/${serverId}`);
    return;
  }
  const url = new URL(serverId, location.href);
  if (url.pathname.startsWith(`${API}/uploads/`)) {
    await send(url.pathname, { method: 'DELETE', headers: { 'tus-resumable': '1.0.0' } });
  }
}

/** Where browsers offer no locks (pages over plain http), each tab trusts that it is alone. */
async function exclusively(id: string, work: () => Promise<void>): Promise<boolean> {
  if (navigator.locks === undefined) {
    await work();
    return true;
  }
  return await navigator.locks.request(`orbitvids-upload-${id}`, { ifAvailable: true }, async (lock) => {
    if (lock === null) return false;
    await work();
    return true;
  });
}
