/** Records unexpected exits of ready workers: killed, crashed, or ended because they hung or used too much memory. */

import type { Clock } from '../clock.ts';
import { nameKey } from '../names.ts';
import type { Events } from './events.ts';
import { isFull, type TokenBucket, takeToken } from './token-bucket.ts';

const kind = 'worker.crashed';
/** Events per variant: a burst, then one a minute with the number of further exits. */
const bounds = { burst: 10, perMinute: 1 };
const reportAfterMs = 60_000;
/** Variants with their own limit. Those without an exit for ten minutes are dropped for new ones; any beyond share one limit. */
const variantsMax = 1000;
/** Signals that often end the server and all its processes at once. After this delay it is known whether the server ends. */
const serverEnds: ReadonlySet<string | null> = new Set(['SIGTERM', 'SIGINT', 'SIGHUP']);
const serverEndsMs = 1000;

/** An unrequested exit, as its event and the log have it. */
export interface WorkerExit {
  /** `digits.alltraffic.1.0` */
  readonly worker: string;
  readonly endpoint: string;
  readonly variant: string;
  /** `digits/3` */
  readonly model: string;
  /** `instance:local.1`, `function:2048` */
  readonly executor: string;
  /** `killed by SIGKILL`, `exit code 134`, or why the server ended it. */
  readonly reason: string;
  /** Null if a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The last lines it printed; of a Python worker that hung, its stack. */
  readonly lastLines: string;
  /** Delay before its restart; null if it is not restarted, like a function, which starts on demand. */
  readonly restartMs: number | null;
}

/** What happened to the requests in a worker that exited. */
export interface LostRequests {
  readonly runAgain: number;
  readonly failed: number;
}

const none: LostRequests = { runAgain: 0, failed: 0 };

interface Variant {
  readonly bucket: TokenBucket;
  /** The last unreported exit, and the number of others before it. */
  unreported: { readonly end: ReportedExit; readonly others: number; readonly cancel: () => void } | null;
}

type ReportedExit = WorkerExit & LostRequests;

/** Where exits are recorded. */
export interface WorkerExitsOptions {
  readonly events: Pick<Events, 'recordAndPublish'>;
  readonly clock: Clock;
  /** An event could not be recorded. */
  readonly onFailure: (error: unknown) => void;
}

/** Rate-limited per variant: a worker that crashes at every request would flood the events. */
export class WorkerExits {
  readonly #options: WorkerExitsOptions;
  /** By worker, until its exit is processed. */
  readonly #requestsLost = new Map<string, LostRequests>();
  readonly #variants = new Map<string, Variant>();
  /** Shared limit for all variants beyond `variantsMax`, so their exits are still reported and bounded. */
  readonly #others: Variant;
  /** Exits that may be part of the server's own shutdown. */
  readonly #waiting = new Map<ReportedExit, () => void>();
  #recording: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: WorkerExitsOptions) {
    this.#options = options;
    this.#others = this.#fresh();
  }

  /** Records requests lost in a worker. Its exit is reported separately, before or after. */
  recordLost(worker: string, { runAgain, failed }: LostRequests): void {
    const before = this.#requestsLost.get(worker) ?? none;
    this.#requestsLost.set(worker, { runAgain: before.runAgain + runAgain, failed: before.failed + failed });
  }

  /** Call at each exit of a worker process. `end` is null if it was requested or the worker was never ready: nothing is recorded. */
  ended(worker: string, end: WorkerExit | null): void {
    if (this.#isClosed) return;
    // Its lost requests are reported in the same turn, by its connection.
    this.#options.clock.after(0, () => {
      const lost = this.#requestsLost.get(worker) ?? none;
      this.#requestsLost.delete(worker);
      if (end !== null && !this.#isClosed) this.#wait({ ...end, ...lost });
    });
  }

  /** Call when the server shuts down, which ends its workers. Records the exits that were held back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const cancel of this.#waiting.values()) cancel();
    for (const { unreported } of [...this.#variants.values(), this.#others]) {
      if (unreported === null) continue;
      unreported.cancel();
      this.#record(unreported.end, unreported.others);
    }
    await this.#recording;
  }

  #wait(end: ReportedExit): void {
    if (!serverEnds.has(end.signal)) return this.#report(end);
    const cancel = this.#options.clock.after(serverEndsMs, () => {
      this.#waiting.delete(end);
      this.#report(end);
    });
    this.#waiting.set(end, cancel);
  }

  #report(end: ReportedExit): void {
    const { clock } = this.#options;
    const variant = this.#variantOf(end);
    if (variant.unreported !== null) {
      variant.unreported = { ...variant.unreported, end, others: variant.unreported.others + 1 };
    } else if (takeToken(variant.bucket, bounds, clock.nowMs())) {
      this.#record(end, 0);
    } else {
      const cancel = clock.after(reportAfterMs, () => {
        const { unreported } = variant;
        variant.unreported = null;
        variant.bucket.tokens = 0;
        variant.bucket.atMs = clock.nowMs();
        if (unreported !== null) this.#record(unreported.end, unreported.others);
      });
      variant.unreported = { end, others: 0, cancel };
    }
  }

  #variantOf({ endpoint, variant }: WorkerExit): Variant {
    const key = nameKey(`${endpoint}/${variant}`);
    const known = this.#variants.get(key);
    if (known !== undefined) return known;
    if (this.#variants.size >= variantsMax) {
      const idle = this.#variants.entries().find(([, each]) => this.#isLikeFresh(each));
      if (idle === undefined) return this.#others;
      this.#variants.delete(idle[0]);
    }
    const fresh = this.#fresh();
    this.#variants.set(key, fresh);
    return fresh;
  }

  #fresh(): Variant {
    return { bucket: { tokens: bounds.burst, atMs: this.#options.clock.nowMs() }, unreported: null };
  }

  /** Whether dropping it loses nothing: no pending exit and a full bucket. */
  #isLikeFresh({ bucket, unreported }: Variant): boolean {
    return unreported === null && isFull(bucket, bounds, this.#options.clock.nowMs());
  }

  #record({ endpoint, runAgain, failed, reason, restartMs, ...end }: ReportedExit, others: number): void {
    const requests = { requests: runAgain + failed, requestsRunAgain: runAgain, requestsFailed: failed };
    const detail = { reason, ...(others === 0 ? {} : { othersBefore: others }), ...requests, restartMs, ...end };
    this.#recording = this.#recording
      .then(() => this.#options.events.recordAndPublish({ kind, subject: endpoint, detail }))
      .catch(this.#options.onFailure);
  }
}
