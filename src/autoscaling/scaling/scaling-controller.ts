/**
 * Adapts the number of instances of each scaling variant to its load. Polls each second and at the end of each slot. If a
 * decision is due, the policy decides; the controller records the desired number with its reason, and later the effect. The
 * learned state is stored each slot, so the server resumes from it after a restart, even if it was killed.
 */

import type { Clock } from '../../clock.ts';
import type { InstanceCounts } from '../../deployment/index.ts';
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { nameKey, sameName } from '../../names.ts';
import type { Decisions, Events, UnknownEffect } from '../../records/index.ts';
import type { OverflowPlan } from '../../serving/index.ts';
import type { ScalingTrigger } from '../strategies/observation.ts';
import { actionsFor, type ScalingInstance, scaleInOrder } from '../strategies/plans/scale-in.ts';
import { scalingRecord } from './decide-record.ts';
import type { ObservedInstance, ScaledVariant } from './scaled-variant.ts';
import { ScalingEffects } from './scaling-effects.ts';
import type { ScalingStates } from './scaling-states.ts';
import type { CountedSlot } from './slot-counter.ts';
import { type ExplainedDecision, VariantScaler } from './variant-scaler.ts';

/** Collaborators of the controller. `carryOut` is the only way in which it changes anything. */
export interface ScalingControllerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly decisions: Pick<Decisions, 'record' | 'fillEffect' | 'abandonEffects'>;
  readonly events: Pick<Events, 'recordAndPublish'>;
  readonly states: Pick<ScalingStates, 'read' | 'write'>;
  /** All served variants that scale. */
  readonly variants: () => readonly ScaledVariant[];
  /** Stores a decision that changes the number of instances, and carries it out. Returns null if it is void. */
  readonly carryOut: InstanceCounts['decided'];
  /** Passes a plan to the functions alongside a variant's instances, if there are any. It applies until the next call. */
  readonly follow: (endpoint: string, variant: string, plan: OverflowPlan) => void;
  /** Reports the arrivals of a completed slot, and the forecast from before it began. */
  readonly onCounted?: (endpoint: string, variant: string, arrived: number, foreseen: number | null) => void;
  /** Lower bound of the assumed start time of instances, in milliseconds. */
  readonly leadMinMs: number;
}

interface Watched {
  readonly watch: VariantScaler;
  readonly effects: ScalingEffects;
  /** The last database write; writes run in sequence. */
  writing: Promise<void>;
  /** True while a decision is being written; the next decision waits for it. */
  isBusy: boolean;
  recordedAtMs: number;
  /** Forecast for the current slot, in rows; null if unknown. */
  forecastRows: number | null;
}

const pollEveryMs = 1000;
const pollEveryMsMin = 100;

/** A decision is carried out only if the variant is still as it was observed. */
export class ScalingController {
  readonly #options: ScalingControllerOptions;
  /** State by endpoint and variant; null while the stored state is being read. */
  readonly #watched = new Map<string, Watched | null>();
  #cancelPoll: () => void = () => undefined;
  /** Completes when decisions that an earlier server left open are closed. */
  #opening: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: ScalingControllerOptions) {
    this.#options = options;
  }

  open(): void {
    const { decisions, log } = this.#options;
    this.#opening = decisions.abandonEffects('scaling', 'the server restarted before the effect was known').catch((error: unknown) => {
      log.warn({ error: messageOf(error) }, 'failed to mark decisions whose effect is lost');
    });
    this.#schedulePoll();
  }

  /** Stops polling and stores the learned state. Instances keep running. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelPoll();
    const all = [...this.#watched.values()].filter((watched) => watched !== null);
    this.#watched.clear();
    for (const watched of all) this.#storeState(watched);
    await Promise.all(all.map(({ writing }) => writing));
  }

  /** Called after a configuration change: applies the new spending limit of functions at once and updates the reported reason. */
  configured(): void {
    this.#poll();
  }

  /** Decides at once for every variant of an endpoint. Returns false if no variant scales. */
  requestDecision(endpoint: string): boolean {
    this.#poll();
    const requested = [...this.#watched.values()].filter((watched) => isOf(watched, endpoint));
    for (const watched of requested) watched?.watch.requestDecision();
    this.#poll();
    return requested.length > 0;
  }

  #schedulePoll(): void {
    const wallMs = this.#options.clock.wallMs();
    let delayMs = pollEveryMs;
    for (const watched of this.#watched.values()) delayMs = Math.min(delayMs, watched?.watch.nextPollMs(wallMs) ?? delayMs);
    this.#cancelPoll = this.#options.clock.after(Math.max(pollEveryMsMin, delayMs), () => {
      this.#poll();
      if (!this.#isClosed) this.#schedulePoll();
    });
  }

  #poll(): void {
    if (this.#isClosed) return;
    const seen = new Set<string>();
    for (const variant of this.#options.variants()) {
      const key = nameKey(`${variant.endpoint}/${variant.variant}`);
      seen.add(key);
      const watched = this.#watched.get(key);
      if (watched === undefined) void this.#begin(key, variant);
      else if (watched !== null) this.#pollVariant(watched, variant);
    }
    for (const [key, watched] of this.#watched) {
      if (seen.has(key) || watched === null) continue;
      this.#watched.delete(key);
      this.#leave(watched);
    }
  }

  /** Stops watching a variant that no longer scales or is no longer served. */
  #leave(watched: Watched): void {
    const { endpoint, variant } = watched.watch.variant;
    this.#storeState(watched);
    this.#options.follow(endpoint, variant, { warmFunctions: 0, sharedBudget: null });
    for (const id of watched.effects.abandonAll()) {
      const effect = { unknown: 'the variant stopped serving or scaling before the effect was known' } satisfies UnknownEffect;
      this.#write(watched, () => this.#options.decisions.fillEffect({ id, effect }));
    }
  }

  async #begin(key: string, variant: ScaledVariant): Promise<void> {
    this.#watched.set(key, null);
    const { states, leadMinMs, clock } = this.#options;
    try {
      await this.#opening;
      const retained = await states.read(variant.endpoint, variant.variant);
      if (this.#isClosed) return;
      const watch = new VariantScaler(variant, leadMinMs, retained);
      watch.poll({ ...variant, isSettled: false }, clock.wallMs());
      const effects = new ScalingEffects();
      this.#watched.set(key, {
        watch,
        effects,
        writing: Promise.resolve(),
        isBusy: false,
        recordedAtMs: Number.NEGATIVE_INFINITY,
        forecastRows: null,
      });
    } catch (error) {
      this.#watched.delete(key); // the next poll retries
      this.#failed(variant, error);
    }
  }

  #pollVariant(watched: Watched, variant: ScaledVariant): void {
    const wallMs = this.#options.clock.wallMs();
    // While a decision is being written, its instances are not visible yet, so no decision is made. The slot is counted anyway.
    const { counted, trigger } = watched.watch.poll(watched.isBusy ? { ...variant, isSettled: false } : variant, wallMs);
    if (counted !== null) this.#slotOver(watched, counted, wallMs);
    if (trigger !== null) this.#decide(watched, trigger, wallMs);
    this.#options.follow(variant.endpoint, variant.variant, watched.watch.plan(wallMs));
    this.#reportBudget(watched, wallMs);
    if (counted !== null) this.#storeState(watched);
  }

  /** Publishes an event when the budget of the hour is exhausted or renewed. */
  #reportBudget(watched: Watched, wallMs: number): void {
    const news = watched.watch.budgetChange(wallMs);
    if (news === null) return;
    const { endpoint, variant } = watched.watch.variant;
    const { kind, budget } = news;
    const resumes = budget === null ? null : new Date(wallMs + budget.remainingMs).toISOString();
    const detail =
      budget === null || kind === 'reset'
        ? { variant }
        : {
            variant,
            usdPerHourMax: budget.usdMax,
            spentUsd: budget.spentUsd,
            resumes,
            reason: 'running executors keep serving, and no more are started',
          };
    this.#options.log.warn(
      { endpoint, ...detail },
      kind === 'exhausted' ? 'the hourly budget is exhausted' : 'the hourly budget is available again',
    );
    this.#write(watched, async () => {
      await this.#options.events.recordAndPublish({ kind: `budget.${kind}`, subject: endpoint, detail });
    });
    this.#storeState(watched);
  }

  #slotOver(watched: Watched, { count }: CountedSlot, wallMs: number): void {
    const { endpoint, variant } = watched.watch.variant;
    if (count !== null) this.#options.onCounted?.(endpoint, variant, count, watched.forecastRows);
    watched.forecastRows = watched.watch.forecastRows;
    for (const known of watched.effects.slotOver(count, watched.watch.variant, wallMs)) {
      this.#write(watched, () => this.#options.decisions.fillEffect(known));
    }
  }

  #decide(watched: Watched, trigger: ScalingTrigger, wallMs: number): void {
    const { watch } = watched;
    const { variant } = watch;
    let made: ExplainedDecision;
    try {
      made = watch.decide(trigger, wallMs);
    } catch (error) {
      return this.#failed(variant, error);
    }
    const { decision } = made;
    const count = decision.chosen.plan[variant.type.name] ?? 0;
    const changes = count !== variant.wanted;
    if (watched.recordedAtMs > wallMs) watched.recordedAtMs = Number.NEGATIVE_INFINITY; // the clock was set back
    // A policy that decides every second does not record every decision without a change.
    const isRecorded =
      changes || trigger === 'manual' || trigger === 'restore' || wallMs - watched.recordedAtMs >= watch.slotMs - pollEveryMs;
    if (!isRecorded) return;
    watched.recordedAtMs = wallMs;
    watched.isBusy = true;
    this.#write(watched, async () => {
      try {
        await this.#carryOut(watched, variant, made, { count, changes, wallMs });
      } finally {
        watched.isBusy = false;
      }
    });
  }

  async #carryOut(
    { effects }: Watched,
    variant: ScaledVariant,
    { decision, reason, explanation }: ExplainedDecision,
    { count, changes, wallMs }: { readonly count: number; readonly changes: boolean; readonly wallMs: number },
  ): Promise<void> {
    const { decisions, carryOut, log } = this.#options;
    const { endpoint, variant: name, type, wanted: before } = variant;
    const instances = variant.instances.map((instance) => scalingInstance(type.name, instance));
    const actions = actionsFor({ [type.name]: count }, instances, wallMs);
    const record = { ...scalingRecord(decision, { endpoint, variant: name }, actions), changes, reason, explanation };
    const leaving = scaleInOrder(instances, wallMs).map(({ id }) => id);
    const made = changes ? await carryOut({ endpoint, variant: name, before, count, leaving, record }) : await decisions.record(record);
    if (made === null) return; // the endpoint was deleted, or something else changed the number: the next poll decides again
    effects.made(made.id, decision, variant, wallMs);
    if (changes) log.info({ endpoint, variant: name, instances: count, reason, explanation }, 'chose the number of instances');
  }

  #storeState(watched: Watched): void {
    const { endpoint, variant } = watched.watch.variant;
    this.#write(watched, () => this.#options.states.write(endpoint, variant, watched.watch.snapshot()));
  }

  #write(watched: Watched, write: () => Promise<void>): void {
    watched.writing = watched.writing.then(write).catch((error: unknown) => this.#failed(watched.watch.variant, error));
  }

  #failed({ endpoint, variant }: ScaledVariant, error: unknown): void {
    this.#options.log.warn({ endpoint, variant, error: messageOf(error) }, 'failed to decide or store the number of instances');
  }
}

function isOf(watched: Watched | null, endpoint: string): boolean {
  return watched !== null && sameName(watched.watch.variant.endpoint, endpoint);
}

function scalingInstance(type: string, { id, state, startedAtMs, idleSinceMs }: ObservedInstance): ScalingInstance {
  return { id, type, state: state === 'failed' ? 'launching' : state, launchedAtMs: startedAtMs, idleSinceMs };
}
