/**
 * What was asked for and refused, as the audit tells of it. Who is refused costs us more than it costs him, so there are bounds: of one
 * caller from one address, and of all, so many are recorded at once and so many each minute from then on. The others are counted, and told
 * in one record a minute, which says who they were.
 */
import type { Clock } from '../../clock.ts';
import { type Allowance, takeOne } from './allowance.ts';
import type { Audit, AuditEntry } from './audit.ts';
import { originNow, withoutOrigin } from './origin.ts';

const ofOne = { burst: 60, perMinute: 6 };
const ofAll = { burst: 240, perMinute: 24 };
/** Callers that are told apart; of more, those that were met first are forgotten. */
const callersMax = 1000;
/** Kinds of refusals that a count tells apart. */
const kindsMax = 20;
const tellAfterMs = 60_000;

/** Whoever shows no key that is known. */
export const unknownCaller = 'unknown';

/** The id of the key that a header names, whatever was shown with it; never what was shown. */
export function claimedKey(authorization: string | undefined): { readonly claimed?: string } {
  const claimed = /^bearer +([\w-]{1,64}):/i.exec(authorization ?? '')?.[1];
  return claimed === undefined ? {} : { claimed };
}

interface Counted extends Pick<AuditEntry, 'who' | 'action' | 'outcome'> {
  readonly from: string;
  count: number;
}

export interface RefusalsOptions {
  readonly audit: Pick<Audit, 'recordRefused'>;
  readonly clock: Clock;
  /** One could not be recorded. */
  readonly onFailure: (error: unknown) => void;
}

export class Refusals {
  readonly #options: RefusalsOptions;
  readonly #callers = new Map<string, Allowance>();
  readonly #all: Allowance;
  readonly #counted = new Map<string, Counted>();
  #others = 0;
  #cancelTelling: (() => void) | null = null;

  constructor(options: RefusalsOptions) {
    this.#options = options;
    this.#all = { left: ofAll.burst, atMs: options.clock.nowMs() };
  }

  /** Resolves once it is recorded, or counted. Never rejects: the caller is told of his refusal whatever becomes of its record. */
  async record(entry: AuditEntry): Promise<void> {
    const from = originNow()?.remoteAddress ?? '';
    if (this.#hasRoom(`${entry.who} ${from}`)) await this.#write(entry);
    else this.#count(entry, from);
  }

  /** Tells what was counted and not told yet. */
  async close(): Promise<void> {
    this.#cancelTelling?.();
    await this.#tell();
  }

  #hasRoom(caller: string): boolean {
    const nowMs = this.#options.clock.nowMs();
    let own = this.#callers.get(caller);
    if (own === undefined) {
      if (this.#callers.size >= callersMax) this.#callers.delete(this.#callers.keys().next().value as string);
      own = { left: ofOne.burst, atMs: nowMs };
      this.#callers.set(caller, own);
    }
    return takeOne(own, ofOne, nowMs) && takeOne(this.#all, ofAll, nowMs);
  }

  #count({ who, action, outcome }: AuditEntry, from: string): void {
    const kind = JSON.stringify([who, from, action, outcome]);
    const counted = this.#counted.get(kind);
    if (counted !== undefined) counted.count++;
    else if (this.#counted.size < kindsMax) this.#counted.set(kind, { who, from, action, outcome, count: 1 });
    else this.#others++;
    this.#cancelTelling ??= this.#options.clock.after(tellAfterMs, () => void this.#tell());
  }

  async #tell(): Promise<void> {
    this.#cancelTelling = null;
    const refused = [...this.#counted.values()].sort((one, other) => other.count - one.count);
    const others = this.#others;
    this.#counted.clear();
    this.#others = 0;
    const [most] = refused;
    if (most === undefined) return;
    const count = refused.reduce((sum, each) => sum + each.count, others);
    const message = `${count} more calls were refused than are recorded one by one`;
    const entry = {
      who: 'penstock',
      action: 'RefusedCalls',
      target: '',
      outcome: most.outcome,
      detail: { message, count, refused, others },
    };
    // It is told on the timer that one of the refused calls has set, but it is not his deed.
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
