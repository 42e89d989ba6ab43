/**
 * Lets the number of instances of each variant that scales follow its load: looks each second and at the end of each slot, has
 * its policy decide where that is due, writes down how many are wanted and why, and later what came of it. What it has learnt is
 * kept each slot, so that a restart, also after a kill, goes on from there.
 */
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Decisions, Events, Log, UnknownEffect } from '../monitoring/index.ts';
import type { OverflowPlan } from '../serving/index.ts';
import { scalingRecord } from './decide-record.ts';
import type { ScaledVariant, SeenInstance } from './scaled-variant.ts';
import { ScalingEffects } from './scaling-effects.ts';
import type { ScalingStates } from './scaling-states.ts';
import { ScalingWatch, type WatchedDecision } from './scaling-watch.ts';
import type { CountedSlot } from './slot-counter.ts';
import type { ScalingTrigger } from './strategies/observation.ts';
import { actionsFor, type ScalingInstance, scaleInOrder } from './strategies/scale-in.ts';

export interface ScalingControllerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly decisions: Pick<Decisions, 'record' | 'fillEffect' | 'giveUpEffects'>;
  readonly events: Pick<Events, 'recordAndPublish'>;
  readonly states: Pick<ScalingStates, 'read' | 'write'>;
  /** Every variant that scales and is served. */
  readonly variants: () => readonly ScaledVariant[];
  /** So many instances are wanted from now on; where there are more, `leaving` go first. null: it does not scale any more. */
  readonly scale: (endpoint: string, variant: string, count: number, leaving: readonly string[]) => Promise<number | null>;
  /** What the functions beside a variant's instances, if it has any, are to keep to until told otherwise. */
  readonly follow: (endpoint: string, variant: string, plan: OverflowPlan) => void;
  /** So many came in a slot, and so many were expected before it began. */
  readonly onCounted?: (endpoint: string, variant: string, came: number, foreseen: number | null) => void;
  /** Instances are taken to need at least so long to start. */
  readonly leadMinMs: number;
}

interface Watched {
  readonly watch: ScalingWatch;
  readonly effects: ScalingEffects;
  /** What is being written, one after the other. */
  writing: Promise<void>;
  /** A decision is on its way: the next waits for what it changes. */
  isBusy: boolean;
  recordedAtMs: number;
  /** For the slot that runs. */
  foreseen: number | null;
}

const lookEveryMs = 1000;
const lookEveryMsMin = 100;

export class ScalingController {
  readonly #options: ScalingControllerOptions;
  /** By endpoint and variant; null while what is kept of it is being read. */
  readonly #watched = new Map<string, Watched | null>();
  #stopLooking: () => void = () => undefined;
  /** What an earlier server left open is closed. */
  #opening: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: ScalingControllerOptions) {
    this.#options = options;
  }

  open(): void {
    const { decisions, log } = this.#options;
    this.#opening = decisions.giveUpEffects('scaling', 'the server was restarted before it was known').catch((error: unknown) => {
      log.warn({ error: messageOf(error) }, 'decisions whose effect nobody will know could not be marked');
    });
    this.#lookLater();
  }

  /** What was learnt is kept; the instances stay as they are. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopLooking();
    const all = [...this.#watched.values()].filter((watched) => watched !== null);
    this.#watched.clear();
    for (const watched of all) this.#keep(watched);
    await Promise.all(all.map(({ writing }) => writing));
  }

  /** Something was configured anew: what functions may spend follows at once, and what is said of it. */
  configured(): void {
    this.#look();
  }

  /** Has every variant of an endpoint decided anew at once; false where none of it scales. */
  ask(endpoint: string): boolean {
    this.#look();
    const asked = [...this.#watched.values()].filter((watched) => isOf(watched, endpoint));
    for (const watched of asked) watched?.watch.ask();
    this.#look();
    return asked.length > 0;
  }

  #lookLater(): void {
    const wallMs = this.#options.clock.wallMs();
    let delayMs = lookEveryMs;
    for (const watched of this.#watched.values()) delayMs = Math.min(delayMs, watched?.watch.nextLookMs(wallMs) ?? delayMs);
    this.#stopLooking = this.#options.clock.after(Math.max(lookEveryMsMin, delayMs), () => {
      this.#look();
      if (!this.#isClosed) this.#lookLater();
    });
  }

  #look(): void {
    if (this.#isClosed) return;
    const seen = new Set<string>();
    for (const variant of this.#options.variants()) {
      const key = `${variant.endpoint}/${variant.variant}`.toLowerCase();
      seen.add(key);
      const watched = this.#watched.get(key);
      if (watched === undefined) void this.#begin(key, variant);
      else if (watched !== null) this.#lookAt(watched, variant);
    }
    for (const [key, watched] of this.#watched) {
      if (seen.has(key) || watched === null) continue;
      this.#watched.delete(key);
      this.#leave(watched);
    }
  }

  /** It does not scale any more, or is served no more. */
  #leave(watched: Watched): void {
    const { endpoint, variant } = watched.watch.variant;
    this.#keep(watched);
    this.#options.follow(endpoint, variant, { warmFunctions: 0, allowance: null });
    for (const id of watched.effects.giveUp()) {
      const effect = { unknown: 'it was served or scaled no more before it was known' } satisfies UnknownEffect;
      this.#write(watched, () => this.#options.decisions.fillEffect({ id, effect }));
    }
  }

  async #begin(key: string, variant: ScaledVariant): Promise<void> {
    this.#watched.set(key, null);
    const { states, leadMinMs, clock } = this.#options;
    try {
      await this.#opening;
      const kept = await states.read(variant.endpoint, variant.variant);
      if (this.#isClosed) return;
      const watch = new ScalingWatch(variant, leadMinMs, kept);
      watch.look({ ...variant, isSettled: false }, clock.wallMs());
      const effects = new ScalingEffects();
      this.#watched.set(key, {
        watch,
        effects,
        writing: Promise.resolve(),
        isBusy: false,
        recordedAtMs: Number.NEGATIVE_INFINITY,
        foreseen: null,
      });
    } catch (error) {
      this.#watched.delete(key); // the next look tries again
      this.#failed(variant, error);
    }
  }

  #lookAt(watched: Watched, variant: ScaledVariant): void {
    const wallMs = this.#options.clock.wallMs();
    // While a decision is being written its instances are not there yet: the slot is counted all the same.
    const { counted, trigger } = watched.watch.look(watched.isBusy ? { ...variant, isSettled: false } : variant, wallMs);
    if (counted !== null) this.#slotOver(watched, counted, wallMs);
    if (trigger !== null) this.#decide(watched, trigger, wallMs);
    this.#options.follow(variant.endpoint, variant.variant, watched.watch.plan(wallMs));
    this.#tellMoney(watched, wallMs);
    if (counted !== null) this.#keep(watched);
  }

  /** The hour's money is spent, or there is some again: for whoever listens to events. */
  #tellMoney(watched: Watched, wallMs: number): void {
    const news = watched.watch.moneyNews(wallMs);
    if (news === null) return;
    const { endpoint, variant } = watched.watch.variant;
    const { kind, budget } = news;
    const resumes = budget === null ? null : new Date(wallMs + budget.remainingMs).toISOString();
    const detail =
      budget === null || kind === 'renewed'
        ? { variant }
        : {
            variant,
            usdPerHourMax: budget.usdMax,
            spentUsd: budget.spentUsd,
            resumes,
            reason: 'what is there serves, and nothing more is started',
          };
    this.#options.log.warn({ endpoint, ...detail }, kind === 'spent' ? 'the budget of this hour is spent' : 'there is a budget again');
    this.#write(watched, async () => {
      await this.#options.events.recordAndPublish({ kind: `budget.${kind}`, subject: endpoint, detail });
    });
    this.#keep(watched);
  }

  #slotOver(watched: Watched, { count }: CountedSlot, wallMs: number): void {
    const { endpoint, variant } = watched.watch.variant;
    if (count !== null) this.#options.onCounted?.(endpoint, variant, count, watched.foreseen);
    watched.foreseen = watched.watch.foreseen;
    for (const known of watched.effects.slotOver(count, watched.watch.variant, wallMs)) {
      this.#write(watched, () => this.#options.decisions.fillEffect(known));
    }
  }

  #decide(watched: Watched, trigger: ScalingTrigger, wallMs: number): void {
    const { watch } = watched;
    const { variant } = watch;
    let made: WatchedDecision;
    try {
      made = watch.decide(trigger, wallMs);
    } catch (error) {
      return this.#failed(variant, error);
    }
    const { decision } = made;
    const count = decision.chosen.plan[variant.type.name] ?? 0;
    const changes = count !== variant.wanted;
    if (watched.recordedAtMs > wallMs) watched.recordedAtMs = Number.NEGATIVE_INFINITY; // the clock was set back
    // A policy that is asked every second need not tell each time that nothing is to be done.
    const isTold = changes || trigger === 'manual' || trigger === 'restore' || wallMs - watched.recordedAtMs >= watch.slotMs - lookEveryMs;
    if (!isTold) return;
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
    { decision, reason, explanation }: WatchedDecision,
    { count, changes, wallMs }: { readonly count: number; readonly changes: boolean; readonly wallMs: number },
  ): Promise<void> {
    const { decisions, scale, log } = this.#options;
    const { endpoint, variant: name, type } = variant;
    const instances = variant.instances.map((instance) => scalingInstance(type.name, instance));
    const actions = actionsFor({ [type.name]: count }, instances, wallMs);
    const record = { ...scalingRecord(decision, { endpoint, variant: name }, actions), changes, reason, explanation };
    const made = await decisions.record(record);
    if (made === null) return; // the endpoint is gone
    effects.made(made.id, decision, variant, wallMs);
    if (!changes) return;
    const leaving = scaleInOrder(instances, wallMs).map(({ id }) => id);
    const allowed = await scale(endpoint, name, count, leaving);
    if (allowed !== null)
      log.info({ endpoint, variant: name, instances: allowed, reason, explanation }, 'a number of instances was chosen');
  }

  #keep(watched: Watched): void {
    const { endpoint, variant } = watched.watch.variant;
    this.#write(watched, () => this.#options.states.write(endpoint, variant, watched.watch.snapshot()));
  }

  #write(watched: Watched, write: () => Promise<void>): void {
    watched.writing = watched.writing.then(write).catch((error: unknown) => this.#failed(watched.watch.variant, error));
  }

  #failed({ endpoint, variant }: ScaledVariant, error: unknown): void {
    this.#options.log.warn({ endpoint, variant, error: messageOf(error) }, 'the number of instances could not be decided on, or kept');
  }
}

function isOf(watched: Watched | null, endpoint: string): boolean {
  return watched?.watch.variant.endpoint.toLowerCase() === endpoint.toLowerCase();
}

function scalingInstance(type: string, { id, state, startedAtMs, idleSinceMs }: SeenInstance): ScalingInstance {
  return { id, type, state: state === 'failed' ? 'launching' : state, launchedAtMs: startedAtMs, idleSinceMs };
}
