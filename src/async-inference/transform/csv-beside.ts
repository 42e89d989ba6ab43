/**
 * Numbers from CSV and to CSV in threads beside the server's: of a small model's transform this is most of the work, and whoever
 * calls an endpoint meanwhile should not wait for it. A transform has its own threads, as many as it keeps busy, until its end.
 */
import { Worker } from 'node:worker_threads';
import { messageOf, PlatformError } from '../../errors.ts';
import { CsvDesk, type CsvDone, type CsvOrder } from './csv-desk.ts';

export type CsvQuestion = CsvOrder & { readonly id: number };
export type CsvAnswer = { readonly id: number; readonly done: CsvDone } | { readonly id: number; readonly error: string };

interface Waiting {
  readonly resolve: (done: CsvDone) => void;
  readonly reject: (error: Error) => void;
}

const ownThreadUrl = new URL(import.meta.url.endsWith('.ts') ? './csv-thread.ts' : './csv-thread.js', import.meta.url);

export class CsvBeside {
  readonly #threadUrl: URL;
  readonly #threadsMax: number;
  readonly #threads: CsvThread[] = [];
  readonly #desks: CsvDesk[] = [];
  #ended: PlatformError | null = null;

  constructor({ threadsMax, threadUrl = ownThreadUrl }: { readonly threadsMax: number; readonly threadUrl?: URL }) {
    this.#threadsMax = threadsMax;
    this.#threadUrl = threadUrl;
  }

  /** For one block; whoever takes it clears it. One that is never cleared is lost, nothing more. */
  desk(): CsvDesk {
    return (
      this.#desks.pop() ??
      new CsvDesk(
        (order) => this.#ask(order),
        (desk) => this.#desks.push(desk),
      )
    );
  }

  async close(): Promise<void> {
    this.#end('the transform is over');
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  async #ask(order: CsvOrder): Promise<CsvDone> {
    if (this.#ended !== null) throw this.#ended;
    const [first, ...others] = this.#threads;
    let thread = first;
    for (const other of others) if (other.waiting < (thread as CsvThread).waiting) thread = other;
    if (thread === undefined || (thread.waiting > 0 && this.#threads.length < this.#threadsMax)) {
      thread = new CsvThread(this.#threadUrl, (why) => this.#end(`a thread that reads and writes CSV ended: ${why}`));
      this.#threads.push(thread);
    }
    return thread.ask(order);
  }

  #end(why: string): void {
    this.#ended ??= new PlatformError('unavailable', why);
    for (const thread of this.#threads) thread.refuseAll(this.#ended);
  }
}

class CsvThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;

  constructor(url: URL, onEnd: (why: string) => void) {
    this.#worker = new Worker(url, { name: 'csv' });
    this.#worker.on('message', (answer: CsvAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) waiting?.reject(new PlatformError('internal', `CSV could not be read or written: ${answer.error}`));
      else waiting?.resolve(answer.done);
    });
    this.#worker.on('error', (error) => onEnd(messageOf(error)));
    this.#worker.on('exit', (code) => onEnd(`exit code ${code}`));
  }

  /** How many wait for it. */
  get waiting(): number {
    return this.#waiting.size;
  }

  ask(order: CsvOrder): Promise<CsvDone> {
    return new Promise((resolve, reject) => {
      const id = this.#asked++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...order, id } satisfies CsvQuestion);
    });
  }

  refuseAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}
