/**
 * The one place where the instance count of a deployed variant changes. Whatever the cause (the scaling policy, an alarm, a metric, a
 * schedule, a user, a rollback), the decision that names it is stored in the transaction that changes the count.
 */
import type { Clock } from '../../clock.ts';
import { nameKey } from '../../names.ts';
import type { Decision, Decisions, Events, NewDecision, PlatformEvent } from '../../records/index.ts';
import { type Database, inTransaction, type Transaction } from '../../storage/index.ts';
import { type EndpointConfig, type VariantConfig, withDesiredCounts } from '../config/endpoint-config.ts';
import { desiredInstances } from '../config/scaling-config.ts';
import { lockEndpointRow } from '../endpoint-rows.ts';
import { type CountCause, countDecision, countDecisions } from './count-decision.ts';
import { readCounts, writeCount } from './scaled-rows.ts';

/** A decision of the scaling policy about a variant as it was observed. */
export interface PolicyDecision {
  readonly endpoint: string;
  readonly variant: string;
  /** The observed count. If another cause has changed it since, the decision is void. */
  readonly before: number;
  readonly count: number;
  /** Ids of the instances to remove first. */
  readonly leaving: readonly string[];
  readonly record: NewDecision;
}

/** Collaborators of `InstanceCounts`. `scale` is called after the transaction: a rolled back change starts nothing. */
export interface InstanceCountsDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly decisions: Pick<Decisions, 'recordIn'>;
  readonly events: Pick<Events, 'publish'>;
  /** Carries out a stored count. */
  readonly scale: (endpoint: string, variant: string, count: number, leaving: readonly string[]) => void;
}

/** Each change locks the endpoint's row, so causes that act at the same time are applied one after another. */
export class InstanceCounts {
  readonly #deps: InstanceCountsDeps;

  constructor(deps: InstanceCountsDeps) {
    this.#deps = deps;
  }

  /**
   * Carries out a decision of the scaling policy. Returns null, and stores nothing, if the decision is void: the variant no longer
   * scales, or its count or limits have changed since it was observed.
   */
  decided({ endpoint, variant, before, count, leaving, record }: PolicyDecision): Promise<Decision | null> {
    return this.#change(endpoint, variant, leaving, (found, now) =>
      now !== before || desiredInstances(found, count) !== count ? null : { count, record },
    );
  }

  /**
   * Sets the count of a scaling variant within its limits, for an automatic cause. Returns null if nothing changed: the variant does
   * not scale, or it has this count.
   */
  requested(endpoint: string, variant: string, requested: number, cause: CountCause): Promise<Decision | null> {
    return this.#change(endpoint, variant, [], (found, before) => {
      const count = desiredInstances(found, requested);
      return count === before ? null : { count, record: countDecision(endpoint, found, { before, count, requested }, cause) };
    });
  }

  /**
   * Records the decisions of a changed config: one for each count that differs. Both configs have their current counts. The returned
   * events must be published after the commit.
   */
  async recordChanges(tx: Transaction, before: EndpointConfig, now: EndpointConfig, cause: CountCause): Promise<PlatformEvent[]> {
    const events: PlatformEvent[] = [];
    for (const record of countDecisions(before, now, cause)) {
      const { event } = await this.#deps.decisions.recordIn(tx, record);
      if (event !== null) events.push(event);
    }
    return events;
  }

  async #change(
    endpoint: string,
    variant: string,
    leaving: readonly string[],
    decide: (found: VariantConfig, now: number) => Pick<PolicyDecision, 'count' | 'record'> | null,
  ): Promise<Decision | null> {
    const { db, clock, decisions, events, scale } = this.#deps;
    const changed = await inTransaction(db, async (tx) => {
      const stored = await lockEndpointRow(tx, endpoint);
      const found = stored?.config.variants.find((each) => nameKey(each.name) === nameKey(variant));
      if (found?.scaling === undefined) return null;
      const now = desiredInstances(found, (await readCounts(tx)).get(nameKey(endpoint))?.get(nameKey(variant)));
      const decided = decide(found, now);
      if (decided === null) return null;
      await writeCount(tx, { endpoint, variant, instances: decided.count, atMs: clock.wallMs() });
      return { ...(await decisions.recordIn(tx, decided.record)), count: decided.count };
    });
    if (changed === null) return null;
    if (changed.event !== null) events.publish(changed.event);
    scale(endpoint, variant, changed.count, leaving);
    return changed.made;
  }
}

/** The config with the current count of each scaling variant. */
export async function withCurrentCounts(tx: Transaction, config: EndpointConfig): Promise<EndpointConfig> {
  return withDesiredCounts(config, (await readCounts(tx)).get(nameKey(config.name)));
}
