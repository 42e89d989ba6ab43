/**
 * What the home does with a set of hosts, in a row: which host it empties, and which change it has sent to the engine. Only the present home
 * writes it.
 */
import { asController, type ControllerTerm } from '../../cluster/index.ts';
import type { Decisions, Events, NewEvent } from '../../records/index.ts';
import type { Database, Transaction } from '../../storage/index.ts';
import type { HostSetChange } from './host-set.ts';
import { type DecidedHostSet, type HostSetInputs, hostSetDecision } from './host-set-decisions.ts';

/** A change that was sent to the engine, or was about to be, and of which it is not known whether it was made. */
export interface SentChange extends HostSetChange {
  readonly reason: string;
  /** Null: an earlier version of Penstock sent it. */
  readonly inputs: HostSetInputs | null;
}

export interface HostSetRow {
  /** The ordinal of the host that is emptied; null without one. */
  readonly draining: number | null;
  readonly sent: SentChange | null;
}

interface HostSetRowsDeps {
  readonly db: Database;
  readonly events: Pick<Events, 'record' | 'publish'>;
  readonly decisions: Pick<Decisions, 'recordIn'>;
}

/** All that writes throws `Deposed` if another node is the home by now. */
export class HostSetRows {
  readonly #deps: HostSetRowsDeps;
  readonly #name: string;

  constructor(deps: HostSetRowsDeps, name: string) {
    this.#deps = deps;
    this.#name = name;
  }

  async read(): Promise<HostSetRow> {
    const row = await this.#deps.db.selectFrom('cluster_host_sets').selectAll().where('name', '=', this.#name).executeTakeFirst();
    if (row === undefined) return { draining: null, sent: null };
    const { draining, hosts, version, epoch, reason, inputs } = row;
    if (hosts === null || version === null) return { draining, sent: null };
    const decided = inputs === null ? null : (JSON.parse(inputs) as HostSetInputs);
    return { draining, sent: { hosts, version, epoch: Number(epoch), reason: reason ?? '', inputs: decided } };
  }

  /** `decided`: why the host is emptied, or is not any more. Null: it has ended. */
  async setDraining(term: ControllerTerm, draining: number | null, decided: DecidedHostSet | null): Promise<void> {
    await this.#write(term, { draining }, async (tx) => {
      if (decided !== null) await this.#deps.decisions.recordIn(tx, hostSetDecision(decided));
    });
  }

  /** Before the engine is asked: the next home finds what may still arrive there. */
  async sending(term: ControllerTerm, { hosts, version, epoch, reason, inputs }: SentChange): Promise<void> {
    await this.#write(term, { hosts, version, epoch, reason, inputs: inputs === null ? null : JSON.stringify(inputs) });
  }

  /** `made`: null if the change was not made. Otherwise it is recorded as a decision and as `event`. */
  async settled(term: ControllerTerm, made: { readonly change: SentChange; readonly event: NewEvent } | null): Promise<void> {
    const { events, decisions } = this.#deps;
    const recorded = await this.#write(term, { hosts: null, version: null, epoch: null, reason: null, inputs: null }, async (tx) => {
      if (made === null) return null;
      const { inputs, hosts, reason } = made.change;
      if (inputs !== null) {
        const chosen = { action: 'scale', hosts, host: null } as const;
        await decisions.recordIn(tx, hostSetDecision({ inputs, chosen, reason }));
      }
      return events.record(tx, made.event);
    });
    if (recorded !== null) events.publish(recorded);
  }

  #write<T = void>(
    term: ControllerTerm,
    values: Readonly<Record<string, number | string | null>>,
    record: (tx: Transaction) => Promise<T> = async () => undefined as T,
  ): Promise<T> {
    const name = this.#name;
    return asController(this.#deps.db, term, async (tx) => {
      await tx
        .insertInto('cluster_host_sets')
        .values({ name, ...values })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
        .execute();
      return record(tx);
    });
  }
}
