/** Reads what was dropped: files, and the files in folders. */
import { type ChosenFile, WrongFiles } from './model-upload.ts';

const filesMax = 10_000;

/** Call within the drop event: the items are gone after it. Rejects with `WrongFiles` beyond a number of files. */
export async function droppedFiles(items: DataTransferItemList): Promise<ChosenFile[]> {
  const files: ChosenFile[] = [];
  const entries: FileSystemEntry[] = [];
  for (const item of items) {
    const entry = item.webkitGetAsEntry();
    const file = entry === null ? item.getAsFile() : null; // a file that is not on a disk
    if (entry !== null) entries.push(entry);
    if (file !== null) files.push({ path: file.name, file });
  }
  for (const entry of entries) await addFiles(entry, files);
  return files;
}

async function addFiles(entry: FileSystemEntry, files: ChosenFile[]): Promise<void> {
  if (files.length >= filesMax) throw new WrongFiles(`Expected at most ${filesMax} files. Drop only the folder of the model.`);
  if (entry instanceof FileSystemFileEntry) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    files.push({ path: entry.fullPath.replace(/^\/+/, ''), file });
  } else if (entry instanceof FileSystemDirectoryEntry) {
    const reader = entry.createReader();
    // A reader returns a part of the entries at a time, at last none.
    for (;;) {
      const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (part.length === 0) return;
      for (const each of part) await addFiles(each, files);
    }
  }
}
