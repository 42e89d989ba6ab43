/**
 * The one connection of a page to what happens: Server-Sent Events, taken up again with the number of the last event, and polling where
 * three tries in a row failed. Says how it stands, so that numbers which are old are never taken for new ones.
 */
export type LiveState =
  | { readonly kind: 'connecting' | 'live' }
  /** Not live since then; tried again at `nextTryMs`. Polls meanwhile where that works. */
  | { readonly kind: 'lost'; readonly sinceMs: number; readonly nextTryMs: number; readonly isPolling: boolean }
  | { readonly kind: 'paused'; readonly sinceMs: number };

/** What EventSource has and this needs. */
export interface Source {
  addEventListener(kind: string, run: (event: { readonly data?: unknown; readonly lastEventId?: string }) => void): void;
  close(): void;
}

export interface LiveOptions {
  /** `since`: the last event that was seen; null for none. */
  readonly open: (since: number | null) => Source;
  readonly onNumbers: (data: string) => void;
  readonly onEvent: (data: string) => void;
  readonly onState: (state: LiveState) => void;
  /** Fetches what a message would have brought; throws where that does not work either. */
  readonly poll: () => Promise<void>;
  readonly nowMs: () => number;
  /** The answer cancels. */
  readonly after: (ms: number, run: () => void) => () => void;
}

const failuresMax = 3;
const pollEveryMs = 5000;
const retryEveryMs = 30_000;
/** Numbers come every two seconds. A connection that says nothing for so long is dead, whatever it claims. */
const silenceMs = 15_000;

export class LiveConnection {
  readonly #options: LiveOptions;
  #source: Source | null = null;
  #since: number | null = null;
  #failures = 0;
  #lostMs = 0;
  #cancelTimer: () => void = () => undefined;
  #cancelPoll: () => void = () => undefined;
  #isPolling = false;
  #isClosed = false;

  constructor(options: LiveOptions) {
    this.#options = options;
  }

  open(): void {
    this.#isClosed = false;
    this.#quiet();
    if (this.#failures === 0) this.#options.onState({ kind: 'connecting' });
    const source = this.#options.open(this.#since);
    this.#source = source;
    const heard = (): void => {
      if (this.#source !== source) return;
      if (this.#failures > 0) this.#cancelPoll();
      this.#failures = 0;
      this.#isPolling = false;
      this.#watch(silenceMs, () => this.#lost());
      this.#options.onState({ kind: 'live' });
    };
    this.#watch(silenceMs, () => this.#lost());
    source.addEventListener('numbers', ({ data }) => {
      heard();
      if (this.#source === source) this.#options.onNumbers(String(data));
    });
    source.addEventListener('event', ({ data, lastEventId }) => {
      heard();
      if (this.#source !== source) return;
      if (lastEventId !== undefined && lastEventId !== '') this.#since = Number(lastEventId);
      this.#options.onEvent(String(data));
    });
    source.addEventListener('error', () => {
      if (this.#source === source) this.#lost();
    });
  }

  /** At once, whatever the countdown says. */
  retry(): void {
    this.open();
  }

  pause(): void {
    this.#quiet();
    this.#cancelPoll();
    this.#failures = 0;
    this.#options.onState({ kind: 'paused', sinceMs: this.#options.nowMs() });
  }

  close(): void {
    this.#isClosed = true;
    this.#quiet();
    this.#cancelPoll();
    this.#failures = 0;
    this.#isPolling = false;
  }

  #quiet(): void {
    this.#cancelTimer();
    this.#source?.close();
    this.#source = null;
  }

  #watch(ms: number, run: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.after(ms, run);
  }

  #lost(): void {
    this.#quiet();
    if (this.#isClosed) return;
    this.#failures++;
    if (this.#failures === 1) this.#lostMs = this.#options.nowMs();
    const waitMs = this.#failures < failuresMax ? 1000 * 2 ** (this.#failures - 1) : retryEveryMs;
    if (this.#failures >= failuresMax && !this.#isPolling) {
      this.#isPolling = true;
      this.#poll();
    }
    const nextTryMs = this.#options.nowMs() + waitMs;
    this.#options.onState({ kind: 'lost', sinceMs: this.#lostMs, nextTryMs, isPolling: this.#isPolling });
    this.#watch(waitMs, () => this.open());
  }

  #poll(): void {
    void this.#options
      .poll()
      .catch(() => undefined) // what does not answer now may answer the next time; the bar says how old the numbers are
      .finally(() => {
        if (this.#isPolling && !this.#isClosed) this.#cancelPoll = this.#options.after(pollEveryMs, () => this.#poll());
      });
  }
}
