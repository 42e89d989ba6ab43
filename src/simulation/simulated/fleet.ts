/** A simulated provider of instances, with start times, failed launches, spot interruptions and billing. */
import assert from 'node:assert/strict';
import { actionsFor, type Plan, type ScalingInstance } from '../../autoscaling/index.ts';
import { billedAtLeastMs, executorUsd } from '../../costs/index.ts';
import { exponentialMs, type Random } from '../../random.ts';
import type { VariantPool } from '../../serving/index.ts';
import type { Measures } from '../report/measures.ts';
import { type EventLoop, eventKind } from './event-loop.ts';
import { SimulatedExecutor } from './executors.ts';
import type { SimulatedServiceLaw } from './service-law.ts';

/** An instance type of a simulated fleet. Times are in milliseconds. */
export interface FleetType {
  readonly name: string;
  /** Billed price per hour. */
  readonly usdPerHour: number;
  readonly leadMs: number;
  readonly law: SimulatedServiceLaw;
  /** Interruptions per instance and hour. Each follows its notice by two minutes. */
  readonly interruptionsPerHour: number;
  /** For a spot type: the on-demand type that replaces it; else null. */
  readonly onDemand: string | null;
}

/** A type as the fleet itself needs it. */
export interface RunnableType extends Omit<FleetType, 'law'> {
  readonly law: Pick<SimulatedServiceLaw, 'drawMs'>;
}

/** Faults of the simulated provider. */
export interface FaultInjection {
  /** Share of launches (0..1) that fail at the time they should become ready. */
  readonly launchFailureShare: number;
  /** Interruptions per hour of each spot instance, or of each instance if there are no spot types. */
  readonly interruptionsPerHour: number;
}

/** What the fleet shares with the simulation. */
export interface FleetDeps {
  readonly loop: EventLoop;
  readonly pool: Pick<VariantPool, 'attach' | 'detach' | 'drain'>;
  readonly measures: Pick<Measures, 'instanceCost'>;
  readonly types: readonly RunnableType[];
  /** Random source of service times. */
  readonly random: Random;
  /** Separate random source of faults, so faults do not change service times. */
  readonly faultRandom: Random;
  readonly launchFailureShare: number;
  /** Called when instances of these types are about to be reclaimed. Returns the new plan. */
  readonly onNotice: (notices: Plan) => Plan;
}

interface Instance {
  readonly id: string;
  readonly type: RunnableType;
  state: ScalingInstance['state'];
  readonly launchedAtMs: number;
  readonly executor: SimulatedExecutor;
  billedUntilMs: number;
  /** Cancels the instance's next scheduled event. */
  cancel: () => void;
}

const noticeMs = 120_000;

/** Instances are billed from their launch, as a real one would be. */
export class Fleet {
  /** Number of drains in progress. Each completes by a promise, which needs a turn of the real event loop. */
  draining = 0;
  readonly #deps: FleetDeps;
  readonly #instances = new Map<string, Instance>();
  #launched = 0;

  constructor(deps: FleetDeps) {
    this.#deps = deps;
  }

  count(state: ScalingInstance['state'], type?: string): number {
    let count = 0;
    for (const instance of this.#instances.values())
      if (instance.state === state && (type === undefined || instance.type.name === type)) count++;
    return count;
  }

  /** Creates the initial instances: ready, and past their minimum charge, so they can be removed at any time. */
  begin(plan: Plan): void {
    for (const [type, count] of Object.entries(plan))
      for (let i = 0; i < count; i++) this.#launch(type, true, this.#deps.loop.nowMs() - billedAtLeastMs);
  }

  /** Starts and removes instances until the fleet matches the plan. If `isInstant`, new instances are ready at once. */
  apply(plan: Plan, isInstant = false): void {
    const { loop } = this.#deps;
    const all = [...this.#instances.values()].map(({ id, type, state, launchedAtMs, executor }): ScalingInstance => {
      return { id, type: type.name, state, launchedAtMs, idleSinceMs: executor.idleSinceMs };
    });
    for (const { op, type, instance } of actionsFor(plan, all, loop.nowMs())) {
      const there = instance === null ? undefined : this.#instances.get(instance);
      if (op === 'launch') this.#launch(type, isInstant);
      else if (op === 'stop' && there !== undefined) this.#stop(there);
      else if (there !== undefined) this.#drain(there);
    }
  }

  /** Current cost per hour of running and launching instances. */
  get usdPerHour(): number {
    let usd = 0;
    for (const { type } of this.#instances.values()) usd += type.usdPerHour;
    return usd;
  }

  /** Bills all instances up to `nowMs`. */
  bill(nowMs: number): void {
    for (const instance of this.#instances.values()) this.#bill(instance, nowMs);
  }

  #launch(name: string, isInstant: boolean, launchedAtMs: number = this.#deps.loop.nowMs()): void {
    const { loop, types, random } = this.#deps;
    const type = types.find((other) => other.name === name);
    if (type === undefined) return;
    const executor = new SimulatedExecutor(loop, (rows) => {
      const mayRun = instance.state === 'active' || (instance.state === 'draining' && this.count('active') === 0);
      assert(mayRun, 'a draining instance takes no new batch while another exists');
      return type.law.drawMs(random, rows);
    });
    const nowMs = loop.nowMs();
    const instance: Instance = {
      id: `i${this.#launched++}`,
      type,
      state: 'launching',
      launchedAtMs,
      executor,
      billedUntilMs: nowMs,
      cancel: () => {},
    };
    this.#instances.set(instance.id, instance);
    if (isInstant || type.leadMs === 0) this.#activate(instance);
    else instance.cancel = loop.after(type.leadMs, () => this.#started(instance));
  }

  #started(instance: Instance): void {
    const { faultRandom, launchFailureShare } = this.#deps;
    if (launchFailureShare > 0 && faultRandom.next() < launchFailureShare) this.#stop(instance);
    else this.#activate(instance);
  }

  #activate(instance: Instance): void {
    const { pool, loop, faultRandom } = this.#deps;
    const { id, type, executor } = instance;
    instance.state = 'active';
    executor.idleSinceMs = loop.nowMs();
    const { interruptionsPerHour } = type;
    if (interruptionsPerHour > 0) {
      instance.cancel = loop.after(exponentialMs(faultRandom, interruptionsPerHour / 3600), () => this.#notice(instance));
    }
    const charge = (serviceMs: number): number => executorUsd(type.usdPerHour, serviceMs);
    pool.attach({ id, instanceType: type.name, coldStartMs: 0, run: executor.run, charge });
  }

  /**
   * Announces that the instance will be reclaimed: it accepts no new requests, and a batch still running at that time is lost.
   */
  #notice(instance: Instance): void {
    const { loop, onNotice } = this.#deps;
    const plan = instance.state === 'active' ? onNotice({ [instance.type.name]: 1 }) : null;
    if (instance.state === 'active') this.#drain(instance);
    if (plan !== null) this.apply(plan);
    instance.cancel = loop.at(loop.nowMs() + noticeMs, eventKind.timer, () => {
      if (!this.#instances.has(instance.id)) return;
      this.#stop(instance);
      instance.executor.kill('it was reclaimed');
    });
  }

  #drain(instance: Instance): void {
    instance.state = 'draining';
    this.draining++;
    void this.#deps.pool.drain(instance.id).then(() => {
      this.draining--;
      this.#stop(instance);
    });
  }

  #stop(instance: Instance): void {
    const { pool, loop } = this.#deps;
    if (!this.#instances.delete(instance.id)) return;
    const wasAttached = instance.state !== 'launching';
    instance.cancel();
    instance.state = 'stopped';
    this.#bill(instance, Math.max(loop.nowMs(), instance.launchedAtMs + billedAtLeastMs));
    if (wasAttached) pool.detach(instance.id);
  }

  #bill(instance: Instance, untilMs: number): void {
    const { type, billedUntilMs } = instance;
    if (untilMs <= billedUntilMs) return;
    instance.billedUntilMs = untilMs;
    this.#deps.measures.instanceCost(type.name, untilMs - billedUntilMs, executorUsd(type.usdPerHour, untilMs - billedUntilMs));
  }
}
