/** What the runs of a function's environment are charged. Pure: who counts and who pays is told by `Functions`. */
import { billedMs, type FunctionPrices, functionUsd, type Invocation } from '../costs/index.ts';
import type { Environment } from './environment.ts';

/** It was started by its first ping, before anybody came. */
export function startCharge({ memoryMiB, coldStartMs }: Environment, prices: FunctionPrices): Invocation {
  return chargeFor(prices, memoryMiB, coldStartMs);
}

/** The first run of an environment is billed with its start, unless that is paid for already. */
export function runCharge({ memoryMiB, isCold, coldStartMs }: Environment, serviceMs: number, prices: FunctionPrices): Invocation {
  if (!isCold) return chargeFor(prices, memoryMiB, serviceMs);
  return { ...chargeFor(prices, memoryMiB, serviceMs + coldStartMs), isColdStart: true, setupMs: coldStartMs };
}

function chargeFor(prices: FunctionPrices, memoryMiB: number, ms: number): Invocation {
  return { memoryMiB, billedMs: billedMs(prices, ms), usd: functionUsd(prices, memoryMiB, ms), isColdStart: false };
}
