/**
 * Simulates a load under a policy, request by request, in virtual time. Pool, forecaster and scaling decisions are the platform's
 * own code. Only executors, their providers and the clients are modelled.
 */
import {
  type Budget,
  formatPolicy,
  HourlyBudget,
  type Plan,
  type Policy,
  parsePolicy,
  periodsOf,
  priceFactorOf,
  type ScalingDecision,
  type ScalingTrigger,
  slotMsFor,
  usesShortSlots,
} from '../autoscaling/index.ts';
import { type ServiceTable, typeCapacityOf } from '../profiling/index.ts';
import { SeededRandom } from '../random.ts';
import type { FunctionVariant, InferenceOutcome, VariantPool } from '../serving/index.ts';
import { ArrivalStream } from './load/arrival-stream.ts';
import { busyness, historySlotMsFor, loadArrivals, loadHistory } from './load/load.ts';
import { RowsOfLoad } from './load/rows-of-load.ts';
import { Measures } from './report/measures.ts';
import { type DecisionNote, resultOf, type SimulationResult } from './report/result.ts';
import { SimulatedBatching } from './simulated/batching.ts';
import { EventLoop, eventKind } from './simulated/event-loop.ts';
import { Fleet, type FleetType } from './simulated/fleet.ts';
import { FunctionProvider } from './simulated/function-provider.ts';
import { SimulatedOverflow } from './simulated/overflow.ts';
import { Planning, type PlanningInput } from './simulated/planning.ts';
import { simulatedPool } from './simulated/simulated-pool.ts';
import { choosesFunctions, fleetTypes, functionsObservation, hasFunctions, type SimulationSpec } from './simulation-spec.ts';

const beginsAtMsDefault = Date.UTC(2026, 0, 1);
const pollMs = 1000;
const decisionsMost = 20_000;

/** One run of a load under a policy. The constructor throws `invalid_request` for an invalid spec. */
export class Simulation {
  readonly #order: SimulationSpec;
  readonly #policy: Policy;
  readonly #choosesFunctions: boolean;
  readonly #loop: EventLoop;
  readonly #stream: ArrivalStream;
  readonly #rows: RowsOfLoad;
  readonly #measures: Measures;
  readonly #pool: VariantPool;
  readonly #fleet: Fleet;
  readonly #overflow: SimulatedOverflow;
  readonly #planning: Planning;
  /** Chooses memory and batch size of functions; null if they are fixed. */
  readonly #batching: SimulatedBatching | null;
  readonly #slotMs: number;
  readonly #hour = new HourlyBudget(null);
  readonly #notes: DecisionNote[] = [];
  #decided = 0;
  #countedRows = 0;

  constructor(spec: SimulationSpec) {
    const { load, objective, profile } = spec;
    this.#order = spec;
    const policy = parsePolicy(spec.policy);
    this.#policy = policy;
    this.#choosesFunctions = choosesFunctions(spec, policy);
    this.#loop = new EventLoop(spec.beginsAtMs ?? beginsAtMsDefault);
    this.#stream = new ArrivalStream(loadArrivals(load, spec.seed));
    this.#rows = new RowsOfLoad(load);
    this.#measures = new Measures(objective.latencyMs);
    const random = new SeededRandom(spec.serviceSeed);
    const types = fleetTypes(spec, policy);
    const leadMs = Math.max(0, ...types.map((type) => type.leadMs));
    this.#slotMs = historySlotMsFor(load, slotMsFor(leadMs, policy), usesShortSlots(policy));
    const functions = hasFunctions(spec, policy)
      ? new FunctionProvider({
          loop: this.#loop,
          pool: () => this.#pool,
          measures: this.#measures,
          profile,
          random,
          memoryMiB: spec.memoryMiB,
          gatewayMs: this.#choosesFunctions ? profile.overheadMs : 0,
        })
      : null;
    this.#pool = simulatedPool(spec, { clock: this.#loop, policy, types, functions });
    this.#batching = this.#choosesFunctions ? this.#makeBatching(functions as FunctionProvider) : null;
    this.#fleet = new Fleet({
      loop: this.#loop,
      pool: this.#pool,
      measures: this.#measures,
      types,
      random,
      faultRandom: new SeededRandom(spec.serviceSeed + 1),
      launchFailureShare: spec.faults.launchFailureShare,
      onNotice: (notices) => this.#decide('spot', notices).chosen.plan,
    });
    this.#overflow = new SimulatedOverflow({
      clock: this.#loop,
      spec,
      policy,
      pool: this.#pool,
      measures: this.#measures,
      budget: () => this.#budget(),
      instancesUsdPerHour: () => this.#fleet.usdPerHour,
    });
    this.#planning = this.#makePlanning(types);
  }

  /** Runs from the first request to the last response. */
  async run(): Promise<SimulationResult> {
    const loop = this.#loop;
    const stream = this.#stream;
    const { durationMs } = this.#order.load;
    this.#begin();
    for (;;) {
      const arrivesAtMs = stream.nextMs;
      if (arrivesAtMs <= loop.nextMs) {
        if (arrivesAtMs === Number.POSITIVE_INFINITY) break;
        loop.moveTo(arrivesAtMs);
        stream.take();
        this.#arrive(arrivesAtMs);
      } else {
        if (loop.nextMs > durationMs && this.#measures.inSystem === 0) break;
        loop.step();
      }
      if (this.#batching?.isDeciding === true) await this.#batching.decided();
      // Drains complete by a promise, which needs a turn of the real event loop.
      if (this.#fleet.draining > 0) await Promise.resolve();
    }
    this.#fleet.bill(durationMs);
    this.#overflow.bill(durationMs);
    this.#measures.endMinute(this.#fleet.count('active'), this.#fleet.count('launching'), true);
    return resultOf(this.#order.label ?? formatPolicy(this.#policy), this.#measures, this.#notes, this.#decided);
  }

  #arrive(nowMs: number): void {
    const measures = this.#measures;
    const rows = this.#rows.next(nowMs);
    measures.arrived(nowMs, rows);
    this.#pool.submit({ requestId: '', inputs: [], rows, arrivedAtMs: nowMs }, (outcome) => this.#settled(outcome, nowMs, rows));
    measures.waiting(this.#pool.rowsWaiting);
  }

  #settled(outcome: InferenceOutcome, arrivedAtMs: number, rows: number): void {
    const nowMs = this.#loop.nowMs();
    // The gateway takes time too. The batch controller learns from latencies that include it, so then function responses already
    // contain it.
    const isIncluded = outcome.ok && outcome.result.overflow !== null && this.#choosesFunctions;
    const gatewayMs = isIncluded ? 0 : this.#order.profile.overheadMs;
    if (outcome.ok) this.#measures.answered(nowMs, nowMs - arrivedAtMs + gatewayMs, rows);
    else this.#measures.unanswered(nowMs, outcome.error.code === 'deadline_exceeded' ? 'dropped' : 'rejected', rows);
  }

  #begin(): void {
    const { serverless } = this.#order;
    if (serverless !== undefined) this.#pool.functions?.apply({ ...serverless, decisionId: null });
    const begin = this.#planning.begin(this.#observed());
    this.#fleet.begin(begin.plan);
    this.#overflow.warm(begin.warmFunctions);
    this.#noteForecast();
    this.#batching?.open();
    const { planMs, fastMs } = periodsOf(this.#policy, this.#slotMs);
    this.#every(60_000, () => {
      this.#fleet.bill(this.#loop.nowMs());
      this.#overflow.bill();
      this.#measures.endMinute(this.#fleet.count('active'), this.#fleet.count('launching'), false);
    });
    this.#every(this.#slotMs, () => {
      this.#planning.counted(this.#measures.rows - this.#countedRows);
      this.#countedRows = this.#measures.rows;
      this.#noteForecast();
    });
    this.#every(planMs, () => this.#plan('period'));
    if (fastMs !== null) this.#every(fastMs, () => this.#loop.nowMs() % planMs !== 0 && this.#plan('fast'));
    if (this.#isBudgeted) this.#every(pollMs, () => this.#overflow.follow());
  }

  /** Runs at each multiple of the period within the load. Coinciding events run in order of creation. */
  #every(periodMs: number, run: () => void): void {
    const { durationMs } = this.#order.load;
    let count = 1;
    const next = (): void => {
      run();
      count++;
      if (count * periodMs < durationMs) this.#loop.at(count * periodMs, eventKind.tick, next);
    };
    if (periodMs < durationMs) this.#loop.at(periodMs, eventKind.tick, next);
  }

  #plan(trigger: ScalingTrigger): void {
    const { chosen } = this.#decide(trigger);
    this.#fleet.apply(chosen.plan, this.#policy.kind === 'oracle');
    this.#overflow.warm(chosen.warmFunctions);
    if (chosen.functions === null) return;
    const { memoryMiB, batchSizeMax, waitMsMax } = chosen.functions;
    this.#pool.functions?.apply({ memoryMiB, batchSizeMax, waitMsMax, decisionId: null });
  }

  get #isBudgeted(): boolean {
    return (this.#order.usdPerHourMax ?? null) !== null;
  }

  /** The remaining budget of the hour; null without a limit. */
  #budget(): Budget | null {
    const { usdPerHourMax = null } = this.#order;
    if (usdPerHourMax === null) return null;
    const wallMs = this.#loop.wallMs();
    this.#fleet.bill(this.#loop.nowMs());
    this.#hour.observe(this.#measures.instanceUsd + this.#measures.overflowUsd, wallMs);
    return this.#hour.at(usdPerHourMax, wallMs);
  }

  #decide(trigger: ScalingTrigger, notices?: Plan): ScalingDecision {
    const decision = this.#planning.decide(trigger, this.#observed(), notices);
    this.#decided++;
    if ((decision.changes || trigger === 'spot') && this.#notes.length < decisionsMost) {
      const { chosen, explanation } = decision;
      this.#notes.push({ atS: this.#loop.nowMs() / 1000, trigger, plan: chosen.plan, reason: chosen.reason, explanation });
    }
    return decision;
  }

  #noteForecast(): void {
    const [next] = this.#planning.forecast?.horizons ?? [];
    if (next === undefined || this.#loop.nowMs() % 60_000 !== 0) return;
    const perMinute = 60_000 / this.#slotMs;
    const [, p10, , , , , , , , p90] = next.quantiles as [number, number, number, number, number, number, number, number, number, number];
    this.#measures.forecast(next.mean * perMinute, p10 * perMinute, p90 * perMinute);
  }

  #observed(): PlanningInput {
    const nowMs = this.#loop.nowMs();
    return {
      nowMs: this.#loop.wallMs(),
      arrivals: this.#measures.rows,
      concurrencyMs: this.#measures.concurrencyMs(nowMs),
      queue: this.#pool.rowsWaiting,
      count: (type) => {
        const [active, launching, draining] = (['active', 'launching', 'draining'] as const).map((state) => this.#fleet.count(state, type));
        return { active: active as number, launching: launching as number, draining: draining as number };
      },
      slo: this.#order.isCorrecting ? this.#measures.windows(nowMs) : null,
      future: () => this.#stream.countsPerSecond(nowMs, 60).map((count) => count * this.#rows.mean),
    };
  }

  #makeBatching(functions: FunctionProvider): SimulatedBatching {
    const { profile } = this.#order;
    const tableOf = (memoryMiB: number): ServiceTable => functions.sizeOf(memoryMiB).law.table;
    return new SimulatedBatching({
      clock: this.#loop,
      variant: () => this.#pool.functions as FunctionVariant,
      extraMs: (memoryMiB) => functions.sizeOf(memoryMiB).networkMs + profile.overheadMs,
      profiles: profile.functions.map(({ memoryMiB, coldMs }) => {
        return { memoryMiB, coldMs, profile: functions.sizeOf(memoryMiB).law.profile, basis: 'measured', peakMemoryMiB: 0, fits: true };
      }),
      tableOf,
      prices: profile.functionPrices,
      onDecision: ({ changes, reason, explanation }) => {
        if (!changes || this.#notes.length >= decisionsMost) return;
        this.#notes.push({ atS: this.#loop.nowMs() / 1000, trigger: 'batching', plan: {}, reason, explanation });
      },
    });
  }

  #makePlanning(types: readonly FleetType[]): Planning {
    const { objective, load, profile, instancesMin = 0, instancesMax, floors, seed } = this.#order;
    return new Planning({
      policy: this.#policy,
      objective,
      limits: { min: instancesMin, max: instancesMax, ...(floors === undefined ? {} : { floors }) },
      budget: () => this.#budget(),
      slotMs: this.#slotMs,
      history: loadHistory(load, this.#slotMs, seed),
      isSeasonal: load.isSeasonal,
      spot: Object.fromEntries(
        types.flatMap(({ name, leadMs: recoveryMs, onDemand, interruptionsPerHour }) =>
          onDemand === null ? [] : [[name, { interruptionsPerHour, recoveryMs, onDemand }]],
        ),
      ),
      types: types.map(({ name, usdPerHour, leadMs, law }) => {
        const listed = { name, usdPerHour: usdPerHour / priceFactorOf(this.#policy), service: law.table };
        return { ...typeCapacityOf(listed, objective, profile.overheadMs), leadMs };
      }),
      overflow: () => this.#overflow.observe(),
      functions: functionsObservation(profile),
      meanRatePerSecond: () => busyness(load, seed).meanRatePerSecond * this.#rows.mean,
      peakRatePerSecond: () => busyness(load, seed).peakRatePerSecond * this.#rows.mean,
    });
  }
}
