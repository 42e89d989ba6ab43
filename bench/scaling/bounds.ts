/**
 * `npm run bench -- scaling-bounds`: how much of the cost of `economic` better knowledge could save. A fluid model, one second at a time,
 * replaces the queue, so that hindsight can be computed exactly: its figures compare with each other, and are within a few percent of
 * those of the simulator.
 */
import { decideScaling, horizonsOf, initialScalingState, parsePolicy, type ScalingState, slotMsFor } from '../../src/autoscaling/index.ts';
import { forecastViewOf } from '../../src/autoscaling/strategies/forecast-view.ts';
import { createForecaster } from '../../src/forecasting/create-forecaster.ts';
import type { History } from '../../src/forecasting/history.ts';
import { conditional, type PointModel, TrackedForecaster } from '../../src/forecasting/tracked-forecaster.ts';
import { type Load, loadArrivals, loadHistory } from '../../src/simulation/load/load.ts';
import { large, noLimits, observed, overflow } from '../../test/scaling-observations.ts';
import { commit, machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import { type LoadName, loadNames } from './rows.ts';
import { loadOf } from './specs.ts';

interface Bound {
  readonly load: LoadName;
  readonly knowledge: string;
  readonly costUsdPerMillion: number;
}

const leadS = large.leadMs / 1000;
const usdPerSecond = large.usdPerHour / 3600;
const usdEach = overflow.usdPerRequest;
/** Share of its full batches that an instance serves before requests overflow, so that costs match the simulator; and the seconds of work that may wait. */
const utilisation = 0.98;
const headroomS = 0.25;
const billedAtLeastS = 60;
const policy = parsePolicy('economic');
const slotS = slotMsFor(large.leadMs, policy) / 1000;

/** The number of instances wanted at the end of a slot. */
type Decide = (slot: number, active: number, launching: number) => number;

export async function scalingBounds({ isDry }: { readonly isDry: boolean }): Promise<void> {
  const bounds: Bound[] = [];
  const missing: string[] = [];
  for (const name of loadNames) {
    const found = loadOf(name);
    if (typeof found === 'string') {
      missing.push(found);
      continue;
    }
    for (const [knowledge, costUsdPerMillion] of boundsOf(name, found)) {
      console.error(`${name}, ${knowledge}: $${costUsdPerMillion.toFixed(2)} per million`);
      bounds.push({ load: name, knowledge, costUsdPerMillion });
    }
  }
  const at = new Date().toISOString();
  const table = boundsTable(at, missing, bounds);
  console.log(table);
  if (!isDry) writeResults('scaling-bounds', { at, commit: commit(), machine: machine(), missing, bounds }, table);
}

function boundsTable(at: string, missing: readonly string[], bounds: readonly Bound[]): string {
  const loads = loadNames.filter((load) => bounds.some((bound) => bound.load === load));
  const rows = [...new Set(bounds.map(({ knowledge }) => knowledge))].sort((a, b) => Number(a === 'economic') - Number(b === 'economic'));
  const lines = rows.map((knowledge) => {
    const cells = loads.map((load) => bounds.find((bound) => bound.load === load && bound.knowledge === knowledge));
    return [knowledge, ...cells.map((bound) => bound?.costUsdPerMillion.toFixed(2) ?? '')];
  });
  return [
    `${at.slice(0, 10)}, commit ${commit()}: $ per million requests in the fluid model.`,
    ...missing.map((why) => `Skipped: ${why}.`),
    [['the policy', ...loads], ['---', ...loads.map(() => '---')], ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n'),
  ].join('\n\n');
}

function* boundsOf(name: LoadName, { load, seed }: { readonly load: Load; readonly seed: number }): Generator<[string, number]> {
  const seconds = countsPerSecond(load, seed);
  yield ['knows all arrivals, and instances start at once', hindsightCost(seconds, 0)];
  yield ['knows all arrivals, instances start in two minutes', hindsightCost(seconds, leadS)];
  const before = loadHistory(load, slotS * 1000, seed).map((count) => count ?? 0);
  const counts = [...before, ...inSlots(seconds)];
  if (name === 'MMPP') {
    for (const delayS of [0, 30, 60]) yield [`knows the rate of ${delayS} s ago, and how it switches`, switchingCost(seconds, delayS)];
  } else {
    for (const minutes of [2, 5, 10]) {
      const knowing = (horizons: readonly number[]): PointModel => new MeanAround(counts, horizons, (minutes * 60) / slotS);
      yield [`knows the mean rate of the ${2 * minutes} minutes around each slot`, policyCost(load, seconds, before, knowing)];
    }
  }
  yield ['economic', policyCost(load, seconds, before, null)];
}

/** The cost of `economic`, or of its decisions with the means of a model that knows more. */
function policyCost(
  load: Load,
  seconds: Uint32Array,
  before: readonly number[],
  knowing: ((horizons: readonly number[]) => PointModel) | null,
): number {
  const horizons = horizonsOf(policy, large.leadMs, slotS * 1000);
  const options = { horizons, slotsPerDay: 86_400 / slotS, isSeasonal: load.isSeasonal };
  const forecaster =
    knowing === null
      ? createForecaster('rls-windows', options)
      : new TrackedForecaster('knowing', options, { newModel: ({ horizons: rising }) => knowing(rising), quantiles: conditional });
  for (const [slot, count] of before.entries()) forecaster.observe(slot, count);
  const counts = inSlots(seconds);
  let state: ScalingState = initialScalingState;
  return fluidCost(seconds, (slot, active, launching) => {
    if (slot >= 0) forecaster.observe(before.length + slot, counts[slot] as number);
    const type = { ...large, active, launching };
    const observation = { limits: noLimits, slotMs: slotS * 1000, forecast: forecastViewOf(forecaster), lastCount: counts[slot] ?? null };
    const decided = decideScaling(policy, state, observed({ types: [type], ...observation }), (slot + 1) * slotS * 1000);
    state = decided.state;
    return decided.decision.chosen.plan[large.name] ?? 0;
  });
}

/** Means over the slots around the one that is forecast, the future included. */
class MeanAround implements PointModel {
  readonly #sums: Float64Array;
  readonly #horizons: readonly number[];
  readonly #reach: number;

  constructor(counts: readonly number[], horizons: readonly number[], reach: number) {
    this.#sums = new Float64Array(counts.length + 1);
    for (const [i, count] of counts.entries()) this.#sums[i + 1] = (this.#sums[i] as number) + count;
    this.#horizons = horizons;
    this.#reach = reach;
  }

  train(): void {}

  rootAhead({ slot }: History, i: number): number {
    const last = this.#sums.length - 1;
    const at = Math.min(slot + (this.#horizons[i] as number), last - 1);
    const [from, to] = [Math.max(0, at - this.#reach), Math.min(last, at + this.#reach + 1)];
    return Math.sqrt(((this.#sums[to] as number) - (this.#sums[from] as number)) / (to - from));
  }

  snapshot(): unknown {
    return null;
  }

  restore(): void {}
}

/**
 * The least cost of a policy that knows which rate of the switching load prevailed `delayS` ago. What follows depends on nothing else, so
 * the best such policy has one number of instances for each rate; the best pair is searched.
 */
function switchingCost(seconds: Uint32Array, delayS: number): number {
  const isHigh = (second: number): boolean => (seconds[Math.max(0, second)] as number) > 35;
  let least = Number.POSITIVE_INFINITY;
  for (let low = 0; low <= 2; low++) {
    for (let high = 3; high <= 7; high++) {
      const decide: Decide = (second) => (isHigh(second - delayS) ? high : low);
      least = Math.min(least, fluidCost(seconds, decide, 1));
    }
  }
  return least;
}

/** Runs a policy over the load. `periodS`: time between its decisions. */
function fluidCost(seconds: Uint32Array, decide: Decide, periodS = slotS): number {
  let active = decide(-1, 0, 0);
  const launchedAt: number[] = [];
  let [waiting, usd, requests] = [0, 0, 0];
  for (const [second, arriving] of seconds.entries()) {
    while (launchedAt.length > 0 && (launchedAt[0] as number) + leadS <= second) {
      launchedAt.shift();
      active++;
    }
    if (second > 0 && second % periodS === 0) {
      const wanted = decide(second / periodS - 1, active, launchedAt.length);
      while (active + launchedAt.length < wanted) launchedAt.push(second);
      while (active + launchedAt.length > wanted) {
        const youngest = launchedAt.pop();
        if (youngest === undefined) active--;
        else usd += usdPerSecond * Math.max(0, billedAtLeastS - (second - youngest));
      }
    }
    const served = active * large.ratePerSecond * utilisation;
    waiting = Math.max(0, waiting + arriving - served);
    const excess = Math.max(0, waiting - headroomS * served);
    waiting -= excess;
    usd += usdPerSecond * (active + launchedAt.length) + usdEach * excess;
    requests += arriving;
  }
  return (usd / requests) * 1e6;
}

/**
 * The least cost of any policy, by dynamic programming backwards from the end. The k-th instance serves what exceeds the capacity of k - 1,
 * so each has its own problem: be off, starting, or on.
 */
export function hindsightCost(seconds: Uint32Array, startS: number): number {
  const counts = inSlots(seconds);
  const capacity = large.ratePerSecond * utilisation * slotS;
  const starting = Math.round(startS / slotS);
  let usd = 0;
  for (let k = 1; (k - 1) * capacity < Math.max(...counts); k++) {
    /** Cost from here on, by the number of slots until the instance is on; the last entry: it is off. */
    let costs = new Float64Array(starting + 2);
    for (let slot = counts.length - 1; slot >= 0; slot--) {
      const missedUsd = usdEach * Math.min(capacity, Math.max(0, (counts[slot] as number) - (k - 1) * capacity));
      const before = new Float64Array(starting + 2);
      const off = missedUsd + (costs[starting + 1] as number);
      before[0] = Math.min(usdPerSecond * slotS + (costs[0] as number), off);
      for (let left = 1; left <= starting; left++) before[left] = usdPerSecond * slotS + missedUsd + (costs[left - 1] as number);
      before[starting + 1] = Math.min(off, before[starting] as number);
      costs = before;
    }
    usd += Math.min(costs[0] as number, costs[starting + 1] as number);
  }
  return (usd / seconds.reduce((sum, count) => sum + count, 0)) * 1e6;
}

function countsPerSecond(load: Load, seed: number): Uint32Array {
  const seconds = new Uint32Array(Math.ceil(load.durationMs / 1000));
  const arrivals = loadArrivals(load, seed);
  for (let next = arrivals.next(); next.done !== true; next = arrivals.next()) {
    for (const ms of next.value) {
      const second = Math.floor(ms / 1000);
      seconds[second] = (seconds[second] as number) + 1;
    }
  }
  return seconds;
}

function inSlots(seconds: Uint32Array): number[] {
  const counts = new Array<number>(Math.floor(seconds.length / slotS)).fill(0);
  for (let second = 0; second < counts.length * slotS; second++) {
    const slot = Math.floor(second / slotS);
    counts[slot] = (counts[slot] as number) + (seconds[second] as number);
  }
  return counts;
}
