/**
 * Looks at every serverless variant each second and, where it is due, has its setting (memory, batch size, wait) chosen
 * anew in a thread, keeps what was chosen and why, and hands it to serving. At the end of a period it adds what was
 * measured, so that every prediction meets its truth.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import type { FunctionPrices } from '../costs/index.ts';
import { messageOf } from '../errors.ts';
import type { Decision, Decisions, Effect, Events, Log } from '../monitoring/index.ts';
import type { FunctionProfile } from '../profiling/index.ts';
import type { Prediction } from '../queueing/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { FunctionVariant } from '../serving/index.ts';
import {
  type BatchingAlternative,
  type BatchingEffect,
  type BatchingInputs,
  type BatchingSetting,
  type BatchingWish,
  effectOf,
} from './batching-decision.ts';
import type { Chooser } from './chooser.ts';
import { coldStartOf, decisionOf, orderFor, wishOf } from './decide.ts';
import { type BatchTrigger, dueFor } from './due.ts';
import type { LiveTable } from './service-now.ts';

export interface BatchControllerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly decisions: Pick<Decisions, 'record' | 'latest' | 'fillEffect'>;
  readonly events: Pick<Events, 'recordAndPublish'>;
  readonly chooser: Pick<Chooser, 'choose'>;
  /** Every serverless variant that is served now. */
  readonly variants: () => readonly FunctionVariant[];
  /** What is known of its service times by memory size; empty while nothing is. */
  readonly profilesOf: (version: ModelVersion) => Promise<readonly FunctionProfile[]>;
  /** Its service times in one memory size, as they are seen at work. */
  readonly tableOf: (version: ModelVersion, memoryMiB: number) => LiveTable['table'];
  readonly prices: FunctionPrices;
  /** 10 000 to 60 000. */
  readonly periodMs: number;
}

const lookEveryMs = 1000;
/** After something went wrong it is tried again so much later. */
const retryAfterMs = 10_000;
/** Profiles of several memory sizes are measured one after the other: one decision for all of them. */
const profilesSettleMs = 5000;

export class BatchController {
  readonly #options: BatchControllerOptions;
  /** By endpoint, variant and model. */
  readonly #watched = new Map<string, Watched>();
  #stopLooking: () => void = () => undefined;
  #isClosed = false;

  constructor(options: BatchControllerOptions) {
    this.#options = options;
  }

  open(): void {
    this.#lookLater();
  }

  /** Settings stay as they are; what is known by now of the last decisions is kept. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopLooking();
    await Promise.all([...this.#watched.values()].map((watched) => this.#end(watched)));
    this.#watched.clear();
  }

  /** Has every variant of an endpoint decided anew at the next look; false where it has none that is serverless. */
  ask(endpoint: string): boolean {
    this.#look();
    const asked = this.#of(endpoint);
    for (const watched of asked) watched.isAsked = true;
    this.#look();
    return asked.length > 0;
  }

  /** Service times of a version were measured. */
  profileMeasured(group: string, version: number): void {
    for (const watched of this.#watched.values()) {
      const { model } = watched.variant;
      if (model.version === version && model.group.toLowerCase() === group.toLowerCase())
        watched.profiledAtMs = this.#options.clock.nowMs();
    }
  }

  /** Why the objective of an endpoint cannot be kept; null where it can, as far as is known. */
  reasonOf(endpoint: string): string | null {
    const decided = this.#of(endpoint).filter(({ wish, variant }) => isDeepStrictEqual(wish, wishOf(variant)));
    const reasons = decided.flatMap(({ former }) => (former === null || former.feasible ? [] : [former.reason]));
    return reasons.length === 0 ? null : reasons.join('; ');
  }

  /** The decision in force of a variant; null before the first. */
  standing(endpoint: string, variant: string): Standing | null {
    const watched = this.#of(endpoint).find((other) => other.variant.variant.toLowerCase() === variant.toLowerCase());
    if (watched === undefined || watched.former === null) return null;
    const { id, predicted, feasible, reason } = watched.former;
    return { decisionId: id, predicted, feasible, reason, measured: effectNow(watched)?.effect ?? watched.lastEffect };
  }

  #of(endpoint: string): Watched[] {
    return [...this.#watched.values()].filter(({ variant }) => variant.endpoint.toLowerCase() === endpoint.toLowerCase());
  }

  #lookLater(): void {
    this.#stopLooking = this.#options.clock.after(lookEveryMs, () => {
      this.#look();
      if (!this.#isClosed) this.#lookLater();
    });
  }

  #look(): void {
    if (this.#isClosed) return;
    const seen = new Set<string>();
    for (const variant of this.#options.variants()) {
      const key = `${variant.endpoint}/${variant.variant}/${variant.model.name}`.toLowerCase();
      seen.add(key);
      let watched = this.#watched.get(key);
      if (watched === undefined || isAnother(variant, watched)) {
        watched = newlyWatched(variant, watched?.isFeasible);
        this.#watched.set(key, watched);
      }
      watched.variant = variant;
      this.#decideIfDue(watched);
    }
    for (const [key, watched] of this.#watched) {
      if (seen.has(key)) continue;
      this.#watched.delete(key);
      void this.#end(watched);
    }
  }

  #decideIfDue(watched: Watched): void {
    const nowMs = this.#options.clock.nowMs();
    if (watched.isBusy || nowMs < watched.retryAtMs) return;
    watched.hasAlarm ||= watched.variant.takeAlarm();
    const arrivalsMs = watched.variant.arrivalsMs();
    const trigger = dueFor({
      nowMs,
      decidedAtMs: watched.decidedAtMs,
      isReconfigured: !isDeepStrictEqual(watched.wish, wishOf(watched.variant)),
      isProfiled: watched.profiledAtMs !== null && nowMs - watched.profiledAtMs >= profilesSettleMs,
      hasAlarm: watched.hasAlarm,
      isAsked: watched.isAsked,
      lastArrivalMs: arrivalsMs.at(-1) ?? null,
      arrivals: arrivalsMs.length,
      arrivalsThen: watched.arrivalsThen,
      periodMs: this.#options.periodMs,
    });
    if (trigger === null) return;
    watched.isBusy = true;
    void this.#decide(watched, trigger, arrivalsMs)
      .catch((error: unknown) => this.#failed(watched, trigger, error))
      .finally(() => {
        watched.isBusy = false;
      });
  }

  async #decide(watched: Watched, trigger: BatchTrigger, arrivalsMs: Float64Array): Promise<void> {
    const { clock, profilesOf, tableOf, prices, chooser, decisions } = this.#options;
    if (watched.decidedAtMs === null && (await this.#resume(watched))) return;
    const { variant } = watched;
    const wish = wishOf(variant);
    const startedAtMs = clock.nowMs();
    const profiles = await profilesOf(variant.model);
    const order = orderFor({
      wish,
      profiles,
      prices,
      live: { memoryMiB: variant.setting.memoryMiB, table: tableOf(variant.model, variant.setting.memoryMiB) },
      marginMs: variant.marginMs,
      arrivals: { kind: 'seen', timesMs: arrivalsMs },
      coldStart: coldStartOf(variant.config, arrivalsMs, profiles),
      current: watched.former?.setting ?? null,
      mayKeep: isDeepStrictEqual(watched.wish, wish),
      inForce: variant.setting,
    });
    if (order === null) return; // looked at again each second until something is measured
    const choice = await chooser.choose(order);
    if (this.#isGone(watched) || !isDeepStrictEqual(wish, wishOf(watched.variant))) return;
    const { endpoint, variant: name } = variant;
    const decision = decisionOf(choice, order, { endpoint, variant: name, trigger, wish, profiles, former: watched.former });
    const ended = effectNow(watched);
    const made = await decisions.record(decision, ended);
    if (made === null || this.#isGone(watched)) return;
    watched.lastEffect = ended?.effect ?? watched.lastEffect;
    Object.assign(watched, { decidedAtMs: startedAtMs, wish, arrivalsThen: arrivalsMs.length, isAsked: false, hasAlarm: false });
    if ((watched.profiledAtMs ?? 0) <= startedAtMs) watched.profiledAtMs = null;
    this.#adopt(watched, made, choice.feasible);
  }

  /** After a restart of the server, or of the endpoint: what was decided last for the same wish holds at once. */
  async #resume(watched: Watched): Promise<boolean> {
    const { variant } = watched;
    const last = await this.#options.decisions.latest(variant.endpoint, variant.variant, 'batching');
    const wish = wishOf(variant);
    // As it was stored, so that a field that is not there is one that is undefined.
    if (last === null || !isDeepStrictEqual((last.inputs as BatchingInputs).wish, JSON.parse(JSON.stringify(wish)))) return false;
    Object.assign(watched, { decidedAtMs: this.#options.clock.nowMs(), wish, lastEffect: last.effect });
    watched.isFeasible = chosenOf(last)?.feasible ?? false; // as it was told when it was decided
    this.#adopt(watched, last, watched.isFeasible);
    return true;
  }

  #adopt(watched: Watched, made: Decision, feasible: boolean): void {
    const setting = made.chosen as BatchingSetting;
    const before = watched.isFeasible;
    watched.isFeasible = feasible;
    const predicted = chosenOf(made)?.predicted ?? null;
    watched.former = { id: made.id, setting, predicted, feasible, reason: made.reason, hasEffect: made.effect !== null };
    watched.variant.apply({ ...setting, decisionId: made.id });
    const { endpoint, variant } = made;
    if (made.changes)
      this.#options.log.info({ endpoint, variant, ...setting, trigger: made.trigger, reason: made.reason }, 'a setting was chosen');
    if (before === feasible) return;
    const kind = feasible ? 'endpoint.objective-reachable' : 'endpoint.objective-unreachable';
    void this.#options.events
      .recordAndPublish({ kind, subject: endpoint, detail: { variant, decision: made.id, reason: made.reason } })
      .catch((error: unknown) => this.#options.log.error({ endpoint, error: messageOf(error) }, 'an event could not be recorded'));
  }

  /** Nothing changes, and it is tried again later. */
  #failed(watched: Watched, trigger: BatchTrigger, error: unknown): void {
    if (this.#isGone(watched)) return;
    watched.retryAtMs = this.#options.clock.nowMs() + retryAfterMs;
    const { endpoint, variant } = watched.variant;
    this.#options.log.warn({ endpoint, variant, trigger, error: messageOf(error) }, 'no setting could be chosen: the old one stays');
  }

  /** The last decision of a variant that is served no more gets its effect. */
  async #end(watched: Watched): Promise<void> {
    const ended = effectNow(watched);
    if (ended === null) return;
    try {
      await this.#options.decisions.fillEffect(ended);
    } catch (error) {
      this.#options.log.warn({ decision: ended.id, error: messageOf(error) }, 'what came of a decision could not be kept');
    }
  }

  #isGone(watched: Watched): boolean {
    return this.#isClosed || ![...this.#watched.values()].includes(watched);
  }
}

/** How a variant stands with its last decision. */
export interface Standing {
  readonly decisionId: string;
  readonly predicted: Prediction | null;
  /** Of the requests served under it so far; while there are none, under the one before. */
  readonly measured: BatchingEffect | null;
  readonly feasible: boolean;
  readonly reason: string;
}

interface Watched {
  variant: FunctionVariant;
  /** What was decided for; null before the first time. */
  wish: BatchingWish | null;
  decidedAtMs: number | null;
  former: Former | null;
  /** Whether the objective could be kept, as it was told last. */
  isFeasible: boolean;
  /** What came of the one before. */
  lastEffect: BatchingEffect | null;
  /** How many arrivals were known then. */
  arrivalsThen: number;
  /** When service times were measured that no decision knows yet. */
  profiledAtMs: number | null;
  isAsked: boolean;
  /** The arrivals have changed since the last decision. */
  hasAlarm: boolean;
  isBusy: boolean;
  retryAtMs: number;
}

/** The decision that is in force. */
interface Former {
  readonly id: string;
  readonly setting: BatchingSetting;
  readonly predicted: Prediction | null;
  readonly feasible: boolean;
  readonly reason: string;
  /** Whether what came of it is known already, from before a restart. */
  readonly hasEffect: boolean;
}

function newlyWatched(variant: FunctionVariant, isFeasible = true): Watched {
  const nothing = { wish: null, decidedAtMs: null, former: null, lastEffect: null, arrivalsThen: 0, profiledAtMs: null };
  return { variant, ...nothing, isFeasible, isAsked: false, hasAlarm: false, isBusy: false, retryAtMs: Number.NEGATIVE_INFINITY };
}

/** One that does not go by the decision in force: it was deleted and made again, or unloaded and loaded, between two looks. */
function isAnother(variant: FunctionVariant, { former, isBusy }: Watched): boolean {
  return former !== null && !isBusy && variant.setting.decisionId !== former.id;
}

/** What came of the decision in force, up to now; null where nobody came, or where it is known. */
function effectNow({ variant, former }: Watched): (Effect & { readonly effect: BatchingEffect }) | null {
  if (former === null || former.hasEffect || variant.setting.decisionId !== former.id) return null;
  const effect = effectOf(variant.period(), former.predicted);
  return effect === null ? null : { id: former.id, effect };
}

function chosenOf(decision: Decision): BatchingAlternative | undefined {
  return (decision.alternatives as readonly BatchingAlternative[]).find(({ label }) => label === 'chosen');
}
