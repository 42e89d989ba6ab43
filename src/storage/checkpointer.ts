/**
 * Copies SQLite's log (the WAL file) into the file of the database on a thread of its own. Copying waits for the disk three times, and SQLite
 * would do it within some commit, on the thread that serves (https://sqlite.org/wal.html#avoiding_excessively_large_wal_files).
 * The thread is started when first there is something to copy; one is enough for all files.
 */
import { Worker } from 'node:worker_threads';
import { messageOf, PlatformError } from '../errors.ts';

/** PASSIVE copies what it can beside those who write; RESTART waits for readers too, and lets the log begin anew. */
export type CheckpointMode = 'PASSIVE' | 'RESTART';

export type CheckpointOrder = { readonly file: string; readonly mode: CheckpointMode | 'close' };

/** `isWhole`: all of the log was copied, and nobody reads from it any more. */
export type CheckpointAnswer =
  | { readonly isWhole: boolean }
  | { readonly error: string; readonly code: string | undefined; readonly errcode: number | undefined };

interface Waiting {
  readonly resolve: (isWhole: boolean) => void;
  readonly reject: (error: Error) => void;
}

const ownThreadUrl = new URL(import.meta.url.endsWith('.ts') ? './checkpoint-thread.ts' : './checkpoint-thread.js', import.meta.url);

export class Checkpointer {
  readonly #threadUrl: URL;
  #thread: Worker | null = null;
  /** The thread does one thing after the other, so answers come in the order of what was asked. */
  #waiting: Waiting[] = [];
  #turns: Promise<unknown> = Promise.resolve();

  constructor({ threadUrl = ownThreadUrl }: { readonly threadUrl?: URL } = {}) {
    this.#threadUrl = threadUrl;
  }

  /** One file at a time: whoever lets others wait for a checkpoint shall not have to wait for another file's. */
  inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turns.then(run, run);
    this.#turns = turn.catch(() => undefined);
    return turn;
  }

  /** Whether all was copied. Rejects with SQLite's error, or `unavailable` where the thread ends; the next call starts it anew. */
  checkpoint(file: string, mode: CheckpointMode): Promise<boolean> {
    return this.#ask({ file, mode });
  }

  /** Closes the thread's connection to the file, so that whoever has the last one leaves no log behind. */
  async letGo(file: string): Promise<void> {
    if (this.#thread !== null) await this.#ask({ file, mode: 'close' });
  }

  /** For when all files are closed. */
  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  #ask(order: CheckpointOrder): Promise<boolean> {
    const thread = (this.#thread ??= this.#start());
    thread.ref(); // whoever waits for an answer gets it, also where the process has nothing else to do
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      thread.postMessage(order);
    });
  }

  #start(): Worker {
    const thread = new Worker(this.#threadUrl, { name: 'checkpoint' });
    thread.on('message', (answer: CheckpointAnswer) => {
      const waiting = this.#waiting.shift();
      if (this.#waiting.length === 0) thread.unref(); // no reason for the process to live on
      if (!('error' in answer)) return waiting?.resolve(answer.isWhole);
      const { error, code, errcode } = answer;
      waiting?.reject(Object.assign(new Error(error), { code, errcode }));
    });
    const ended = (why: string): void => {
      if (this.#thread !== thread) return;
      this.#thread = null;
      const error = new PlatformError('unavailable', `the thread that copies the log of the database ended: ${why}`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    };
    thread.on('error', (error) => ended(messageOf(error)));
    thread.on('exit', (code) => ended(`exit code ${code}`));
    return thread;
  }
}
