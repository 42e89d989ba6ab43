/**
 * The log of requests: a line each. Lines are put together and written by a thread, for whoever answers requests has other things to do: handing a
 * line over takes it a fifth of a microsecond, putting it together one or two.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { RequestLine } from './request-line.ts';
import { RequestRows, type Rows } from './request-rows.ts';

/** Few wait that long: under load there are many before. */
const waitMsMax = 100;
/** So many may be on their way to the thread, some 10 MB; beyond it lines are dropped. */
const onTheirWayMax = 32_768;
/** A thread that does not answer for so long is not waited for: the server must be able to stop. */
const answerMsMax = 5000;
/** A thread that ended is not started again sooner. */
const restartAfterMs = 1000;

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const ownThreadUrl = new URL(`./request-log-thread.${extension}`, import.meta.url);

export interface RequestLogFile {
  readonly path: string;
  readonly fileBytesMax: number;
  readonly files: number;
}

export interface RequestLogOptions extends RequestLogFile {
  readonly clock: Clock;
  /** Told once when writing begins to fail. */
  readonly onTrouble: (error: unknown) => void;
  /** Of the thread; `request-log-thread` unless given. */
  readonly threadUrl?: URL;
}

export type RequestLogOrder =
  /** `lost`: so many that came before them were dropped. */
  { readonly kind: 'rows'; readonly rows: Rows; readonly lost: number } | { readonly kind: 'flush' | 'close'; readonly id: number };

/** `dropped`: by the thread, since it began. */
export type RequestLogAnswer =
  | { readonly kind: 'taken'; readonly lines: number; readonly dropped: number }
  | { readonly kind: 'done'; readonly id: number; readonly dropped: number }
  | { readonly kind: 'trouble'; readonly message: string };

export class RequestLog {
  readonly #options: RequestLogOptions;
  readonly #rows = new RequestRows();
  #cancelTimer: (() => void) | null = null;
  #thread: Worker | null = null;
  /** Handed over, and not taken yet. */
  #onTheirWay = 0;
  #dropped = 0;
  #droppedByThread = 0;
  /** Of the dropped ones: those that the thread knows nothing of. */
  #untold = 0;
  #restartAtMs = Number.NEGATIVE_INFINITY;
  #isClosed = false;
  readonly #waiting = new Map<number, () => void>();
  #asked = 0;

  constructor(options: RequestLogOptions) {
    this.#options = options;
  }

  /** Lines that were lost because the disk, or the thread, did not follow. */
  get dropped(): number {
    return this.#dropped + this.#droppedByThread;
  }

  /** Keeps nothing of `line`, and never throws. */
  add(line: RequestLine): void {
    if (this.#isClosed) return;
    if (this.#rows.add(line)) this.#hand();
    else this.#cancelTimer ??= this.#options.clock.after(waitMsMax, () => this.#hand());
  }

  /** Resolves when every line so far is in the file, or lost; or when the thread does not answer. */
  async flush(): Promise<void> {
    this.#hand();
    await this.#ask('flush');
  }

  async close(): Promise<void> {
    this.#hand();
    this.#isClosed = true;
    await this.#ask('close');
    const thread = this.#thread;
    this.#thread = null;
    await thread?.terminate();
  }

  #hand(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#rows.length === 0) return;
    const thread = this.#onTheirWay > onTheirWayMax ? null : (this.#thread ?? this.#start());
    this.#rows.take((rows) => {
      if (thread === null) {
        this.#lose(rows.length);
        return false;
      }
      thread.postMessage({ kind: 'rows', rows, lost: this.#untold } satisfies RequestLogOrder);
      this.#untold = 0;
      this.#onTheirWay += rows.length;
      return true;
    });
  }

  /** Null where the one before has just ended. */
  #start(): Worker | null {
    if (this.#options.clock.nowMs() < this.#restartAtMs) return null;
    const { path, fileBytesMax, files, threadUrl = ownThreadUrl } = this.#options;
    const thread = new Worker(threadUrl, { workerData: { path, fileBytesMax, files } satisfies RequestLogFile, name: 'request log' });
    thread.unref(); // nobody stays for its sake
    thread.on('message', (answer: RequestLogAnswer) => this.#hear(answer));
    const ended = (why: string): void => {
      if (this.#thread === thread) this.#end(why);
    };
    thread.on('error', (error) => ended(messageOf(error)));
    thread.on('exit', (code) => ended(`its thread ended with code ${code}`));
    return (this.#thread = thread);
  }

  #hear(answer: RequestLogAnswer): void {
    if (answer.kind === 'trouble') return this.#options.onTrouble(new Error(answer.message));
    this.#droppedByThread = answer.dropped;
    if (answer.kind === 'taken') this.#onTheirWay -= answer.lines;
    else this.#settle(answer.id);
  }

  /** What was on its way is lost, as far as anybody knows. */
  #end(why: string): void {
    this.#thread = null;
    this.#restartAtMs = this.#options.clock.nowMs() + restartAfterMs;
    this.#dropped += this.#droppedByThread;
    this.#droppedByThread = 0;
    this.#lose(this.#onTheirWay + this.#rows.length);
    this.#rows.beginAnew();
    this.#onTheirWay = 0;
    for (const id of this.#waiting.keys()) this.#settle(id);
    this.#options.onTrouble(new Error(why));
  }

  #lose(lines: number): void {
    this.#dropped += lines;
    this.#untold += lines;
  }

  async #ask(kind: 'flush' | 'close'): Promise<void> {
    const thread = this.#thread;
    if (thread === null) return;
    const id = this.#asked++;
    thread.ref();
    const cancelTimeout = this.#options.clock.after(answerMsMax, () => this.#settle(id));
    await new Promise<void>((resolve) => {
      this.#waiting.set(id, resolve);
      thread.postMessage({ kind, id } satisfies RequestLogOrder);
    });
    cancelTimeout();
    if (this.#waiting.size === 0) thread.unref();
  }

  #settle(id: number): void {
    const settle = this.#waiting.get(id);
    this.#waiting.delete(id);
    settle?.();
  }
}
