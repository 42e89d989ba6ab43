/** Charges for the runs of a function's environment. Pure: `FunctionPool` decides what is counted and billed. */
import { type BilledInvocation, billedMs, type FunctionPrices, functionUsd } from '../../costs/index.ts';
import type { Environment } from './environment.ts';

/** The charge for an environment that a ping started before any request: its start alone. */
export function startCharge({ memoryMiB, coldStartMs }: Environment, prices: FunctionPrices): BilledInvocation {
  return chargeFor(prices, memoryMiB, coldStartMs);
}

/** The charge for a run. The first run of an environment includes its start, unless that is already paid for. */
export function runCharge({ memoryMiB, isCold, coldStartMs }: Environment, serviceMs: number, prices: FunctionPrices): BilledInvocation {
  if (!isCold) return chargeFor(prices, memoryMiB, serviceMs);
  return { ...chargeFor(prices, memoryMiB, serviceMs + coldStartMs), isColdStart: true, setupMs: coldStartMs };
}

function chargeFor(prices: FunctionPrices, memoryMiB: number, ms: number): BilledInvocation {
  return { memoryMiB, billedMs: billedMs(prices, ms), usd: functionUsd(prices, memoryMiB, ms), isColdStart: false };
}
