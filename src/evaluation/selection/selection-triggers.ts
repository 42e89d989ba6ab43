/**
 * Chooses the plans of a selection again by itself: when its candidates change (a followed group has a new approved version that was evaluated
 * on the set, or a candidate is no longer approved), or what they were priced by (prices, profiles, the load), and every ten minutes. Checked
 * every minute; an endpoint is reviewed at most every ten.
 */
import { instanceType, type PriceTable } from '../../costs/index.ts';
import { type Deployments, type EndpointView, isUnderWay, type SelectionConfig, versionIn } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import type { MetricStore } from '../../metrics/index.ts';
import { nameKey } from '../../names.ts';
import type { Profiles } from '../../profiling/index.ts';
import type { Decision, Decisions } from '../../records/index.ts';
import type { ModelVersion, Registry } from '../../registry/index.ts';
import type { StoredAnswers } from '../stored-answers.ts';
import { unansweredReason } from './ladder-planner.ts';
import type { SelectionInputs } from './selection-decision.ts';
import { changedRate, meanRate, rowsByMinute } from './selection-load.ts';
import { SelectionLoop, type SelectionLoopOptions } from './selection-loop.ts';
import type { ConditionTrigger, SelectionReview } from './selection-review.ts';

export interface SelectionTriggersOptions extends SelectionLoopOptions {
  readonly deployments: Pick<Deployments, 'list'>;
  readonly registry: Pick<Registry, 'resolve'>;
  readonly decisions: Pick<Decisions, 'list'>;
  readonly answers: Pick<StoredAnswers, 'answered'>;
  readonly profiles: Pick<Profiles, 'get'>;
  readonly prices: PriceTable;
  readonly store: Pick<MetricStore, 'columns'>;
  readonly review: SelectionReview['review'];
}

interface Followed {
  readonly endpoint: string;
  readonly variant: string;
  readonly selection: SelectionConfig;
  /** A version that is tried: what becomes of it is decided there. */
  readonly challenger: string | null;
}

interface Due {
  readonly trigger: ConditionTrigger | 'version';
  /** Rows per second; null: as the plans were chosen by. */
  readonly ratePerSecond: number | null;
}

const lookEveryMs = 60_000;
const reviewEveryMs = 600_000;
const by = 'penstock';

/** Polls, because a change can come from several modules, and minutes do not matter. */
export class SelectionTriggers extends SelectionLoop {
  readonly #options: SelectionTriggersOptions;
  /** By endpoint: when it was reviewed last, and why. */
  readonly #reviewed = new Map<string, { readonly atMs: number; readonly trigger: Due['trigger'] }>();

  constructor(options: SelectionTriggersOptions) {
    super(options, lookEveryMs);
    this.#options = options;
  }

  /**
   * At most one review of an endpoint within `reviewEveryMs`, unless a cause follows a regular one. A failed review of one endpoint does
   * not stop the others.
   */
  async look(): Promise<void> {
    const { deployments, clock, review, onFailure } = this.#options;
    const nowMs = clock.nowMs();
    for (const [key, { atMs }] of this.#reviewed) if (nowMs - atMs >= reviewEveryMs) this.#reviewed.delete(key);
    for (const view of deployments.list()) {
      const followed = followedBy(view);
      const key = nameKey(view.config.name);
      const before = this.#reviewed.get(key)?.trigger;
      // A regular review does not delay one that has a cause.
      if (followed === null || (before !== undefined && before !== 'period')) continue;
      try {
        const due = await this.#dueFor(followed);
        if (due === null || due.trigger === before) continue;
        this.#reviewed.set(key, { atMs: nowMs, trigger: due.trigger });
        await review(followed.endpoint, due.trigger, by, due.ratePerSecond ?? undefined);
      } catch (error) {
        onFailure(followed.endpoint, error);
      }
    }
  }

  async #dueFor(followed: Followed): Promise<Due | null> {
    const [last] = await this.#options.decisions.list({ endpoint: followed.endpoint, kind: 'selection', limit: 1 });
    if (last === undefined) return null;
    if (await this.#hasChanged(followed, last)) return { trigger: 'version', ratePerSecond: null };
    const { clock, store } = this.#options;
    const wallMs = clock.wallMs();
    // Workers are replaced at most every ten minutes.
    if (wallMs - last.atMs < reviewEveryMs) return null;
    const { ratePerSecond: pricedPerSecond, price, instanceType: type, profiles } = last.inputs as SelectionInputs;
    const rows = await rowsByMinute(store, followed.endpoint, followed.variant, wallMs);
    const ratePerSecond = meanRate(rows);
    if (price !== undefined && instanceType(this.#options.prices, type).usdPerHour !== price.usdPerInstanceHour)
      return { trigger: 'prices', ratePerSecond };
    if (await this.#isMeasuredAgain(profiles, `instance:${type}`)) return { trigger: 'profile', ratePerSecond };
    const changed = changedRate(pricedPerSecond, rows);
    if (changed !== null) return { trigger: 'rate', ratePerSecond: changed };
    return ratePerSecond === null ? null : { trigger: 'period', ratePerSecond };
  }

  async #isMeasuredAgain(known: SelectionInputs['profiles'], executor: string): Promise<boolean> {
    for (const { model, measuredAtMs } of known) {
      const { group, version } = versionIn(model);
      const profile = await this.#options.profiles.get(group, version, executor);
      if (profile !== null && profile.measuredAtMs > measuredAtMs) return true;
    }
    return false;
  }

  /** Compares with the candidates of the last decision. */
  async #hasChanged({ selection: { request }, challenger }: Followed, last: Decision): Promise<boolean> {
    const { profiles, leftOut } = last.inputs as SelectionInputs;
    const versions = await this.#versionsOf(request.candidates);
    const considered = new Set(profiles.map(({ model }) => model));
    if ([...considered].some((model) => !versions.some(({ name }) => name === model))) return true;
    const answered = await this.#options.answers.answered(request.set, versions);
    const isLeftOut = (model: string): boolean =>
      leftOut.some((each) => each.model === model && each.reason !== unansweredReason(model, request.set));
    return [...answered].some((model) => !considered.has(model) && !isLeftOut(model) && model !== challenger);
  }

  async #versionsOf(candidates: readonly string[]): Promise<readonly ModelVersion[]> {
    const versions: ModelVersion[] = [];
    for (const each of candidates) {
      try {
        const version = await this.#options.registry.resolve(each);
        if (version.approval === 'Approved') versions.push(version);
      } catch (error) {
        if (!(error instanceof PlatformError)) throw error; // a group without an approved version, or one that was deleted
      }
    }
    return versions;
  }
}

/** Null for an endpoint without a selection, or while it is held or updated. */
function followedBy({ config, status, rollout }: EndpointView): Followed | null {
  const variant = config.variants.find(({ ladder }) => ladder?.selection !== undefined);
  const { selection, challenger } = variant?.ladder ?? {};
  if (variant === undefined || selection === undefined || selection.held !== undefined) return null;
  if (status !== 'InService' || isUnderWay(rollout)) return null;
  return { endpoint: config.name, variant: variant.name, selection, challenger: challenger?.model ?? null };
}
