export interface ChosenFile {
  readonly file: File;
  /** Null where browsers do not give any. */
  readonly handle: FileSystemFileHandle | null;
}

type WithHandles = DataTransferItem & {
  getAsFileSystemHandle?: () => Promise<FileSystemHandle | null>;
};
type WithPicker = Window & {
  showOpenFilePicker?: (options: { multiple: boolean }) => Promise<FileSystemFileHandle[]>;
};

/** Files that were dropped, with handles where there are any. Folders are left out. */
export async function droppedFiles(data: DataTransfer): Promise<ChosenFile[]> {
  const items = [...data.items].filter(({ kind }) => kind === 'file');
  // All of it has to be asked for before the event is over.
  const asked = items.map((item) => ({
    file: item.getAsFile(),
    isFolder: item.webkitGetAsEntry?.()?.isDirectory === true,
    handle: (item as WithHandles).getAsFileSystemHandle?.() ?? Promise.resolve(null),
  }));
  const chosen: ChosenFile[] = [];
  for (const { file, isFolder, handle } of asked) {
    const known = await handle.catch(() => null);
    if (file === null || isFolder) continue;
    chosen.push({ file, handle: known?.kind === 'file' ? (known as FileSystemFileHandle) : null });
  }
  return chosen;
}

/** Whether the browser's dialog gives handles. */
export function hasPicker(): boolean {
  return typeof (window as WithPicker).showOpenFilePicker === 'function';
}

/** Files of the browser's dialog; none when it was closed. */
export async function pickFiles(): Promise<ChosenFile[]> {
  try {
    const handles = await (window as WithPicker).showOpenFilePicker!({ multiple: true });
    return await Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), handle })));
  } catch {
    return [];
  }
}
