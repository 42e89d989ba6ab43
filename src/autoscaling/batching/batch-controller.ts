/**
 * Polls every serverless variant each second. If a decision is due, a thread chooses memory, batch size and wait; the controller
 * stores the decision with its reason and passes the setting to serving. At the end of a period the controller adds measurements
 * to the decision, so predictions can be compared with outcomes.
 */

import { isDeepStrictEqual } from 'node:util';
import { type Clock, every } from '../../clock.ts';
import type { FunctionPrices } from '../../costs/index.ts';
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { sameName } from '../../names.ts';
import type { FunctionProfile } from '../../profiling/index.ts';
import type { SettingPrediction } from '../../queueing/index.ts';
import type { Decision, Decisions, Effect, Events } from '../../records/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import type { FunctionVariant } from '../../serving/index.ts';
import {
  type BatchingAlternative,
  type BatchingEffect,
  type BatchingInputs,
  type BatchingQuery,
  type BatchingSetting,
  effectOf,
} from './batching-decision.ts';
import type { Chooser } from './chooser.ts';
import { batchingDecisionOf, batchingQueryOf, choiceRequestFor, coldStartOf } from './decide.ts';
import { type BatchTrigger, dueTrigger } from './due.ts';
import { correctionOf } from './prediction-correction.ts';
import type { LiveTable } from './service-now.ts';

/** Collaborators of the controller. `variants` is called at each poll, so new variants need no registration. */
export interface BatchControllerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly decisions: Pick<Decisions, 'record' | 'latest' | 'fillEffect'>;
  readonly events: Pick<Events, 'recordAndPublish'>;
  readonly chooser: Pick<Chooser, 'choose'>;
  /** All serverless variants that are currently served. */
  readonly variants: () => readonly FunctionVariant[];
  /** Measured service times by memory size; empty if nothing has been measured. */
  readonly profilesOf: (version: ModelVersion) => Promise<readonly FunctionProfile[]>;
  /** Service times observed in production for one memory size. */
  readonly tableOf: (version: ModelVersion, memoryMiB: number) => LiveTable['table'];
  readonly prices: FunctionPrices;
  /** Length of a decision period in milliseconds: 10 000 to 60 000. */
  readonly periodMs: number;
}

const pollEveryMs = 1000;
/** Delay before a retry after a failure. */
const retryAfterMs = 10_000;
/**
 * Delay of a decision after a measurement. The profiles of several memory sizes are measured in sequence, and one decision covers
 * them all.
 */
const profilesSettleMs = 5000;

/** Choices are made in a thread, so polling goes on meanwhile. */
export class BatchController {
  readonly #options: BatchControllerOptions;
  /** State by endpoint, variant and model. */
  readonly #watched = new Map<string, Watched>();
  #cancelPoll: () => void = () => undefined;
  #isClosed = false;

  constructor(options: BatchControllerOptions) {
    this.#options = options;
  }

  open(): void {
    this.#cancelPoll = every(this.#options.clock, pollEveryMs, () => this.#poll());
  }

  /** Stops polling. Settings stay in force; the effects measured so far are stored. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelPoll();
    await Promise.all([...this.#watched.values()].map((watched) => this.#end(watched)));
    this.#watched.clear();
  }

  /** Requests a decision for every variant of an endpoint at the next poll. Returns false if none is serverless. */
  requestDecision(endpoint: string): boolean {
    this.#poll();
    const requested = this.#of(endpoint);
    for (const watched of requested) watched.isRequested = true;
    this.#poll();
    return requested.length > 0;
  }

  /** Called after service times of a version were measured. */
  profileMeasured(group: string, version: number): void {
    for (const watched of this.#watched.values()) {
      const { model } = watched.variant;
      if (model.version === version && sameName(model.group, group)) watched.profiledAtMs = this.#options.clock.nowMs();
    }
  }

  /** Why the objective of an endpoint cannot be met; null if no reason is known. */
  reasonOf(endpoint: string): string | null {
    const decided = this.#of(endpoint).filter(({ query, variant }) => isDeepStrictEqual(query, batchingQueryOf(variant)));
    const reasons = decided.flatMap(({ previous }) => (previous === null || previous.feasible ? [] : [previous.reason]));
    return reasons.length === 0 ? null : reasons.join('; ');
  }

  /** The current decision of a variant; null before the first one. */
  decisionStatus(endpoint: string, variant: string): DecisionStatus | null {
    const watched = this.#of(endpoint).find((other) => sameName(other.variant.variant, variant));
    if (watched === undefined || watched.previous === null) return null;
    const { id, predicted, feasible, reason, correction } = watched.previous;
    return { decisionId: id, predicted, feasible, reason, correction, measured: effectNow(watched)?.effect ?? watched.lastEffect };
  }

  #of(endpoint: string): Watched[] {
    return [...this.#watched.values()].filter(({ variant }) => sameName(variant.endpoint, endpoint));
  }

  #poll(): void {
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
    watched.hasAlarm ||= watched.variant.consumeAlarm();
    const arrivalsMs = watched.variant.arrivalsMs();
    const trigger = dueTrigger({
      nowMs,
      decidedAtMs: watched.decidedAtMs,
      isReconfigured: !isDeepStrictEqual(watched.query, batchingQueryOf(watched.variant)),
      isProfiled: watched.profiledAtMs !== null && nowMs - watched.profiledAtMs >= profilesSettleMs,
      hasAlarm: watched.hasAlarm,
      isRequested: watched.isRequested,
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
    const query = batchingQueryOf(variant);
    const startedAtMs = clock.nowMs();
    const profiles = await profilesOf(variant.model);
    const request = choiceRequestFor({
      query,
      profiles,
      prices,
      live: { memoryMiB: variant.setting.memoryMiB, table: tableOf(variant.model, variant.setting.memoryMiB) },
      marginMs: variant.marginMs,
      arrivals: { kind: 'seen', timesMs: arrivalsMs },
      coldStart: coldStartOf(variant.config, arrivalsMs, profiles),
      current: watched.previous?.setting ?? null,
      canKeepCurrent: isDeepStrictEqual(watched.query, query),
      inForce: variant.setting,
    });
    if (request === null) return; // retried at each poll until something is measured
    const choice = await chooser.choose(request);
    if (this.#isRemoved(watched) || !isDeepStrictEqual(query, batchingQueryOf(watched.variant))) return;
    const { endpoint, variant: name } = variant;
    const ended = effectNow(watched);
    const { previous } = watched;
    const correction = correctionOf(choice.alternatives, {
      setting: previous?.setting ?? null,
      measured: ended?.effect ?? null,
      hasChanged: trigger === 'change-point',
    });
    const decision = batchingDecisionOf(choice, request, { endpoint, variant: name, trigger, query, profiles, previous, correction });
    const made = await decisions.record(decision, ended);
    if (made === null || this.#isRemoved(watched)) return;
    watched.lastEffect = ended?.effect ?? watched.lastEffect;
    Object.assign(watched, { decidedAtMs: startedAtMs, query, arrivalsThen: arrivalsMs.length, isRequested: false, hasAlarm: false });
    if ((watched.profiledAtMs ?? 0) <= startedAtMs) watched.profiledAtMs = null;
    this.#adopt(watched, made, choice.feasible);
  }

  /** After a restart of the server or endpoint, reapplies the last decision if the query is unchanged. Returns true if it did. */
  async #resume(watched: Watched): Promise<boolean> {
    const { variant } = watched;
    const last = await this.#options.decisions.latest(variant.endpoint, variant.variant, 'batching');
    const query = batchingQueryOf(variant);
    // Compares with the query as stored in JSON, so absent and undefined fields are equal.
    if (last === null || !isDeepStrictEqual((last.inputs as BatchingInputs).query, JSON.parse(JSON.stringify(query)))) return false;
    Object.assign(watched, { decidedAtMs: this.#options.clock.nowMs(), query, lastEffect: last.effect });
    watched.isFeasible = chosenOf(last)?.feasible ?? false; // as last reported
    this.#adopt(watched, last, watched.isFeasible);
    return true;
  }

  #adopt(watched: Watched, made: Decision, feasible: boolean): void {
    const setting = made.chosen as BatchingSetting;
    const before = watched.isFeasible;
    watched.isFeasible = feasible;
    const predicted = chosenOf(made)?.predicted ?? null;
    const correction = (made.inputs as BatchingInputs).correction?.reason ?? null;
    const hasEffect = made.effect !== null;
    watched.previous = { id: made.id, setting, predicted, feasible, reason: made.reason, correction, hasEffect };
    watched.variant.apply({ ...setting, decisionId: made.id });
    const { endpoint, variant } = watched.variant;
    if (made.changes)
      this.#options.log.info({ endpoint, variant, ...setting, trigger: made.trigger, reason: made.reason }, 'chose a batching setting');
    if (before === feasible) return;
    const kind = feasible ? 'endpoint.objective-reachable' : 'endpoint.objective-unreachable';
    void this.#options.events
      .recordAndPublish({ kind, subject: endpoint, detail: { variant, decision: made.id, reason: made.reason } })
      .catch((error: unknown) => this.#options.log.error({ endpoint, error: messageOf(error) }, 'failed to record an event'));
  }

  /** Leaves the setting unchanged and schedules a retry. */
  #failed(watched: Watched, trigger: BatchTrigger, error: unknown): void {
    if (this.#isRemoved(watched)) return;
    watched.retryAtMs = this.#options.clock.nowMs() + retryAfterMs;
    const { endpoint, variant } = watched.variant;
    this.#options.log.warn(
      { endpoint, variant, trigger, error: messageOf(error) },
      'failed to choose a batching setting: the current one stays',
    );
  }

  /** Stores the effect of the last decision of a variant that is no longer served. */
  async #end(watched: Watched): Promise<void> {
    const ended = effectNow(watched);
    if (ended === null) return;
    try {
      await this.#options.decisions.fillEffect(ended);
    } catch (error) {
      this.#options.log.warn({ decision: ended.id, error: messageOf(error) }, 'failed to store the effect of a decision');
    }
  }

  #isRemoved(watched: Watched): boolean {
    return this.#isClosed || ![...this.#watched.values()].includes(watched);
  }
}

/** The last decision of a variant, and its effect so far. */
export interface DecisionStatus {
  readonly decisionId: string;
  readonly predicted: SettingPrediction | null;
  /** Effect on the requests served under this decision. Until there are any: the effect of the previous decision. */
  readonly measured: BatchingEffect | null;
  readonly feasible: boolean;
  readonly reason: string;
  /** Why the predictions were corrected; null if they were not. */
  readonly correction: string | null;
}

interface Watched {
  variant: FunctionVariant;
  /** The query of the last decision; null before the first. */
  query: BatchingQuery | null;
  decidedAtMs: number | null;
  previous: Former | null;
  /** Whether the objective could be met, as last reported in an event. */
  isFeasible: boolean;
  /** Effect of the previous decision. */
  lastEffect: BatchingEffect | null;
  /** Number of known arrivals at the last decision. */
  arrivalsThen: number;
  /** Time of the first measurement that no decision has used yet; null if there is none. */
  profiledAtMs: number | null;
  isRequested: boolean;
  /** True if the arrival pattern has changed since the last decision. */
  hasAlarm: boolean;
  isBusy: boolean;
  retryAtMs: number;
}

/** The current decision of a variant. */
interface Former {
  readonly id: string;
  readonly setting: BatchingSetting;
  readonly predicted: SettingPrediction | null;
  readonly feasible: boolean;
  readonly reason: string;
  readonly correction: string | null;
  /** True if its effect was already stored before a restart. */
  readonly hasEffect: boolean;
}

function newlyWatched(variant: FunctionVariant, isFeasible = true): Watched {
  const nothing = { query: null, decidedAtMs: null, previous: null, lastEffect: null, arrivalsThen: 0, profiledAtMs: null };
  return { variant, ...nothing, isFeasible, isRequested: false, hasAlarm: false, isBusy: false, retryAtMs: Number.NEGATIVE_INFINITY };
}

/** True if the variant does not run with the current decision's setting: it was recreated or reloaded between two polls. */
function isAnother(variant: FunctionVariant, { previous, isBusy }: Watched): boolean {
  return previous !== null && !isBusy && variant.setting.decisionId !== previous.id;
}

/** Effect of the current decision so far; null if there was no traffic or the effect is already stored. */
function effectNow({ variant, previous }: Watched): (Effect & { readonly effect: BatchingEffect }) | null {
  if (previous === null || previous.hasEffect || variant.setting.decisionId !== previous.id) return null;
  const effect = effectOf(variant.period(), previous.predicted);
  return effect === null ? null : { id: previous.id, effect };
}

function chosenOf(decision: Decision): BatchingAlternative | undefined {
  return (decision.alternatives as readonly BatchingAlternative[]).find(({ label }) => label === 'chosen');
}
