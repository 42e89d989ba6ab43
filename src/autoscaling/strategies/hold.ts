/**
 * Strategy `hold`: as many as there are. Somebody else says how many: a schedule, an alarm, a person. One that was woken for
 * requests that waited goes again when nobody asks any more.
 */
import { type Ask, primaryType, ruledCount, type Verdict } from './strategy.ts';

export interface HoldMemory {
  readonly isWoken: boolean;
}

export const holdBegin: HoldMemory = { isWoken: false };

export function hold(memory: HoldMemory, ask: Ask): Verdict<HoldMemory> {
  const { have } = primaryType(ask);
  const { min } = ask.limits;
  const wasWoken = memory.isWoken && have === 1;
  if (wasWoken && min === 0) return ruledCount(ask, holdBegin, 0, 'nobody asks any more');
  return ruledCount(ask, { isWoken: wasWoken || (have === 0 && min > 0) }, have, 'as many as there are');
}
