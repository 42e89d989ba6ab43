/** What comes to a variant and what becomes of it, whichever version serves: for whoever decides how much is there to serve it. */
import type { ErrorCode } from '../errors.ts';

/** Since the server started; all of it only rises. */
export interface TrafficCounts {
  readonly requestsArrived: number;
  readonly rowsArrived: number;
  /** Rows in the system, waiting or running, integrated over time, in milliseconds. */
  readonly rowMs: number;
  /** Requests that were answered, well or not, but for those that were wrong themselves and those nobody waited for. */
  readonly requests: number;
  /** Of these, who was answered too late, or was not served. */
  readonly violations: number;
  /** Of these, whom a function answered though there are instances. */
  readonly overflowed: number;
}

/** Who came to a variant since the server started; only rises. */
export interface Arrived {
  readonly endpoint: string;
  readonly variant: string;
  readonly requests: number;
  readonly rows: number;
}

export const noTraffic: TrafficCounts = { requestsArrived: 0, rowsArrived: 0, rowMs: 0, requests: 0, violations: 0, overflowed: 0 };

/** Whose fault a refusal is: the request's own, or ours. */
const isOurs: Readonly<Record<ErrorCode, boolean>> = {
  invalid_request: false,
  unauthenticated: false,
  forbidden: false,
  not_found: false,
  already_exists: false,
  wrong_state: false,
  too_large: false,
  unsupported: false,
  overloaded: true,
  deadline_exceeded: true,
  model_failed: true,
  unavailable: true,
  internal: true,
};

/** Who was refused was not taken, by whosever fault; all others that got no answer were taken and failed. */
export function isRefusal(code: ErrorCode): boolean {
  return code === 'overloaded' || !isOurs[code];
}

export class TrafficMeter {
  readonly #endpoint: string;
  readonly #variant: string;
  #requestsArrived = 0;
  #rowsArrived = 0;
  #rowsHere = 0;
  #rowMs = 0;
  #sinceMs = 0;
  #requests = 0;
  #violations = 0;
  #overflowed = 0;

  constructor(endpoint: string, variant: string) {
    this.#endpoint = endpoint;
    this.#variant = variant;
  }

  arrived(rows: number, nowMs: number): void {
    this.#requestsArrived++;
    this.#rowsArrived += rows;
    this.#change(rows, nowMs);
  }

  /** Answered, refused, or nobody waits for it any more. */
  left(rows: number, nowMs: number): void {
    this.#change(-rows, nowMs);
  }

  answered(isInTime: boolean, isOverflow: boolean): void {
    this.#requests++;
    if (!isInTime) this.#violations++;
    if (isOverflow) this.#overflowed++;
  }

  refused(code: ErrorCode): void {
    if (isOurs[code]) this.answered(false, false);
  }

  get soFar(): Arrived {
    return { endpoint: this.#endpoint, variant: this.#variant, requests: this.#requestsArrived, rows: this.#rowsArrived };
  }

  counts(nowMs: number): TrafficCounts {
    this.#change(0, nowMs);
    return {
      requestsArrived: this.#requestsArrived,
      rowsArrived: this.#rowsArrived,
      rowMs: this.#rowMs,
      requests: this.#requests,
      violations: this.#violations,
      overflowed: this.#overflowed,
    };
  }

  #change(rows: number, nowMs: number): void {
    this.#rowMs += this.#rowsHere * (nowMs - this.#sinceMs);
    this.#sinceMs = nowMs;
    this.#rowsHere += rows;
  }
}
