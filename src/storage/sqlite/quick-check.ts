/** Checks SQLite files for damage (`PRAGMA quick_check`) on a separate thread. */
import { Worker } from 'node:worker_threads';

/** The result for one file. */
export interface CheckedFile {
  readonly file: string;
  /** The number of tables checked. */
  readonly tables: number;
  /** The damage found; empty if there is none. */
  readonly problems: readonly string[];
}

/** Callbacks for the result of each file. */
export interface QuickCheckDeps {
  readonly onChecked: (checked: CheckedFile) => void;
  readonly onFailure: (error: unknown) => void;
}

const threadUrl = new URL(import.meta.url.endsWith('.ts') ? './quick-check-thread.ts' : './quick-check-thread.js', import.meta.url);

/** Returns a function that stops the check. */
export function checkDatabaseFiles(files: readonly string[], { onChecked, onFailure }: QuickCheckDeps): () => Promise<void> {
  const thread = new Worker(threadUrl, { name: 'quick-check', workerData: files });
  thread.unref(); // The check must not keep the process alive.
  thread.on('message', onChecked);
  thread.on('error', onFailure);
  return async () => {
    await thread.terminate();
  };
}
