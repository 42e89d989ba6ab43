/**
 * Strategy `mark-greedy`: the planner of MArk (Zhang, Yu, Wang and Yan, USENIX ATC 2019, section 4.2), by the method and not by the
 * published code. From the busiest of the next six minutes on, it adds the instance that carries a request for the least money, until
 * nothing is left; running instances cost no start-up, new ones three minutes of their price.
 */
import { atHorizon } from './forecast-view.ts';
import type { Policy } from './policy.ts';
import { held, mostOf, type RecentPlan, withPlan } from './recent.ts';
import { type Ask, brief, ruled, stay, type Verdict } from './strategy.ts';

export interface MarkGreedyMemory {
  readonly recent: readonly RecentPlan[];
}

export const markGreedyBegin: MarkGreedyMemory = { recent: [] };

/** Minutes ahead that are planned for. */
export const markHorizons = 50;
const peakWithin = 6;
const startSeconds = 180;
const guardSlots = 6;

export interface MarkType {
  readonly name: string;
  /** C: requests per minute. */
  readonly perMinute: number;
  /** P: US dollars per second. */
  readonly usdPerSecond: number;
  /** R: running, launching ones included. */
  readonly running: number;
}

export interface MarkPlan {
  readonly launch: Readonly<Record<string, number>>;
  /** With those of the running ones that are still of use. */
  readonly wanted: Readonly<Record<string, number>>;
}

/**
 * F = requests per minute of the minutes to come:
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

export function markGreedy(
  { safety }: Extract<Policy, { kind: 'mark-greedy' }>,
  memory: MarkGreedyMemory,
  ask: Ask,
): Verdict<MarkGreedyMemory> {
  const { observation, types, nowMs, limits } = ask;
  const { forecast, slotMs } = observation;
  if (forecast === null) return stay(ask, memory, 'no-forecast', 'there is no forecast yet');
  const toPerMinute = 60_000 / slotMs;
  const perMinute = Array.from(
    { length: markHorizons },
    (_, i) => safety * toPerMinute * (atHorizon(forecast, Math.ceil((i + 1) * toPerMinute))?.mean ?? 0),
  );
  const asked = types.map(({ name, ratePerSecond, usdPerHour, have }): MarkType => {
    return { name, perMinute: ratePerSecond * 60, usdPerSecond: usdPerHour / 3600, running: have };
  });
  const { wanted } = markGreedyPlan(perMinute, asked, limits.max + 1);
  const recent = withPlan(memory.recent, wanted, guardSlots, slotMs, nowMs);
  const have = Object.fromEntries(types.map((type) => [type.name, type.have]));
  const plan = held(wanted, have, mostOf(recent, Object.keys(wanted)));
  const isHeld = Object.keys(wanted).some((name) => plan[name] !== wanted[name]);
  const why = `the busiest of the next six minutes has ${brief(Math.max(...perMinute.slice(0, peakWithin)))} requests`;
  return ruled(ask, { recent }, plan, why, isHeld ? 'hold' : 'rule');
}
