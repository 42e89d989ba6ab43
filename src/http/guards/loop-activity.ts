/**
 * Records which request the event loop started to process, and when, so that a blocked loop can be traced to a route.
 *
 * A block lies between two marks: the longest gap between marks contains it, and the mark before that gap names the
 * request. That request is a likely cause, not a proven one: timers and promises run between marks, too.
 */
import type { Clock } from '../../clock.ts';

/** As in node:http; formatted only if a block is logged. */
export interface BlockedRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}

/** The longest time without a mark, and the request that likely caused it. */
export interface LongestGap {
  readonly ms: number;
  /** `POST /v2/models/digits/infer`, without the query; null if no request was being worked on. */
  readonly route: string | null;
  /** Marks since the last call of `take`. */
  readonly requests: number;
}

const routeLengthMax = 200;

/** A mark costs one reading of the clock. */
export class LoopActivity {
  readonly #clock: Pick<Clock, 'nowMs'>;
  #current: BlockedRequest | null = null;
  #sinceMs: number;
  #longestMs = 0;
  #longest: BlockedRequest | null = null;
  #requests = 0;

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
    this.#sinceMs = clock.nowMs();
  }

  /** Work for this request begins now. Hot path: one clock read and a few assignments. */
  enter(request: BlockedRequest): void {
    this.#mark(request);
    this.#requests++;
  }

  /** The longest gap since the last call. */
  take(): LongestGap {
    this.#mark(null);
    const gap = { ms: this.#longestMs, route: this.#longest === null ? null : routeOf(this.#longest), requests: this.#requests };
    this.#longestMs = 0;
    this.#longest = null;
    this.#requests = 0;
    return gap;
  }

  #mark(request: BlockedRequest | null): void {
    const nowMs = this.#clock.nowMs();
    const ms = nowMs - this.#sinceMs;
    if (ms > this.#longestMs) {
      this.#longestMs = ms;
      this.#longest = this.#current;
    }
    this.#current = request;
    this.#sinceMs = nowMs;
  }
}

/** Without the query, which may contain a signature. */
function routeOf({ method = '', url = '' }: BlockedRequest): string {
  const query = url.indexOf('?');
  return `${method} ${query === -1 ? url : url.slice(0, query)}`.trimStart().slice(0, routeLengthMax);
}
