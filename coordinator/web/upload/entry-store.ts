import type { UploadEntry } from './entry.ts';

/** Where uploads are remembered. What `put` resolved for is there after a crash of the browser. */
export interface EntryStore {
  all(): Promise<readonly UploadEntry[]>;
  put(entry: UploadEntry): Promise<void>;
  remove(id: string): Promise<void>;
}

const DATABASE = 'orbitvids-uploads';
const TABLE = 'entries';

/** In the browser's database, which can keep handles of files; without one, nothing outlives the page. */
export class IndexedEntryStore implements EntryStore {
  #opening: Promise<IDBDatabase> | undefined;

  async all(): Promise<readonly UploadEntry[]> {
    return await this.#run('readonly', (table) => table.getAll() as IDBRequest<UploadEntry[]>);
  }

  async put(entry: UploadEntry): Promise<void> {
    await this.#run('readwrite', (table) => table.put(entry));
  }

  async remove(id: string): Promise<void> {
    await this.#run('readwrite', (table) => table.delete(id));
  }

  async #run<Result>(
    mode: IDBTransactionMode,
    action: (table: IDBObjectStore) => IDBRequest<Result>,
  ): Promise<Result> {
    this.#opening ??= open();
    const database = await this.#opening;
    const transaction = database.transaction(TABLE, mode);
    const request = action(transaction.objectStore(TABLE));
    return await new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
      transaction.onerror = () => reject(transaction.error);
    });
  }
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: 'id' });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
