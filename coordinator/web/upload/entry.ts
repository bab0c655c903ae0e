import type { Visibility } from '../api/types.ts';

export type EntryState =
  /** For its turn. */
  | 'waiting'
  | 'sending'
  | 'paused'
  /** The page was reloaded, and the file has to be chosen again. */
  | 'needsFile'
  /** Nobody answers; it goes on by itself. */
  | 'offline'
  /** All bytes are there; the video is being made of them. */
  | 'finishing'
  | 'done'
  | 'failed';

/** A file that is to become a video: what is remembered of it, across reloads too. */
export interface UploadEntry {
  readonly id: string;
  /** Whose it is: on a shared computer nobody goes on with somebody else's. */
  readonly userId: string;
  readonly addedMs: number;
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly lastModified: number;
  /** What the video is to be called and who may see it. */
  readonly title: string;
  readonly description: string;
  readonly visibility: Visibility;
  readonly state: EntryState;
  /** Straight to the storage nodes, or through the coordinator. */
  readonly way: 'direct' | 'tus';
  /** Names the upload on the server, once there is one. */
  readonly serverId: string | null;
  readonly videoId: string | null;
  readonly sentBytes: number;
  /** Why it failed, in the API's codes. */
  readonly problem: { readonly code: string; readonly message: string } | null;
  /** Where browsers have it: opens the file again after a reload, when the user allows it. */
  readonly handle: FileSystemFileHandle | null;
}

/** Whether there is still something to be done. */
export function isUnfinished({ state }: UploadEntry): boolean {
  return state !== 'done';
}

/** Whether a file that was chosen again is the one that was being sent. */
export function isSameFile(entry: Pick<UploadEntry, 'name' | 'size' | 'lastModified'>, file: File): boolean {
  return entry.name === file.name && entry.size === file.size && entry.lastModified === file.lastModified;
}

/** What a file is called when nobody says more: its name without the extension. */
export function titleOf(name: string): string {
  const stem = name
    .replace(/\.[a-z0-9]{1,5}$/i, '')
    .replaceAll(/[_]+/g, ' ')
    .trim();
  return (stem === '' ? name : stem).slice(0, 200);
}

export function newEntry(
  file: File,
  options: { id: string; userId: string; nowMs: number; handle: FileSystemFileHandle | null },
): UploadEntry {
  return {
    id: options.id,
    userId: options.userId,
    addedMs: options.nowMs,
    ...{ name: file.name, size: file.size, type: file.type, lastModified: file.lastModified },
    ...{ title: titleOf(file.name), description: '', visibility: 'public' },
    ...{ state: 'waiting', way: 'direct', serverId: null, videoId: null, sentBytes: 0, problem: null },
    handle: options.handle,
  };
}
