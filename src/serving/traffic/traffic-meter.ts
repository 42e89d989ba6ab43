/** Arrivals and outcomes of a variant over all versions: input for scaling decisions. */
import type { ErrorCode } from '../../errors.ts';

/** Counters since the server started; they never decrease. */
export interface TrafficCounts {
  readonly requestsArrived: number;
  readonly rowsArrived: number;
  /** Number of waiting and running rows, integrated over time: row-milliseconds. */
  readonly rowMs: number;
  /** Requests that ended, successfully or not, except cancelled ones and those rejected as invalid. */
  readonly requests: number;
  /** The part of `requests` that was late or not served. */
  readonly violations: number;
  /** The part of `requests` that a function answered although there are instances. */
  readonly overflowed: number;
}

/** Arrivals of a variant since the server started; never decrease. */
export interface ArrivedCounts {
  readonly endpoint: string;
  readonly variant: string;
  readonly requests: number;
  readonly rows: number;
}

/** The counts of a variant that has received nothing. Shared, so never modify it. */
export const noTraffic: TrafficCounts = { requestsArrived: 0, rowsArrived: 0, rowMs: 0, requests: 0, violations: 0, overflowed: 0 };

/** Whether an error is the platform's fault (true) or the client's (false). */
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

/** Whether an error means that the request was rejected. All other errors mean that it was accepted and then failed. */
export function isRejection(code: ErrorCode): boolean {
  return code === 'overloaded' || !isOurs[code];
}

/** Counts one variant. Times are `clock.nowMs()`. */
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

  /** Counts rows of a request that was answered, rejected or cancelled. */
  departed(rows: number, nowMs: number): void {
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

  get soFar(): ArrivedCounts {
    return { endpoint: this.#endpoint, variant: this.#variant, requests: this.#requestsArrived, rows: this.#rowsArrived };
  }

  /** Counts since the start, up to now. Readers compute differences, so several can read. */
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
