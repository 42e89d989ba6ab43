/**
 * Strategy `running-max`: enough instances for the busiest slot so far, times a factor. MArk's published code uses this instead
 * of a forecast.
 */
import { instancesNeededFor } from '../strategies/plans/plan-cost.ts';
import type { Policy } from '../strategies/policy.ts';
import { formatBrief, holdResult, primaryType, ruleCountResult, type StrategyInput, type StrategyResult } from '../strategies/strategy.ts';

/** The busiest slot. It never decreases, so neither do the instances. */
export interface RunningMaxMemory {
  /** Requests of the busiest slot so far. */
  readonly countMax: number | null;
}

/** Before the first counted slot. */
export const runningMaxInitial: RunningMaxMemory = { countMax: null };

/** A slot without a count is ignored; it is not taken for zero. */
export function runningMax(
  { factor }: Extract<Policy, { kind: 'running-max' }>,
  memory: RunningMaxMemory,
  input: StrategyInput,
): StrategyResult<RunningMaxMemory> {
  const { lastCount, slotMs } = input.observation;
  const counted = lastCount !== null && Number.isFinite(lastCount) && lastCount >= 0 ? lastCount : null;
  const countMax = counted === null ? memory.countMax : Math.max(memory.countMax ?? 0, counted);
  if (countMax === null) return holdResult(input, memory, 'no-measurement', 'no slot has been counted yet');
  const { ratePerSecond } = primaryType(input);
  const count = instancesNeededFor(factor * countMax, (ratePerSecond * slotMs) / 1000);
  return ruleCountResult(input, { countMax }, count, `${formatBrief(factor)} times the busiest slot of ${formatBrief(countMax)} requests`);
}
