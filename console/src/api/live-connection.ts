/**
 * The live connection of a page: Server-Sent Events, resumed from the last event, with polling as a fallback after three failed attempts in
 * a row. It reports its state, so that the page can mark stale numbers.
 */
export type LiveState =
  | { readonly kind: 'connecting' | 'live' }
  /** Disconnected since `sinceMs`; the next attempt is at `nextTryMs`. May poll in the meantime. */
  | { readonly kind: 'lost'; readonly sinceMs: number; readonly nextTryMs: number; readonly isPolling: boolean }
  | { readonly kind: 'paused'; readonly sinceMs: number };

/** The part of EventSource that is used here. */
export interface LiveSource {
  addEventListener(kind: string, run: (event: { readonly data?: unknown; readonly lastEventId?: string }) => void): void;
  close(): void;
}

export interface LiveOptions {
  /** `since`: the ID of the last event received; null if there was none. */
  readonly open: (since: number | null) => LiveSource;
  readonly onNumbers: (data: string) => void;
  readonly onEvent: (data: string) => void;
  readonly onState: (state: LiveState) => void;
  /** Fetches the data of a message. Rejects if the server cannot be reached. */
  readonly poll: () => Promise<void>;
  readonly nowMs: () => number;
  /** Runs `run` after `ms`. Returns a function that cancels it. */
  readonly after: (ms: number, run: () => void) => () => void;
}

const failuresMax = 3;
const pollEveryMs = 5000;
const retryEveryMs = 30_000;
/** The server sends numbers every two seconds, so a connection that is silent for 15 s is dead even without an error. */
const silenceMs = 15_000;

/** Retries after 1 s and 2 s, then every 30 s while polling every 5 s. */
export class LiveConnection {
  readonly #options: LiveOptions;
  #source: LiveSource | null = null;
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
    this.#disconnect();
    if (this.#failures === 0) this.#options.onState({ kind: 'connecting' });
    const source = this.#options.open(this.#since);
    this.#source = source;
    const onMessage = (): void => {
      if (this.#source !== source) return;
      if (this.#failures > 0) this.#cancelPoll();
      this.#failures = 0;
      this.#isPolling = false;
      this.#watch(silenceMs, () => this.#lost());
      this.#options.onState({ kind: 'live' });
    };
    this.#watch(silenceMs, () => this.#lost());
    source.addEventListener('numbers', ({ data }) => {
      onMessage();
      if (this.#source === source) this.#options.onNumbers(String(data));
    });
    source.addEventListener('event', ({ data, lastEventId }) => {
      onMessage();
      if (this.#source !== source) return;
      if (lastEventId !== undefined && lastEventId !== '') this.#since = Number(lastEventId);
      this.#options.onEvent(String(data));
    });
    source.addEventListener('error', () => {
      if (this.#source === source) this.#lost();
    });
  }

  /** Reconnects at once, without waiting for the countdown. */
  retry(): void {
    this.open();
  }

  /** Disconnects without counting as a failure; `open` resumes from the last event. */
  pause(): void {
    this.#disconnect();
    this.#cancelPoll();
    this.#failures = 0;
    this.#options.onState({ kind: 'paused', sinceMs: this.#options.nowMs() });
  }

  /** Ends the connection. Late messages and errors are ignored. */
  close(): void {
    this.#isClosed = true;
    this.#disconnect();
    this.#cancelPoll();
    this.#failures = 0;
    this.#isPolling = false;
  }

  #disconnect(): void {
    this.#cancelTimer();
    this.#source?.close();
    this.#source = null;
  }

  #watch(ms: number, run: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.after(ms, run);
  }

  #lost(): void {
    this.#disconnect();
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
      .catch(() => undefined) // the next poll may succeed, and the page shows the age of its numbers
      .finally(() => {
        if (this.#isPolling && !this.#isClosed) this.#cancelPoll = this.#options.after(pollEveryMs, () => this.#poll());
      });
  }
}
