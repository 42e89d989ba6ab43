/**
 * Threads for work that is too long for the event loop: decoding large bodies, statistics of many rows. Each thread has its own
 * heap with a limit. If a task exceeds it, the task fails and the server continues; an idle thread ends after a while, which
 * returns its memory to the system (ADR 18).
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { ThreadReply, ThreadRequest } from './messages.ts';
import { buffersOf, type ThreadTask } from './thread-task.ts';

/** How one task runs. */
export interface RunOptions {
  /** Size of the task, such as the bytes of the body. */
  readonly bytes: number;
  /** Memory of the input that moves to the thread; afterwards it is empty for the caller. The rest of the input is copied. */
  readonly moved?: readonly Uint8Array[];
  /** Called before the task starts. If it returns false, the result is no longer wanted, and the task is rejected without running. */
  readonly isWanted?: () => boolean;
  /** It takes a tenth of a second at most, whatever its size: it goes before others that wait, and counts as a small one. Default: false. */
  readonly isQuick?: boolean;
  /** For the error if the task takes too much. Default: decoding a body. */
  readonly work?: ThreadWork;
  /** Default: `bodies`. */
  readonly lane?: ThreadLane;
}

/**
 * Each lane has threads of its own, so work of one never waits for that of another, however long it takes: bodies of requests, uploaded
 * files whose check an upload waits for, and work that no request waits for.
 */
export type ThreadLane = 'bodies' | 'files' | 'background';

/** What a task does, as the subject of a sentence, and what to do if it takes too much. */
interface ThreadWork {
  readonly name: string;
  readonly hint: string;
  /** Default: that of the pool. */
  readonly timeMaxMs?: number;
}

/** A pool as seen by other modules. */
export interface Threads {
  /**
   * Runs the task in a thread. Rejects with the task's own `PlatformError`; with `too_large` if the task exceeds the memory or the time of
   * a thread; with `unavailable` if it is no longer wanted or the pool closes.
   */
  run<Input, Output>(task: ThreadTask<Input, Output>, input: Input, options: RunOptions): Promise<Output>;
}

/** Limits of the pool. Defaults are those of servers; tests pass smaller ones. */
export interface ThreadPoolOptions {
  readonly clock: Pick<Clock, 'after'>;
  /** For bodies, one of them only for small ones, beside one for quick tasks. Every other lane has as many beside them, less one, and at least one. */
  readonly threadsMax: number;
  readonly heapMaxMiB?: number;
  readonly timeoutMs?: number;
  readonly idleMs?: number;
}

/**
 * The heap of a thread. Decoders only accept bodies that need far less (see `codecs/json-limits.ts`); the limit covers what their bounds
 * fail to foresee.
 */
const heapMaxMiBDefault = 1536;
/** Decoding the largest body takes a few seconds on a busy machine. */
const timeoutMsDefault = 60_000;
const idleMsDefault = 5000;
/** Larger tasks leave one thread to smaller ones. */
const largeTaskBytes = 4 * 2 ** 20;

interface Job {
  readonly request: ThreadRequest;
  readonly transferred: ArrayBuffer[];
  readonly bytes: number;
  readonly lane: ThreadLane;
  readonly isQuick: boolean;
  readonly isWanted: () => boolean;
  readonly work: ThreadWork;
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: PlatformError) => void;
}

/** Tasks start in order of arrival within their lane. Closing rejects waiting tasks and ends the threads. */
export class ThreadPool implements Threads {
  readonly #options: ThreadPoolOptions;
  readonly #threads = new Set<PoolThread>();
  readonly #waiting: Job[] = [];
  #isClosed = false;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
  }

  /** Queues a task. `moved` buffers belong to the thread afterwards. A task that is no longer wanted when its turn comes is not run. */
  run<Input, Output>({ module, name }: ThreadTask<Input, Output>, input: Input, options: RunOptions): Promise<Output> {
    const { bytes, moved = [], isWanted = () => true, work = decoding, lane = 'bodies', isQuick = false } = options;
    return new Promise<unknown>((resolve, reject) => {
      if (this.#isClosed) return reject(closing());
      const request = { module, name, input };
      this.#waiting.push({ request, transferred: buffersOf(moved), bytes, lane, isQuick, isWanted, work, resolve, reject });
      this.#next();
    }) as Promise<Output>;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(closing());
    await Promise.all([...this.#threads].map((thread) => thread.end(closing())));
  }

  /** Starts waiting jobs while there are threads for them: quick ones, then the others, oldest first. */
  #next(): void {
    for (;;) {
      const busy = [...this.#threads].flatMap(({ job }) => (job === null ? [] : [job]));
      const quick = this.#waiting.findIndex((job) => job.isQuick && this.#hasThreadFor(job, busy));
      const place = quick === -1 ? this.#waiting.findIndex((job) => this.#hasThreadFor(job, busy)) : quick;
      const [job] = place === -1 ? [] : this.#waiting.splice(place, 1);
      if (job === undefined) return;
      if (!job.isWanted()) {
        job.reject(new PlatformError('unavailable', 'the client disconnected before its body was decoded'));
        continue;
      }
      try {
        (this.#idleThread() ?? this.#start()).begin(job);
      } catch (cause) {
        // The system does not permit another thread: this job fails, and the server continues.
        job.reject(new PlatformError('unavailable', `failed to start a thread to decode the body: ${messageOf(cause)}`, { cause }));
      }
    }
  }

  #hasThreadFor(job: Job, busy: readonly Job[]): boolean {
    const { threadsMax } = this.#options;
    const restMax = Math.max(1, threadsMax - 1);
    const same = busy.filter(({ lane }) => lane === job.lane);
    if (job.lane !== 'bodies') return same.length < restMax;
    // One more thread than there are others, so quick ones only wait for each other.
    if (job.isQuick) return same.length <= threadsMax;
    const slow = same.filter(({ isQuick }) => !isQuick);
    return slow.length < threadsMax && (!isLarge(job) || slow.filter(isLarge).length < restMax);
  }

  #idleThread(): PoolThread | undefined {
    return [...this.#threads].find(({ job }) => job === null);
  }

  #start(): PoolThread {
    const thread = new PoolThread(this.#options, {
      onIdle: () => this.#next(),
      onEnd: () => {
        this.#threads.delete(thread);
        if (!this.#isClosed) this.#next();
      },
    });
    this.#threads.add(thread);
    return thread;
  }
}

function isLarge({ bytes, isQuick }: Job): boolean {
  return bytes > largeTaskBytes && !isQuick;
}

function closing(): PlatformError {
  return new PlatformError('unavailable', 'the platform is stopping');
}

const mainUrl = new URL(import.meta.url.endsWith('.ts') ? './thread-main.ts' : './thread-main.js', import.meta.url);

class PoolThread {
  readonly #options: ThreadPoolOptions;
  readonly #listener: { readonly onIdle: () => void; readonly onEnd: () => void };
  readonly #worker: Worker;
  #job: Job | null = null;
  #isOver = false;
  #cancelTimer: () => void = () => undefined;

  constructor(options: ThreadPoolOptions, listener: { readonly onIdle: () => void; readonly onEnd: () => void }) {
    this.#options = options;
    this.#listener = listener;
    this.#worker = new Worker(mainUrl, {
      name: 'decode',
      resourceLimits: { maxOldGenerationSizeMb: options.heapMaxMiB ?? heapMaxMiBDefault },
    });
    this.#worker.on('message', (reply: ThreadReply) => this.#settle(reply));
    this.#worker.on('error', (error: Error & { readonly code?: string }) => {
      const isMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
      void this.end(
        isMemory
          ? exceeded(this.#job?.work ?? decoding, 'memory')
          : new PlatformError('internal', `a thread failed: ${messageOf(error)}`, { cause: error }),
      );
    });
    this.#worker.on('exit', (code) => void this.end(new PlatformError('internal', `a thread ended with exit code ${code}`)));
  }

  get job(): Job | null {
    return this.#job;
  }

  begin(job: Job): void {
    this.#cancelTimer();
    this.#job = job;
    this.#cancelTimer = this.#options.clock.after(
      job.work.timeMaxMs ?? this.#options.timeoutMs ?? timeoutMsDefault,
      () => void this.end(exceeded(job.work, 'time')),
    );
    try {
      this.#worker.postMessage(job.request, job.transferred);
    } catch (error) {
      this.#settle({ ok: false, error: { code: 'internal', message: messageOf(error), hint: undefined, stack: undefined } });
    }
  }

  #settle(reply: ThreadReply): void {
    const job = this.#job;
    if (this.#isOver || job === null) return;
    this.#cancelTimer();
    this.#job = null;
    if (reply.ok) job.resolve(reply.output);
    else job.reject(errorOf(reply.error));
    this.#cancelTimer = this.#options.clock.after(this.#options.idleMs ?? idleMsDefault, () => void this.end(closing()));
    this.#listener.onIdle();
  }

  /** Ends the thread. The job that it runs is rejected with `why`. */
  async end(why: PlatformError): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimer();
    this.#job?.reject(why);
    this.#job = null;
    this.#listener.onEnd();
    await this.#worker.terminate();
  }
}

const decoding: ThreadWork = { name: 'decoding the body', hint: 'Send fewer rows at once, or use a transform' };

function exceeded({ name, hint }: ThreadWork, what: 'memory' | 'time'): PlatformError {
  return new PlatformError('too_large', `${name} takes more ${what} than allowed per request`, { hint });
}

/** The error that the task threw, as if it had run in this thread. An internal error retains the stack of the other thread, for the log. */
function errorOf({ code, message, hint, stack }: Extract<ThreadReply, { ok: false }>['error']): PlatformError {
  const error = new PlatformError(code, message, hint === undefined ? {} : { hint });
  if (code === 'internal' && stack !== undefined) error.stack = stack;
  return error;
}
