/** Each change of an endpoint's status is told as an event, once: what was told last stands in its row, so that a restart is none by itself. */
import { messageOf } from '../errors.ts';
import type { Events, Log } from '../monitoring/index.ts';
import { keyOf } from '../registry/index.ts';
import { type Database, inTransaction } from '../storage/index.ts';
import type { DesiredEndpoint } from './desired.ts';
import { type ToldStatus, updateTold } from './endpoint-rows.ts';
import { eventKinds, isOnTheWay, type StatusAndReason } from './status.ts';

interface Known {
  readonly told: ToldStatus | null;
  /** The server was started again, and nothing has come of this endpoint since. */
  readonly isComingUp: boolean;
}

type Generation = Pick<DesiredEndpoint, 'config' | 'generation'>;

/** Its calls are to come one after the other. None throws. */
export class ToldStatuses {
  readonly #needs: { readonly db: Database; readonly events: Events; readonly log: Log };
  /** By lower-case name. */
  readonly #known = new Map<string, Known>();

  constructor(needs: { readonly db: Database; readonly events: Events; readonly log: Log }) {
    this.#needs = needs;
  }

  /** An endpoint of the server before, with what that one told of it last; null where it told nothing, or was too old to keep it. */
  takeUp({ config }: Generation, told: ToldStatus | null): void {
    this.#known.set(keyOf(config.name), { told, isComingUp: told !== null });
  }

  /** It has this status now. Whether it serves: has done so since the server's start. */
  async tell({ config, generation }: Generation, { status, reason }: StatusAndReason, serves: boolean): Promise<void> {
    const known = this.#known.get(keyOf(config.name)) ?? { told: null, isComingUp: false };
    if (known.isComingUp && !serves && isOnTheWay(status)) return;
    const now = { status, generation };
    this.#known.set(keyOf(config.name), { told: now, isComingUp: false });
    if (!isNews(now, known)) return;
    const { db, events, log } = this.#needs;
    const event = { kind: eventKinds[status], subject: config.name, detail: { status, reason, generation } };
    try {
      const recorded = await inTransaction(db, async (tx) => {
        await updateTold(tx, config.name, now);
        return events.record(tx, event);
      });
      events.publish(recorded);
    } catch (error) {
      log.error({ event, error: messageOf(error) }, 'an event could not be recorded');
    }
  }

  /** What is served anew need not be another status: other settings are at once. */
  async served({ config: { name }, generation }: Generation): Promise<void> {
    const { told = null, isComingUp = false } = this.#known.get(keyOf(name)) ?? {};
    if (told === null || isComingUp || told.generation === generation) return;
    const now = { ...told, generation };
    this.#known.set(keyOf(name), { told: now, isComingUp });
    try {
      await inTransaction(this.#needs.db, (tx) => updateTold(tx, name, now));
    } catch (error) {
      // After a restart its status is told once more.
      this.#needs.log.warn({ endpoint: name, error: messageOf(error) }, 'it could not be kept what was told of an endpoint');
    }
  }

  forget(endpoint: string): void {
    this.#known.delete(keyOf(endpoint));
  }
}

/** After a restart also where the status is the same, but of a change of which the server before could tell nothing any more. */
function isNews({ status, generation }: ToldStatus, { told, isComingUp }: Known): boolean {
  return told?.status !== status || (isComingUp && told.generation !== generation);
}
