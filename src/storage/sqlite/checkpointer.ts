/**
 * Copies SQLite's log (the WAL file) into the database file on a separate thread. A checkpoint syncs three times. SQLite itself would run
 * it within a commit, on the thread that serves requests (https://sqlite.org/wal.html#avoiding_excessively_large_wal_files). The thread
 * starts on first use and serves all files.
 */
import { Worker } from 'node:worker_threads';
import { messageOf, PlatformError } from '../../errors.ts';

/**
 * PASSIVE copies as much as it can while writers continue. RESTART also waits for readers, so that the log can restart from its beginning.
 */
export type CheckpointMode = 'PASSIVE' | 'RESTART';

/** A file to checkpoint, or to close at the end. */
export type CheckpointRequest = { readonly file: string; readonly mode: CheckpointMode | 'close' };

/** `isWhole`: the entire log was copied and no reader uses it. */
export type CheckpointResult =
  | { readonly isWhole: boolean }
  | { readonly error: string; readonly code: string | undefined; readonly errcode: number | undefined };

interface Waiting {
  readonly resolve: (isWhole: boolean) => void;
  readonly reject: (error: Error) => void;
}

const ownThreadUrl = new URL(import.meta.url.endsWith('.ts') ? './checkpoint-thread.ts' : './checkpoint-thread.js', import.meta.url);

/** The thread runs one request at a time, and is started by the first. */
export class Checkpointer {
  readonly #threadUrl: URL;
  #thread: Worker | null = null;
  /** The thread is sequential, so responses arrive in the order of requests. */
  #waiting: Waiting[] = [];
  #turns: Promise<unknown> = Promise.resolve();

  constructor({ threadUrl = ownThreadUrl }: { readonly threadUrl?: URL } = {}) {
    this.#threadUrl = threadUrl;
  }

  /** Runs one checkpoint sequence at a time: a file that blocks its writers must not wait for another file's checkpoint. */
  inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turns.then(run, run);
    this.#turns = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Resolves to whether the entire log was copied. Rejects with SQLite's error, or `unavailable` if the thread exits; the next call
   * restarts it.
   */
  checkpoint(file: string, mode: CheckpointMode): Promise<boolean> {
    return this.#request({ file, mode });
  }

  /** Closes the thread's connection to the file, so that the last other connection can remove the log. */
  async release(file: string): Promise<void> {
    if (this.#thread !== null) await this.#request({ file, mode: 'close' });
  }

  /** Call after all files are closed. */
  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  #request(request: CheckpointRequest): Promise<boolean> {
    const thread = (this.#thread ??= this.#start());
    thread.ref(); // Keep the process alive until the response arrives.
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      thread.postMessage(request);
    });
  }

  #start(): Worker {
    const thread = new Worker(this.#threadUrl, { name: 'checkpoint' });
    thread.on('message', (answer: CheckpointResult) => {
      const waiting = this.#waiting.shift();
      if (this.#waiting.length === 0) thread.unref(); // An idle thread must not keep the process alive.
      if (!('error' in answer)) return waiting?.resolve(answer.isWhole);
      const { error, code, errcode } = answer;
      waiting?.reject(Object.assign(new Error(error), { code, errcode }));
    });
    const ended = (why: string): void => {
      if (this.#thread !== thread) return;
      this.#thread = null;
      const error = new PlatformError('unavailable', `the database checkpoint thread ended: ${why}`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    };
    thread.on('error', (error) => ended(messageOf(error)));
    thread.on('exit', (code) => ended(`exit code ${code}`));
    return thread;
  }
}
