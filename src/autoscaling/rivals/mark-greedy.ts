/**
 * Strategy `mark-greedy`: the planner of MArk (Zhang, Yu, Wang and Yan, USENIX ATC 2019, section 4.2), after the paper, not the
 * published code. From the busiest of the next six minutes on, it adds the instance with the lowest cost per request until all
 * requests are covered. A new instance has a start-up cost of three minutes of its price, a running one has none.
 */
import { atHorizon } from '../strategies/forecast-view.ts';
import { heldPlan, largestOf, type RecentPlan, withPlan } from '../strategies/plans/recent-plans.ts';
import type { Policy } from '../strategies/policy.ts';
import { formatBrief, holdResult, ruleResult, type StrategyInput, type StrategyResult } from '../strategies/strategy.ts';

/** Recent plans, so that instances are not removed for a short lull. */
export interface MarkGreedyMemory {
  readonly recent: readonly RecentPlan[];
}

/** Before the first plan. */
export const markGreedyInitial: MarkGreedyMemory = { recent: [] };

/** Minutes ahead to plan for. */
export const markHorizons = 50;
const peakWithin = 6;
const startSeconds = 180;
const guardSlots = 6;

/** An instance type, in the notation of MArk's paper. */
export interface MarkType {
  readonly name: string;
  /** C: requests per minute. */
  readonly perMinute: number;
  /** P: US dollars per second. */
  readonly usdPerSecond: number;
  /** R: number of running instances, including launching ones. */
  readonly running: number;
}

/** Number of instances by type name. */
export interface MarkPlan {
  readonly launch: Readonly<Record<string, number>>;
  /** Instances to run, including running ones that are still useful. */
  readonly wanted: Readonly<Record<string, number>>;
}

/**
 * F = requests per minute of the coming minutes:
 *
 *   loop: res[j] = F[j] - Σ plan C;  k = first argmax of res[0..5];  if res[k] <= 0: stop
 *         span = number of consecutive j = k, k+1, … with res[j] >= 0
 *         u = Σ over j < span of min(C, max(0, res[k+j]));  score = (P span 60 + O) / u
 *         add the least score (ties: a running one), running ones only while there are any left
 */
export function markGreedyPlan(
  perMinute: readonly number[],
  types: readonly MarkType[],
  instancesMax = Number.POSITIVE_INFINITY,
): MarkPlan {
  const offers = [false, true].flatMap((isRunning) =>
    types.map((type) => ({ type, isRunning, left: isRunning ? type.running : Number.POSITIVE_INFINITY, taken: 0 })),
  );
  const rest = [...perMinute];
  for (let planned = 0; planned < instancesMax; planned++) {
    const k = firstPeak(rest);
    if ((rest[k] ?? 0) <= 0) break;
    let span = 0;
    while (k + span < rest.length && (rest[k + span] as number) >= 0) span++;
    let best: (typeof offers)[number] | undefined;
    let leastScore = Number.POSITIVE_INFINITY;
    for (const offer of offers) {
      if (offer.left === 0) continue;
      const { perMinute: capacity, usdPerSecond } = offer.type;
      let carried = 0;
      for (let j = k; j < k + span; j++) carried += Math.min(capacity, Math.max(0, rest[j] as number));
      const score = (usdPerSecond * span * 60 + (offer.isRunning ? 0 : startSeconds * usdPerSecond)) / carried;
      if (score > leastScore) continue;
      leastScore = score;
      best = offer;
    }
    if (best === undefined) break;
    best.left--;
    best.taken++;
    for (let j = 0; j < rest.length; j++) rest[j] = (rest[j] as number) - best.type.perMinute;
  }
  const sum = (isOf: (isRunning: boolean) => boolean): Record<string, number> => {
    const counts: Record<string, number> = Object.fromEntries(types.map(({ name }) => [name, 0]));
    for (const { type, isRunning, taken } of offers) if (isOf(isRunning)) counts[type.name] = (counts[type.name] ?? 0) + taken;
    return counts;
  };
  return { launch: sum((isRunning) => !isRunning), wanted: sum(() => true) };
}

function firstPeak(rest: readonly number[]): number {
  let peak = 0;
  for (let j = 1; j < Math.min(peakWithin, rest.length); j++) if ((rest[j] as number) > (rest[peak] as number)) peak = j;
  return peak;
}

/** Plans in minutes, whatever the slots of the forecast are. Holds the number until there is a forecast. */
export function markGreedy(
  { safety }: Extract<Policy, { kind: 'mark-greedy' }>,
  memory: MarkGreedyMemory,
  input: StrategyInput,
): StrategyResult<MarkGreedyMemory> {
  const { observation, types, nowMs, limits } = input;
  const { forecast, slotMs } = observation;
  if (forecast === null) return holdResult(input, memory, 'no-forecast', 'there is no forecast yet');
  const toPerMinute = 60_000 / slotMs;
  const perMinute = Array.from(
    { length: markHorizons },
    (_, i) => safety * toPerMinute * (atHorizon(forecast, Math.ceil((i + 1) * toPerMinute))?.mean ?? 0),
  );
  const requested = types.map(({ name, ratePerSecond, usdPerHour, have }): MarkType => {
    return { name, perMinute: ratePerSecond * 60, usdPerSecond: usdPerHour / 3600, running: have };
  });
  const { wanted } = markGreedyPlan(perMinute, requested, limits.max + 1);
  const recent = withPlan(memory.recent, wanted, guardSlots, slotMs, nowMs);
  const have = Object.fromEntries(types.map((type) => [type.name, type.have]));
  const plan = heldPlan(wanted, have, largestOf(recent, Object.keys(wanted)));
  const isHeld = Object.keys(wanted).some((name) => plan[name] !== wanted[name]);
  const why = `the busiest of the next six minutes has ${formatBrief(Math.max(...perMinute.slice(0, peakWithin)))} requests`;
  return ruleResult(input, { recent }, plan, why, isHeld ? 'hold' : 'rule');
}
