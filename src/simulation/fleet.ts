/** A provider of instances that takes its time, may fail to start one, may take one away, and sends a bill. */
import assert from 'node:assert/strict';
import { actionsFor, type Plan, type ScalingInstance } from '../autoscaling/index.ts';
import { billedAtLeastMs, executorUsd } from '../costs/index.ts';
import { exponentialMs, type Random } from '../random.ts';
import type { VariantPool } from '../serving/index.ts';
import { type EventLoop, eventKind } from './event-loop.ts';
import { SimulatedExecutor } from './executors.ts';
import type { Measures } from './measures.ts';
import type { ServiceLaw } from './service-law.ts';

export interface FleetType {
  readonly name: string;
  /** As it is charged. */
  readonly usdPerHour: number;
  readonly leadMs: number;
  readonly law: ServiceLaw;
  /** How often one of it is taken away, two minutes after it was told so. */
  readonly interruptionsPerHour: number;
  /** Of a type that is rented on the spot market: what replaces it. */
  readonly onDemand: string | null;
}

export interface Misfortune {
  /** Of all launches, the share that fails when it should be ready. */
  readonly launchFailureShare: number;
  /** How often each spot instance is taken away; where no type is one, each instance. */
  readonly interruptionsPerHour: number;
}

export interface FleetNeeds {
  readonly loop: EventLoop;
  readonly pool: VariantPool;
  readonly measures: Measures;
  readonly types: readonly FleetType[];
  /** For service times. */
  readonly random: Random;
  /** For misfortune. */
  readonly luck: Random;
  readonly launchFailureShare: number;
  /** Instances of these types will be taken away: what is planned now? */
  readonly onNotice: (notices: Plan) => Plan;
}

interface Instance {
  readonly id: string;
  readonly type: FleetType;
  state: ScalingInstance['state'];
  readonly launchedAtMs: number;
  readonly executor: SimulatedExecutor;
  billedUntilMs: number;
  /** What is to happen to it. */
  cancel: () => void;
}

const noticeMs = 120_000;

export class Fleet {
  /** Drains that are not over: their promises want a turn. */
  draining = 0;
  readonly #needs: FleetNeeds;
  readonly #instances = new Map<string, Instance>();
  #launched = 0;

  constructor(needs: FleetNeeds) {
    this.#needs = needs;
  }

  count(state: ScalingInstance['state'], type?: string): number {
    let count = 0;
    for (const instance of this.#instances.values())
      if (instance.state === state && (type === undefined || instance.type.name === type)) count++;
    return count;
  }

  /** These have been there for as long as one is paid for at least: they are ready, and may go at any time. */
  begin(plan: Plan): void {
    for (const [type, count] of Object.entries(plan))
      for (let i = 0; i < count; i++) this.#launch(type, true, this.#needs.loop.nowMs() - billedAtLeastMs);
  }

  /** Brings the plan about. Those that are launched are ready at once where `isInstant`. */
  apply(plan: Plan, isInstant = false): void {
    const { loop } = this.#needs;
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

  /** What those that are there, or on their way, cost. */
  get usdPerHour(): number {
    let usd = 0;
    for (const { type } of this.#instances.values()) usd += type.usdPerHour;
    return usd;
  }

  /** Charges everybody until now. */
  bill(nowMs: number): void {
    for (const instance of this.#instances.values()) this.#bill(instance, nowMs);
  }

  #launch(name: string, isInstant: boolean, launchedAtMs: number = this.#needs.loop.nowMs()): void {
    const { loop, types, random } = this.#needs;
    const type = types.find((other) => other.name === name);
    if (type === undefined) return;
    const executor = new SimulatedExecutor(loop, (rows) => {
      const mayRun = instance.state === 'active' || (instance.state === 'draining' && this.count('active') === 0);
      assert(mayRun, 'who drains takes no new batch while another is there');
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
    const { luck, launchFailureShare } = this.#needs;
    if (launchFailureShare > 0 && luck.next() < launchFailureShare) this.#stop(instance);
    else this.#activate(instance);
  }

  #activate(instance: Instance): void {
    const { pool, loop, luck } = this.#needs;
    const { id, type, executor } = instance;
    instance.state = 'active';
    executor.idleSinceMs = loop.nowMs();
    const { interruptionsPerHour } = type;
    if (interruptionsPerHour > 0) {
      instance.cancel = loop.after(exponentialMs(luck, interruptionsPerHour / 3600), () => this.#notice(instance));
    }
    const charge = (serviceMs: number): number => executorUsd(type.usdPerHour, serviceMs);
    pool.attach({ id, instanceType: type.name, coldStartMs: 0, run: executor.run, charge });
  }

  /** It will be taken away: it takes nothing new, and what it still runs then is lost. */
  #notice(instance: Instance): void {
    const { loop, onNotice } = this.#needs;
    const plan = instance.state === 'active' ? onNotice({ [instance.type.name]: 1 }) : null;
    if (instance.state === 'active') this.#drain(instance);
    if (plan !== null) this.apply(plan);
    instance.cancel = loop.at(loop.nowMs() + noticeMs, eventKind.timer, () => {
      if (!this.#instances.has(instance.id)) return;
      this.#stop(instance);
      instance.executor.kill('it was taken away');
    });
  }

  #drain(instance: Instance): void {
    instance.state = 'draining';
    this.draining++;
    void this.#needs.pool.drain(instance.id).then(() => {
      this.draining--;
      this.#stop(instance);
    });
  }

  #stop(instance: Instance): void {
    const { pool, loop } = this.#needs;
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
    this.#needs.measures.instanceCost(type.name, untilMs - billedUntilMs, executorUsd(type.usdPerHour, untilMs - billedUntilMs));
  }
}
