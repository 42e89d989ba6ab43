/** Workers that were ready and ended without having been asked to: killed, crashed, or ended because they hung or had grown too large. */
import type { Clock } from '../../clock.ts';
import { type Allowance, isWhole, takeOne } from './allowance.ts';
import type { Events } from './events.ts';

const kind = 'worker.ended-abruptly';
/** Of one variant so many are told at once, and one a minute from then on, with how many others there were. */
const bounds = { burst: 10, perMinute: 1 };
const tellAfterMs = 60_000;
/** Variants that are told apart: those of which there was no end for ten minutes are forgotten for others, and what is more counts as one. */
const variantsMax = 1000;
/** What ends a server, too, and often all its processes at once: whether it does is known by then. */
const serverEnds: ReadonlySet<string | null> = new Set(['SIGTERM', 'SIGINT', 'SIGHUP']);
const serverEndsMs = 1000;

export interface WorkerEnd {
  /** `digits.alltraffic.1.0` */
  readonly worker: string;
  readonly endpoint: string;
  readonly variant: string;
  /** `digits/3` */
  readonly model: string;
  /** `instance:local.1`, `function:2048` */
  readonly executor: string;
  /** `killed by SIGKILL`, `exit code 134`, or why we ended it. */
  readonly reason: string;
  /** null where a signal ended it, which is named then. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** What it printed last. */
  readonly lastLines: string;
  /** It is started again after so long; null: it is not, as a function that is started when requests need one. */
  readonly restartMs: number | null;
}

/** What became of the requests that were in a worker. */
export interface LostRequests {
  readonly runAgain: number;
  readonly failed: number;
}

const none: LostRequests = { runAgain: 0, failed: 0 };

interface Variant {
  readonly allowance: Allowance;
  /** The last that was not told, and how many were not before it. */
  untold: { readonly end: Told; readonly others: number; readonly cancel: () => void } | null;
}

type Told = WorkerEnd & LostRequests;

export interface WorkerEndsOptions {
  readonly events: Pick<Events, 'recordAndPublish'>;
  readonly clock: Clock;
  /** One could not be recorded. */
  readonly onFailure: (error: unknown) => void;
}

export class WorkerEnds {
  readonly #options: WorkerEndsOptions;
  /** By worker, until its end is told. */
  readonly #lost = new Map<string, LostRequests>();
  readonly #variants = new Map<string, Variant>();
  /** All for which there is no room, together: what is held back is told, and floods nobody, however many they are. */
  readonly #others: Variant;
  /** Ends that may be the server's own. */
  readonly #waiting = new Map<Told, () => void>();
  #recording: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: WorkerEndsOptions) {
    this.#options = options;
    this.#others = this.#fresh();
  }

  /** A worker is gone with these in it; its end is told as well, before or after. */
  lost(worker: string, { runAgain, failed }: LostRequests): void {
    const before = this.#lost.get(worker) ?? none;
    this.#lost.set(worker, { runAgain: before.runAgain + runAgain, failed: before.failed + failed });
  }

  /** Each end of a worker's process; null: it was asked for, or the worker had never been ready, and nothing is told. */
  ended(worker: string, end: WorkerEnd | null): void {
    if (this.#isClosed) return;
    // Those that it had come back in the same turn, by its link.
    this.#options.clock.after(0, () => {
      const lost = this.#lost.get(worker) ?? none;
      this.#lost.delete(worker);
      if (end !== null && !this.#isClosed) this.#wait({ ...end, ...lost });
    });
  }

  /** The server ends, and its workers with it. What was counted is told. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const cancel of this.#waiting.values()) cancel();
    for (const { untold } of [...this.#variants.values(), this.#others]) {
      if (untold === null) continue;
      untold.cancel();
      this.#record(untold.end, untold.others);
    }
    await this.#recording;
  }

  #wait(end: Told): void {
    if (!serverEnds.has(end.signal)) return this.#tell(end);
    const cancel = this.#options.clock.after(serverEndsMs, () => {
      this.#waiting.delete(end);
      this.#tell(end);
    });
    this.#waiting.set(end, cancel);
  }

  #tell(end: Told): void {
    const { clock } = this.#options;
    const variant = this.#variantOf(end);
    if (variant.untold !== null) {
      variant.untold = { ...variant.untold, end, others: variant.untold.others + 1 };
    } else if (takeOne(variant.allowance, bounds, clock.nowMs())) {
      this.#record(end, 0);
    } else {
      const cancel = clock.after(tellAfterMs, () => {
        const { untold } = variant;
        variant.untold = null;
        variant.allowance.left = 0;
        variant.allowance.atMs = clock.nowMs();
        if (untold !== null) this.#record(untold.end, untold.others);
      });
      variant.untold = { end, others: 0, cancel };
    }
  }

  #variantOf({ endpoint, variant }: WorkerEnd): Variant {
    const key = `${endpoint}/${variant}`.toLowerCase();
    const known = this.#variants.get(key);
    if (known !== undefined) return known;
    if (this.#variants.size >= variantsMax) {
      const spent = this.#variants.entries().find(([, each]) => this.#isLikeFresh(each));
      if (spent === undefined) return this.#others;
      this.#variants.delete(spent[0]);
    }
    const fresh = this.#fresh();
    this.#variants.set(key, fresh);
    return fresh;
  }

  #fresh(): Variant {
    return { allowance: { left: bounds.burst, atMs: this.#options.clock.nowMs() }, untold: null };
  }

  /** Nothing is lost with it: no end that was counted, and it has no more told than it may if it comes back. */
  #isLikeFresh({ allowance, untold }: Variant): boolean {
    return untold === null && isWhole(allowance, bounds, this.#options.clock.nowMs());
  }

  #record({ endpoint, runAgain, failed, reason, restartMs, ...end }: Told, others: number): void {
    const requests = { requests: runAgain + failed, requestsRunAgain: runAgain, requestsFailed: failed };
    const detail = { reason, ...(others === 0 ? {} : { othersBefore: others }), ...requests, restartMs, ...end };
    this.#recording = this.#recording
      .then(() => this.#options.events.recordAndPublish({ kind, subject: endpoint, detail }))
      .catch(this.#options.onFailure);
  }
}
