/**
 * What the home does with a set of hosts, in a row: which host it empties, and which change it has sent to the engine. Only the present home
 * writes it.
 */
import { asController, type ControllerTerm } from '../../cluster/index.ts';
import type { Events, NewEvent } from '../../records/index.ts';
import type { Database } from '../../storage/index.ts';
import type { HostSetChange } from './host-set.ts';

/** A change that was sent to the engine, or was about to be, and of which it is not known whether it was made. */
export interface SentChange extends HostSetChange {
  readonly reason: string;
}

export interface HostSetRow {
  /** The ordinal of the host that is emptied; null without one. */
  readonly draining: number | null;
  readonly sent: SentChange | null;
}

interface HostSetRowsDeps {
  readonly db: Database;
  readonly events: Pick<Events, 'record' | 'publish'>;
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
    const { draining, hosts, version, epoch, reason } = row;
    return { draining, sent: hosts === null || version === null ? null : { hosts, version, epoch: Number(epoch), reason: reason ?? '' } };
  }

  async setDraining(term: ControllerTerm, draining: number | null): Promise<void> {
    await this.#write(term, { draining });
  }

  /** Before the engine is asked: the next home finds what may still arrive there. */
  async sending(term: ControllerTerm, { hosts, version, epoch, reason }: SentChange): Promise<void> {
    await this.#write(term, { hosts, version, epoch, reason });
  }

  /** `event`: that the change was made. */
  async settled(term: ControllerTerm, event: NewEvent | null): Promise<void> {
    await this.#write(term, { hosts: null, version: null, epoch: null, reason: null }, event);
  }

  async #write(
    term: ControllerTerm,
    values: Readonly<Record<string, number | string | null>>,
    event: NewEvent | null = null,
  ): Promise<void> {
    const { db, events } = this.#deps;
    const name = this.#name;
    const recorded = await asController(db, term, async (tx) => {
      await tx
        .insertInto('cluster_host_sets')
        .values({ name, ...values })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
        .execute();
      return event === null ? null : events.record(tx, event);
    });
    if (recorded !== null) events.publish(recorded);
  }
}
