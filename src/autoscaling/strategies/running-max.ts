/** Strategy `running-max`: for the busiest slot that ever was, and some more. What MArk's published code does in place of a forecast. */
import { neededFor } from './plan-cost.ts';
import type { Policy } from './policy.ts';
import { type Ask, brief, primaryType, ruledCount, stay, type Verdict } from './strategy.ts';

export interface RunningMaxMemory {
  /** Requests of the busiest slot so far. */
  readonly countMax: number | null;
}

export const runningMaxBegin: RunningMaxMemory = { countMax: null };

export function runningMax(
  { factor }: Extract<Policy, { kind: 'running-max' }>,
  memory: RunningMaxMemory,
  ask: Ask,
): Verdict<RunningMaxMemory> {
  const { lastCount, slotMs } = ask.observation;
  const counted = lastCount !== null && Number.isFinite(lastCount) && lastCount >= 0 ? lastCount : null;
  const countMax = counted === null ? memory.countMax : Math.max(memory.countMax ?? 0, counted);
  if (countMax === null) return stay(ask, memory, 'no-measurement', 'no slot was counted yet');
  const { ratePerSecond } = primaryType(ask);
  const count = neededFor(factor * countMax, (ratePerSecond * slotMs) / 1000);
  return ruledCount(ask, { countMax }, count, `${brief(factor)} times the busiest slot of ${brief(countMax)} requests`);
}
