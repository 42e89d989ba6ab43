/** Computes the SHA-256 of files on a separate thread, which starts with the first file. */
import { Worker } from 'node:worker_threads';
import { asDiskError } from '../../data-directory/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';

/** A file to hash, sent to the thread. `id` matches the answer to it. */
export interface HashOrder {
  readonly id: number;
  readonly path: string;
  /** Read rate limit; null for no limit. */
  readonly bytesPerSecond: number | null;
}

/** The digest in hexadecimal, or why the file could not be read. */
export type HashAnswer =
  | { readonly id: number; readonly sha256: string }
  | { readonly id: number; readonly error: string; readonly code: string | undefined };

interface Waiting {
  readonly path: string;
  readonly resolve: (sha256: string) => void;
  readonly reject: (error: unknown) => void;
}

const threadUrl = new URL(import.meta.url.endsWith('.ts') ? './hash-thread.ts' : './hash-thread.js', import.meta.url);

/** If the thread ends, pending requests fail and the next one starts a new thread. */
export class FileHasher {
  #thread: Worker | null = null;
  #count = 0;
  readonly #waiting = new Map<number, Waiting>();

  /** Throws `unavailable` if the file cannot be read. The cause has the code ENOENT if it is missing. */
  sha256Of(path: string, bytesPerSecond: number | null = null): Promise<string> {
    const thread = (this.#thread ??= this.#start());
    thread.ref();
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { path, resolve, reject });
      thread.postMessage({ id, path, bytesPerSecond } satisfies HashOrder);
    });
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  #start(): Worker {
    const thread = new Worker(threadUrl, { name: 'hash' });
    thread.on('message', (answer: HashAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0) thread.unref(); // An idle thread must not keep the process alive.
      if ('sha256' in answer) waiting?.resolve(answer.sha256);
      else waiting?.reject(asDiskError(Object.assign(new Error(answer.error), { code: answer.code }), `read ${waiting.path}`));
    });
    const ended = (why: string): void => {
      if (this.#thread !== thread) return;
      this.#thread = null;
      const error = new PlatformError('unavailable', `the file hashing thread ended: ${why}`);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    thread.on('error', (error) => ended(messageOf(error)));
    thread.on('exit', (code) => ended(`exit code ${code}`));
    return thread;
  }
}
