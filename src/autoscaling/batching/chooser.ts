/** Runs computations in a thread beside the gateway: one thread, one order at a time, restarted if the thread dies. */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { BatchingChoice, ChoiceRequest } from './choose-batching.ts';

/** Response of the thread to an order. */
export type ChooserResponse<Choice = BatchingChoice> = { readonly choice: Choice; readonly computeMs: number } | { readonly error: string };

/** A result of the thread, with the time it took to compute. */
export type Computed<Choice> = Choice & { readonly computeMs: number };
/** A choice, and how long the thread took for it. */
export type ComputedChoice = Computed<BatchingChoice>;

interface Waiting<Order, Choice> {
  readonly order: Order;
  readonly resolve: (choice: Computed<Choice>) => void;
  readonly reject: (error: Error) => void;
}

/** Which module the thread runs, and for how long at most. */
export interface ChooserOptions {
  readonly clock: Clock;
  /** Timeout of an order. A choice takes about ten milliseconds, so a thread that exceeds this is stuck. */
  readonly timeoutMs?: number;
  /** Module that the thread runs. */
  readonly threadUrl?: URL;
}

const timeoutMsDefault = 15_000;
const ownThreadUrl = new URL(import.meta.url.endsWith('.ts') ? './choose-thread.ts' : './choose-thread.js', import.meta.url);

/** Runs orders in a separate thread; by default the orders are choices of function settings. */
export class Chooser<Order = ChoiceRequest, Choice extends object = BatchingChoice> {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #threadUrl: URL;
  readonly #waiting: Waiting<Order, Choice>[] = [];
  #current: Waiting<Order, Choice> | null = null;
  #thread: Worker | null = null;
  #cancelTimeout: () => void = () => undefined;
  #isClosed = false;

  constructor({ clock, timeoutMs = timeoutMsDefault, threadUrl = ownThreadUrl }: ChooserOptions) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#threadUrl = threadUrl;
  }

  /**
   * Runs orders in sequence. Rejects with `unavailable` if the thread dies or times out, or the chooser is closed. Rejects with
   * `internal` if the computation fails.
   */
  choose(order: Order): Promise<Computed<Choice>> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(new PlatformError('unavailable', 'the platform is stopping'));
      this.#waiting.push({ order, resolve, reject });
      this.#next();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const error = new PlatformError('unavailable', 'the platform is stopping');
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    await this.#abandon(error);
  }

  #next(): void {
    if (this.#current !== null) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#current = next;
    const thread = (this.#thread ??= this.#start());
    this.#cancelTimeout = this.#clock.after(this.#timeoutMs, () => {
      void this.#abandon(
        new PlatformError('unavailable', `no setting was found within ${this.#timeoutMs} ms: the thread is restarted. Retry`),
      );
    });
    thread.postMessage(next.order);
  }

  #start(): Worker {
    const thread = new Worker(this.#threadUrl, { name: 'choose' });
    const isCurrent = (): boolean => this.#thread === thread;
    thread.on('message', (answer: ChooserResponse<Choice>) => {
      if (isCurrent()) this.#settle(answer);
    });
    const died = (why: string): void => {
      if (isCurrent()) void this.#abandon(new PlatformError('unavailable', `the thread that computes settings ended: ${why}`));
    };
    thread.on('error', (error) => died(error instanceof Error ? error.message : String(error)));
    thread.on('exit', (code) => died(`exit code ${code}`));
    return thread;
  }

  #settle(answer: ChooserResponse<Choice>): void {
    this.#cancelTimeout();
    const current = this.#current;
    this.#current = null;
    if ('error' in answer) current?.reject(new PlatformError('internal', `failed to compute a setting: ${answer.error}`));
    else current?.resolve({ ...answer.choice, computeMs: answer.computeMs });
    this.#next();
  }

  /** Fails the running order and terminates its thread. */
  async #abandon(error: Error): Promise<void> {
    this.#cancelTimeout();
    const [thread, current] = [this.#thread, this.#current];
    this.#thread = null;
    this.#current = null;
    current?.reject(error);
    this.#next();
    await thread?.terminate();
  }
}
