/**
 * Records rejected calls in the audit log, rate-limited: a rejection costs the server more than the client. Each caller and address, and
 * all together, have a burst and a rate per minute. Further rejections are counted and summarized in one record a minute.
 */
import type { Clock } from '../clock.ts';
import type { Audit, AuditEntry } from './audit.ts';
import { currentOrigin, withoutOrigin } from './origin.ts';
import { type TokenBucket, takeToken } from './token-bucket.ts';

const perCaller = { burst: 60, perMinute: 6 };
const overall = { burst: 240, perMinute: 24 };
/** Callers with their own limit; beyond, the oldest is dropped. */
const callersMax = 1000;
/** Distinct kinds of rejections in a summary. */
const kindsMax = 20;
const summarizeAfterMs = 60_000;

/** Caller without a known key. */
export const unknownCaller = 'unknown';

/** The key id that a header claims, whether or not its secret was valid; never the secret. */
export function claimedKey(authorization: string | undefined): { readonly claimed?: string } {
  const claimed = /^bearer +([\w-]{1,64}):/i.exec(authorization ?? '')?.[1];
  return claimed === undefined ? {} : { claimed };
}

interface Counted extends Pick<AuditEntry, 'who' | 'action' | 'outcome'> {
  readonly from: string;
  count: number;
}

/** Where rejections are recorded. */
export interface RejectionAuditOptions {
  readonly audit: Pick<Audit, 'recordRefused'>;
  readonly clock: Clock;
  /** A record could not be written. */
  readonly onFailure: (error: unknown) => void;
}

/** Never fails the rejected call: what cannot be recorded is reported to `onFailure`. */
export class RejectionAudit {
  readonly #options: RejectionAuditOptions;
  readonly #callers = new Map<string, TokenBucket>();
  readonly #all: TokenBucket;
  readonly #counted = new Map<string, Counted>();
  #others = 0;
  #cancelReport: (() => void) | null = null;

  constructor(options: RejectionAuditOptions) {
    this.#options = options;
    this.#all = { tokens: overall.burst, atMs: options.clock.nowMs() };
  }

  /** Resolves once recorded or counted. Never rejects: the response to the caller must not depend on it. */
  async record(entry: AuditEntry): Promise<void> {
    const from = currentOrigin()?.remoteAddress ?? '';
    if (this.#canRecord(`${entry.who} ${from}`)) await this.#write(entry);
    else this.#count(entry, from);
  }

  /** Writes the pending summary. */
  async close(): Promise<void> {
    this.#cancelReport?.();
    await this.#summarize();
  }

  #canRecord(caller: string): boolean {
    const nowMs = this.#options.clock.nowMs();
    let own = this.#callers.get(caller);
    if (own === undefined) {
      if (this.#callers.size >= callersMax) this.#callers.delete(this.#callers.keys().next().value as string);
      own = { tokens: perCaller.burst, atMs: nowMs };
      this.#callers.set(caller, own);
    }
    return takeToken(own, perCaller, nowMs) && takeToken(this.#all, overall, nowMs);
  }

  #count({ who, action, outcome }: AuditEntry, from: string): void {
    const kind = JSON.stringify([who, from, action, outcome]);
    const counted = this.#counted.get(kind);
    if (counted !== undefined) counted.count++;
    else if (this.#counted.size < kindsMax) this.#counted.set(kind, { who, from, action, outcome, count: 1 });
    else this.#others++;
    this.#cancelReport ??= this.#options.clock.after(summarizeAfterMs, () => void this.#summarize());
  }

  async #summarize(): Promise<void> {
    this.#cancelReport = null;
    const rejected = [...this.#counted.values()].sort((one, other) => other.count - one.count);
    const others = this.#others;
    this.#counted.clear();
    this.#others = 0;
    const [most] = rejected;
    if (most === undefined) return;
    const count = rejected.reduce((sum, each) => sum + each.count, others);
    const message = `${count} more rejected calls are not recorded individually`;
    const entry = {
      who: 'penstock',
      action: 'RejectedCalls',
      target: '',
      outcome: most.outcome,
      detail: { message, count, rejected, others },
    };
    // A rejected call started this timer, but the summary is not its action.
    await withoutOrigin(() => this.#write(entry));
  }

  async #write(entry: AuditEntry): Promise<void> {
    try {
      await this.#options.audit.recordRefused(entry);
    } catch (error) {
      this.#options.onFailure(error);
    }
  }
}
