/**
 * Strategy `oracle`: knows the arrivals of each second of the next minute and starts instances in no time: the cheapest that any
 * planner could be. A fluid queue stands for the real one: it has room for a quarter of a second of work, and what does not fit goes
 * to functions (at 93 % of mu; without functions nothing may be left over, at 85 %).
 */
import { type Ask, brief, primaryType, ruledCount, stay, type Verdict } from './strategy.ts';

const utilisation = 0.93;
const utilisationWithoutOverflow = 0.85;
const roomSeconds = 0.25;

/** Requests that n instances leave over. */
export function fluidExcess(arrivals: readonly number[], count: number, ratePerSecond: number): number {
  const served = count * ratePerSecond;
  const room = roomSeconds * served;
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

export function oracle(ask: Ask): Verdict<null> {
  const { future } = ask.observation;
  if (future === undefined || future.length === 0 || future.some((count) => !(count >= 0))) {
    return stay(ask, null, 'no-measurement', 'the future is not known: only a replayed trace has one');
  }
  const { ratePerSecond, usdPerHour } = primaryType(ask);
  const usdEach = ask.overflow?.usdPerRequest ?? Number.POSITIVE_INFINITY;
  const carried = ratePerSecond * (ask.overflow === null ? utilisationWithoutOverflow : utilisation);
  const most = Math.min(ask.limits.max, Math.ceil(Math.max(...future) / carried));
  let best = { count: most, usd: Number.POSITIVE_INFINITY, excess: fluidExcess(future, most, carried) };
  for (let count = 0; count <= most; count++) {
    const excess = fluidExcess(future, count, carried);
    const usd = (count * usdPerHour * future.length) / 3600 + (excess > 0 ? excess * usdEach : 0);
    if (usd < best.usd) best = { count, usd, excess };
  }
  const left = `of the next ${future.length} s ${brief(best.excess)} requests are left over`;
  const why = best.usd === Number.POSITIVE_INFINITY ? `${left}, the maximum allows no more` : `${left}, $${brief(best.usd)} in all`;
  return ruledCount(ask, null, best.count, why, 'argmin');
}
