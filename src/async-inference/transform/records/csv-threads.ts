/**
 * Parses and formats CSV in threads. This is most of the work of a transform with a small model and must not block calls to endpoints. A
 * transform has its own threads, started on demand and stopped at its end.
 */
import { Worker } from 'node:worker_threads';
import { messageOf, PlatformError } from '../../../errors.ts';
import { CsvQueue, type CsvRequest, type CsvThreadResult } from './csv-queue.ts';

/** A request with the id of its response. */
export type CsvThreadRequest = CsvRequest & { readonly id: number };
/** The result of a request, or why it failed. */
export type CsvThreadResponse = { readonly id: number; readonly done: CsvThreadResult } | { readonly id: number; readonly error: string };

interface Waiting {
  readonly resolve: (done: CsvThreadResult) => void;
  readonly reject: (error: Error) => void;
}

const ownThreadUrl = new URL(import.meta.url.endsWith('.ts') ? './csv-thread.ts' : './csv-thread.js', import.meta.url);

/** If a thread ends, all its requests fail, and so does the transform. */
export class CsvThreads {
  readonly #threadUrl: URL;
  readonly #threadsMax: number;
  readonly #threads: CsvThread[] = [];
  readonly #idleQueues: CsvQueue[] = [];
  #ended: PlatformError | null = null;

  constructor({ threadsMax, threadUrl = ownThreadUrl }: { readonly threadsMax: number; readonly threadUrl?: URL }) {
    this.#threadsMax = threadsMax;
    this.#threadUrl = threadUrl;
  }

  /** A queue for one block; call `clear` to reuse it. A queue that is never cleared is garbage-collected. */
  openQueue(): CsvQueue {
    return (
      this.#idleQueues.pop() ??
      new CsvQueue(
        (request) => this.#request(request),
        (queue) => this.#idleQueues.push(queue),
      )
    );
  }

  async close(): Promise<void> {
    this.#end('the transform has ended');
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  async #request(request: CsvRequest): Promise<CsvThreadResult> {
    if (this.#ended !== null) throw this.#ended;
    const [first, ...others] = this.#threads;
    let thread = first;
    for (const other of others) if (other.waiting < (thread as CsvThread).waiting) thread = other;
    if (thread === undefined || (thread.waiting > 0 && this.#threads.length < this.#threadsMax)) {
      thread = new CsvThread(this.#threadUrl, (why) => this.#end(`a CSV thread ended: ${why}`));
      this.#threads.push(thread);
    }
    return thread.request(request);
  }

  #end(why: string): void {
    this.#ended ??= new PlatformError('unavailable', why);
    for (const thread of this.#threads) thread.rejectAll(this.#ended);
  }
}

class CsvThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #pending = 0;

  constructor(url: URL, onEnd: (why: string) => void) {
    this.#worker = new Worker(url, { name: 'csv' });
    this.#worker.on('message', (answer: CsvThreadResponse) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) waiting?.reject(new PlatformError('internal', `failed to parse or format CSV: ${answer.error}`));
      else waiting?.resolve(answer.done);
    });
    this.#worker.on('error', (error) => onEnd(messageOf(error)));
    this.#worker.on('exit', (code) => onEnd(`exit code ${code}`));
  }

  /** Number of pending requests. */
  get waiting(): number {
    return this.#waiting.size;
  }

  request(request: CsvRequest): Promise<CsvThreadResult> {
    return new Promise((resolve, reject) => {
      const id = this.#pending++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...request, id } satisfies CsvThreadRequest);
    });
  }

  rejectAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}
