/**
 * Strategy `oracle`: knows the arrivals of each second of the next minute and starts instances instantly, which gives a lower
 * bound on the cost of any planner. A fluid queue that holds a quarter of a second of work approximates the real one. With
 * functions, instances run at 93 % of mu and the excess goes to functions. Without functions they run at 85 %, and no excess is
 * allowed.
 */
import { formatBrief, holdResult, primaryType, ruleCountResult, type StrategyInput, type StrategyResult } from '../strategies/strategy.ts';

const utilisation = 0.93;
const utilisationWithoutOverflow = 0.85;
const headroomSeconds = 0.25;

/** Number of requests beyond the capacity of n instances. */
export function fluidExcess(arrivals: readonly number[], count: number, ratePerSecond: number): number {
  const served = count * ratePerSecond;
  const room = headroomSeconds * served;
  let waiting = 0;
  let excess = 0;
  for (const arriving of arrivals) {
    waiting = Math.max(0, waiting + arriving - served);
    if (waiting <= room) continue;
    excess += waiting - room;
    waiting = room;
  }
  return excess;
}

/** For replayed traces only: a server has no future to look at. */
export function oracle(input: StrategyInput): StrategyResult<null> {
  const { future } = input.simulated;
  if (future === undefined || future.length === 0 || future.some((count) => !(count >= 0))) {
    return holdResult(input, null, 'no-measurement', 'the future is unknown: only a replayed trace has one');
  }
  const { ratePerSecond, usdPerHour } = primaryType(input);
  const usdEach = input.overflow?.usdPerRequest ?? Number.POSITIVE_INFINITY;
  const carried = ratePerSecond * (input.overflow === null ? utilisationWithoutOverflow : utilisation);
  const most = Math.min(input.limits.max, Math.ceil(Math.max(...future) / carried));
  let best = { count: most, usd: Number.POSITIVE_INFINITY, excess: fluidExcess(future, most, carried) };
  for (let count = 0; count <= most; count++) {
    const excess = fluidExcess(future, count, carried);
    const usd = (count * usdPerHour * future.length) / 3600 + (excess > 0 ? excess * usdEach : 0);
    if (usd < best.usd) best = { count, usd, excess };
  }
  const left = `in the next ${future.length} s ${formatBrief(best.excess)} requests exceed the capacity`;
  const why = best.usd === Number.POSITIVE_INFINITY ? `${left}, the maximum allows no more` : `${left}, $${formatBrief(best.usd)} in all`;
  return ruleCountResult(input, null, best.count, why, 'argmin');
}
