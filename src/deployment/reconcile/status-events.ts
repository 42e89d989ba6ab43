/** Publishes an event for each change of an endpoint's status. The last published status is stored, so a restart alone publishes nothing. */
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { nameKey } from '../../names.ts';
import type { Events } from '../../records/index.ts';
import { type Database, inTransaction } from '../../storage/index.ts';
import { type AnnouncedStatus, storeAnnouncedStatus } from '../endpoint-rows.ts';
import type { DesiredEndpoint } from './desired.ts';
import { isTransitional, type StatusAndReason, statusEventKinds } from './status.ts';

interface Known {
  readonly published: AnnouncedStatus | null;
  /** True after a restart of the server until the endpoint's first status is recorded. */
  readonly isRestarting: boolean;
}

interface StatusEventsDeps {
  readonly db: Database;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly events: Events;
  readonly log: Log;
}

type Generation = Pick<DesiredEndpoint, 'config' | 'generation'>;

/** Calls must be sequential. No method throws. */
export class StatusEvents {
  readonly #deps: StatusEventsDeps;
  /** By lower-case name. */
  readonly #known = new Map<string, Known>();
  /** By lower-case name: status changes whose events could not be recorded yet. */
  readonly #unrecorded = new Map<string, () => Promise<void>>();

  constructor(deps: StatusEventsDeps) {
    this.#deps = deps;
  }

  /** Resumes an endpoint after a restart. `published` is null if no status was published, or an older server did not store it. */
  resume({ config }: Generation, published: AnnouncedStatus | null): void {
    this.#known.set(nameKey(config.name), { published, isRestarting: published !== null });
  }

  /** Records the current status and publishes it if it changed. `isServed`: requests are routed to the endpoint. */
  async update({ config, generation }: Generation, { status, reason }: StatusAndReason, isServed: boolean): Promise<void> {
    const known = this.#known.get(nameKey(config.name)) ?? { published: null, isRestarting: false };
    if (known.isRestarting && !isServed && isTransitional(status)) return;
    // Unchanged after a restart: the status is still that of before.
    const before = known.published?.status === status && known.published.generation === generation ? known.published : null;
    const now = before ?? { status, generation, atMs: this.#deps.clock.wallMs() };
    this.#known.set(nameKey(config.name), { published: now, isRestarting: false });
    this.#unrecorded.delete(nameKey(config.name)); // a newer status replaces it
    if (!isUnpublished(now, known)) return;
    const { db, events, log } = this.#deps;
    const event = { kind: statusEventKinds[status], subject: config.name, detail: { status, reason, generation } };
    try {
      const recorded = await inTransaction(db, async (tx) => {
        await storeAnnouncedStatus(tx, config.name, now);
        return events.record(tx, event);
      });
      events.publish(recorded);
    } catch (error) {
      log.error({ event, error: messageOf(error) }, 'failed to record an event, will retry');
      this.#known.set(nameKey(config.name), known);
      this.#unrecorded.set(nameKey(config.name), () => this.update({ config, generation }, { status, reason }, isServed));
    }
  }

  /** When the current status was first reported; null if unknown. */
  sinceMs(endpoint: string): number | null {
    return this.#known.get(nameKey(endpoint))?.published?.atMs ?? null;
  }

  get hasUnrecorded(): boolean {
    return this.#unrecorded.size > 0;
  }

  /** Records the events that could not be recorded before: the last one of each endpoint. */
  async recordAgain(): Promise<void> {
    const again = [...this.#unrecorded.values()];
    this.#unrecorded.clear();
    for (const record of again) await record();
  }

  /** A newly served generation need not change the status: other settings take effect immediately. */
  async served({ config: { name }, generation }: Generation): Promise<void> {
    const { published = null, isRestarting = false } = this.#known.get(nameKey(name)) ?? {};
    if (published === null || isRestarting || published.generation === generation) return;
    const now = { ...published, generation };
    this.#known.set(nameKey(name), { published: now, isRestarting });
    try {
      await inTransaction(this.#deps.db, (tx) => storeAnnouncedStatus(tx, name, now));
    } catch (error) {
      // Its status will be published once more after the next restart.
      this.#deps.log.warn({ endpoint: name, error: messageOf(error) }, "failed to store an endpoint's last reported status");
    }
  }

  discard(endpoint: string): void {
    this.#unrecorded.delete(nameKey(endpoint));
    this.#known.delete(nameKey(endpoint));
  }
}

/** True if the status changed, or after a restart if its generation did: the previous server published no event for that one. */
function isUnpublished({ status, generation }: AnnouncedStatus, { published, isRestarting }: Known): boolean {
  return published?.status !== status || (isRestarting && published.generation !== generation);
}
