/**
 * Strategy `hold`: keeps the current number of instances, set manually, by a schedule or by an alarm. An instance that was
 * started for waiting requests is removed once traffic has stopped.
 */
import { primaryType, ruleCountResult, type StrategyInput, type StrategyResult } from './strategy.ts';

/** Whether the current instance was started only because requests were waiting. */
export interface HoldMemory {
  readonly isWoken: boolean;
}

/** No instance was started for waiting requests. */
export const holdInitial: HoldMemory = { isWoken: false };

/** From zero, a waiting request still gets an instance; otherwise the number is held. */
export function hold(memory: HoldMemory, input: StrategyInput): StrategyResult<HoldMemory> {
  const { have } = primaryType(input);
  const { min } = input.limits;
  const wasWoken = memory.isWoken && have === 1;
  if (wasWoken && min === 0) return ruleCountResult(input, holdInitial, 0, 'the traffic has ended');
  return ruleCountResult(input, { isWoken: wasWoken || (have === 0 && min > 0) }, have, 'the current number is held');
}
