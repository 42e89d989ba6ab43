/**
 * Simulates a selection: requests of one row, each a row of an evaluation, so the accuracy is that of real answers. The rung rule, the
 * credit, the rule that holds the batches of functions, and the scaling policies are the code that serves; queue and executors are
 * modelled.
 */
import { type Policy, parsePolicy, periodsOf, priceFactorOf, slotMsFor } from '../../autoscaling/index.ts';
import { functionUsd } from '../../costs/index.ts';
import { objectiveShare } from '../../objective.ts';
import { SeededRandom } from '../../random.ts';
import { ArrivalStream } from '../load/arrival-stream.ts';
import { expectedRequests, loadArrivals, loadHistory } from '../load/load.ts';
import { EventLoop, eventKind } from '../simulated/event-loop.ts';
import { Fleet, type RunnableType } from '../simulated/fleet.ts';
import { Planning, type PlanningInput } from '../simulated/planning.ts';
import { assignModels, periodMs } from './periodic-selection.ts';
import { PlanLaw } from './plan-law.ts';
import { SelectionFunctions } from './selection-functions.ts';
import { SelectionMeasures } from './selection-measures.ts';
import { SelectionPool } from './selection-pool.ts';
import type { SelectionFleet, SelectionSimulationResult, SelectionSimulationSpec, SimulatedPlan } from './selection-spec.ts';

const typeName = 'instance';
/** How many arrivals are simulated before other work of the process gets a turn. */
const turn = 200_000;

/** Runs once. The same spec gives the same result. */
export class SelectionSimulation {
  readonly #spec: SelectionSimulationSpec;
  readonly #loop = new EventLoop(Date.UTC(2026, 0, 1));
  readonly #stream: ArrivalStream;
  readonly #rowRandom: SeededRandom;
  readonly #measures: SelectionMeasures;
  readonly #laws: readonly PlanLaw[];
  readonly #functionLaw: PlanLaw | null;
  readonly #pool: SelectionPool;
  readonly #fleet: Fleet;
  readonly #meanRatePerSecond: number;
  #arrived = 0;

  constructor(spec: SelectionSimulationSpec) {
    this.#spec = spec;
    const { load, objective, models, labels, serving, fleet, overheadMs, shadowShare = 0 } = spec;
    this.#stream = new ArrivalStream(loadArrivals(load, spec.seed));
    this.#rowRandom = new SeededRandom(spec.seed + 1);
    this.#measures = new SelectionMeasures(objective.latencyMs);
    this.#meanRatePerSecond = (1000 * expectedRequests(load)) / load.durationMs;
    const lawOf = (plan: SimulatedPlan): PlanLaw => new PlanLaw(plan, models, labels, objectiveShare(objective));
    const plans = serving.kind === 'plan' ? [serving.plan] : serving.kind === 'ladder' ? serving.rungs : serving.plans;
    this.#laws = plans.map(lawOf);
    const sized = fleet.kind === 'elastic' ? fleet.sizedFor : (plans[0] as SimulatedPlan);
    const admission = this.#laws.find(({ plan }) => plan.name === sized.name) ?? lawOf(sized);
    this.#functionLaw = fleet.kind === 'elastic' && fleet.functions !== null ? admission : null;
    const random = new SeededRandom(spec.serviceSeed);
    const shared = { loop: this.#loop, random, measures: this.#measures, overheadMs };
    const functions =
      fleet.kind === 'elastic' && fleet.functions !== null
        ? new SelectionFunctions({ ...shared, ...fleet.functions, law: admission })
        : null;
    const most = Math.max(...plans.map(({ accuracy }) => accuracy));
    const floor = serving.kind === 'ladder' ? (serving.floor ?? most) : most;
    this.#pool = new SelectionPool({
      ...shared,
      rule: serving,
      laws: this.#laws,
      admission,
      functions,
      latencyMs: objective.latencyMs,
      creditMax: (most - floor) * this.#meanRatePerSecond * 3600,
      shadows:
        shadowShare === 0 || serving.kind !== 'ladder' ? null : { share: shadowShare, random: new SeededRandom(spec.serviceSeed + 2) },
    });
    this.#fleet = new Fleet({
      loop: this.#loop,
      pool: this.#pool,
      measures: this.#measures,
      types: [this.#typeOf(fleet)],
      random,
      faultRandom: new SeededRandom(spec.serviceSeed + 1),
      launchFailureShare: 0,
      onNotice: () => ({}),
    });
  }

  /** Runs until all requests are answered. Lets other work of the process run now and then. Rejects with the reason of the signal. */
  async run(signal?: AbortSignal): Promise<SelectionSimulationResult> {
    const loop = this.#loop;
    const { durationMs } = this.#spec.load;
    this.#begin();
    for (;;) {
      const arrivesAtMs = this.#stream.nextMs;
      if (arrivesAtMs <= loop.nextMs) {
        if (arrivesAtMs === Number.POSITIVE_INFINITY) break;
        loop.moveTo(arrivesAtMs);
        this.#stream.take();
        this.#arrive();
        if (this.#arrived % turn === 0) {
          await new Promise((resolve) => setImmediate(resolve));
          signal?.throwIfAborted();
        }
      } else {
        if (loop.nextMs > durationMs && this.#pool.waiting === 0 && this.#measures.requests === this.#arrived) break;
        loop.step();
      }
      // Drains complete by a promise.
      if (this.#fleet.draining > 0) await Promise.resolve();
    }
    this.#fleet.bill(durationMs);
    return this.#measures.result(this.#spec.policy, this.#lawsByWork());
  }

  /** Rows that ran again in idle time. */
  get shadowed(): number {
    return this.#pool.shadowed;
  }

  #arrive(): void {
    this.#arrived++;
    this.#pool.arrive(Math.floor(this.#rowRandom.next() * this.#spec.labels.length));
  }

  #begin(): void {
    const { fleet, serving } = this.#spec;
    if (fleet.kind === 'fixed') this.#fleet.begin({ [typeName]: fleet.instances });
    else this.#scale(fleet);
    if (serving.kind !== 'periodic') return;
    let before = 0;
    const assign = (ratePerSecond: number): void => this.#pool.assign((count) => assignModels(serving.plans, count, ratePerSecond));
    assign(this.#meanRatePerSecond);
    this.#every(periodMs, () => {
      assign(((this.#arrived - before) * 1000) / periodMs);
      before = this.#arrived;
    });
  }

  /** The scaling policy decides over the count of instances, as it does for an endpoint. */
  #scale(fleet: Extract<SelectionFleet, { kind: 'elastic' }>): void {
    const policy = parsePolicy(fleet.scaling);
    const slotMs = slotMsFor(fleet.leadMs, policy);
    const planning = this.#planningOf(fleet, policy, slotMs);
    this.#fleet.begin(planning.begin(this.#observed()).plan);
    const { planMs, fastMs } = periodsOf(policy, slotMs);
    const plan = (trigger: 'period' | 'fast'): void => this.#fleet.apply(planning.decide(trigger, this.#observed()).chosen.plan);
    let counted = 0;
    this.#every(slotMs, () => {
      planning.counted(this.#arrived - counted);
      counted = this.#arrived;
    });
    this.#every(planMs, () => plan('period'));
    if (fastMs !== null) this.#every(fastMs, () => this.#loop.nowMs() % planMs !== 0 && plan('fast'));
    this.#every(60_000, () => this.#fleet.bill(this.#loop.nowMs()));
  }

  #planningOf(fleet: Extract<SelectionFleet, { kind: 'elastic' }>, policy: Policy, slotMs: number): Planning {
    const { load, objective, usdPerInstanceHour } = this.#spec;
    const { batch, rowsPerSecond } = fleet.sizedFor;
    const usdPerHour = usdPerInstanceHour / priceFactorOf(policy);
    return new Planning({
      policy,
      objective,
      limits: { min: fleet.instancesMin, max: fleet.instancesMax },
      budget: () => null,
      slotMs,
      history: loadHistory(load, slotMs, this.#spec.seed),
      isSeasonal: load.isSeasonal,
      spot: {},
      types: [
        {
          name: typeName,
          usdPerHour,
          batchSize: batch,
          ratePerSecond: rowsPerSecond,
          usdPerRequest: usdPerHour / 3600 / rowsPerSecond,
          isFeasible: true,
          leadMs: fleet.leadMs,
        },
      ],
      overflow: () => this.#overflowOf(fleet),
      functions: undefined,
      meanRatePerSecond: () => this.#meanRatePerSecond,
      peakRatePerSecond: () => this.#meanRatePerSecond,
    });
  }

  #overflowOf({ functions }: Extract<SelectionFleet, { kind: 'elastic' }>): { usdPerRequest: number; usdPerRequestAlone: number } | null {
    if (functions === null || this.#functionLaw === null) return null;
    const { plan } = this.#functionLaw;
    const usd = functionUsd(functions.prices, functions.memoryMiB, plan.fullMs) / plan.batch;
    return { usdPerRequest: usd, usdPerRequestAlone: usd };
  }

  #observed(): PlanningInput {
    return {
      nowMs: this.#loop.wallMs(),
      arrivals: this.#arrived,
      concurrencyMs: 0,
      queue: this.#pool.waiting,
      count: () => ({
        active: this.#fleet.count('active'),
        launching: this.#fleet.count('launching'),
        draining: this.#fleet.count('draining'),
      }),
      slo: null,
      future: () => this.#stream.countsPerSecond(this.#loop.nowMs(), 60),
    };
  }

  #typeOf(fleet: SelectionFleet): RunnableType {
    return {
      name: typeName,
      usdPerHour: this.#spec.usdPerInstanceHour,
      leadMs: fleet.kind === 'elastic' ? fleet.leadMs : 0,
      law: { drawMs: () => this.#pool.batchMs },
      interruptionsPerHour: 0,
      onDemand: null,
    };
  }

  /** Runs at each multiple of the period within the load. */
  #every(everyMs: number, run: () => void): void {
    const { durationMs } = this.#spec.load;
    let count = 1;
    const next = (): void => {
      run();
      count++;
      if (count * everyMs < durationMs) this.#loop.at(count * everyMs, eventKind.tick, next);
    };
    if (everyMs < durationMs) this.#loop.at(everyMs, eventKind.tick, next);
  }

  #lawsByWork(): readonly PlanLaw[] {
    const laws = this.#functionLaw === null ? this.#laws : [...new Set([this.#functionLaw, ...this.#laws])];
    return laws.toSorted((a, b) => b.plan.rowsPerSecond - a.plan.rowsPerSecond);
  }
}
