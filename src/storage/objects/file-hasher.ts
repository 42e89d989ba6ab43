/**
 * Computes the SHA-256 of files: small ones at once, others on a separate thread. The thread takes at least 12 MiB, so it starts with the
 * first large file and ends when it has had none for a while.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { type Clock, SystemClock } from '../../clock.ts';
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

/** Hashing this much takes about a millisecond. */
const smallBytesMax = 2 ** 20;

const idleMs = 5000;

/** If the thread ends, pending requests fail and the next one starts a new thread. */
export class FileHasher {
  readonly #clock: Pick<Clock, 'after'>;
  #thread: Worker | null = null;
  #cancelEnd: () => void = () => undefined;
  #count = 0;
  readonly #waiting = new Map<number, Waiting>();

  constructor(clock: Pick<Clock, 'after'> = new SystemClock()) {
    this.#clock = clock;
  }

  /** Whether the thread runs. */
  get hasThread(): boolean {
    return this.#thread !== null;
  }

  /** Throws `unavailable` if the file cannot be read. The cause has the code ENOENT if it is missing. */
  async sha256Of(path: string, bytesPerSecond: number | null = null): Promise<string> {
    return (bytesPerSecond === null ? await sha256OfSmall(path) : null) ?? this.#inThread(path, bytesPerSecond);
  }

  #inThread(path: string, bytesPerSecond: number | null): Promise<string> {
    this.#cancelEnd();
    const thread = (this.#thread ??= this.#start());
    thread.ref();
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { path, resolve, reject });
      thread.postMessage({ id, path, bytesPerSecond } satisfies HashOrder);
    });
  }

  async close(): Promise<void> {
    this.#cancelEnd();
    await this.#thread?.terminate();
  }

  #start(): Worker {
    const thread = new Worker(threadUrl, { name: 'hash' });
    thread.on('message', (answer: HashAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0) this.#leaveIdle(thread);
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
  #leaveIdle(thread: Worker): void {
    thread.unref(); // An idle thread must not keep the process alive.
    this.#cancelEnd = this.#clock.after(idleMs, () => {
      this.#thread = null;
      void thread.terminate();
    });
  }
}

/** Null if the file is not small. */
async function sha256OfSmall(path: string): Promise<string | null> {
  try {
    await using file = await open(path, 'r');
    if ((await file.stat()).size > smallBytesMax) return null;
    return createHash('sha256')
      .update(await file.readFile())
      .digest('hex');
  } catch (error) {
    throw asDiskError(error, `read ${path}`);
  }
}
