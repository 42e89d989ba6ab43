/** What a function costs, and what computing power it is for its memory: as AWS Lambda prices and sizes them. */
import type { FunctionPrices } from './prices.ts';

/** So much memory comes with one whole processor. */
const mibPerVcpu = 1769;
const mibPerGb = 1024;
/** A duration that is a whole number of milliseconds but for its rounding as a float is not billed one more. */
const roundingMs = 1e-9;

/** Processors of a function of so many MiB; a fraction below 1769. */
export function functionVcpu(memoryMiB: number): number {
  return memoryMiB / mibPerVcpu;
}

/** How a function's worker is run. */
export interface FunctionShape {
  readonly threads: number;
  /** What it is to be held to; null where that is not possible. */
  readonly vcpuMax: number | null;
}

/**
 * Threads and processors of a function of so many MiB on a machine of so many cores. Where processors cannot be held
 * (`isHeld` is `limits.cpu` of the provider) every size runs alike, as one thread.
 */
export function functionShape(memoryMiB: number, cores: number, isHeld: boolean): FunctionShape {
  const vcpu = functionVcpu(memoryMiB);
  if (!isHeld) return { threads: 1, vcpuMax: null };
  return { threads: Math.max(1, Math.floor(Math.min(vcpu, cores))), vcpuMax: vcpu };
}

/** The duration that is billed: `ms` rounded up to the granularity. */
export function billedMs({ billingGranularityMs }: FunctionPrices, ms: number): number {
  return Math.ceil((ms - roundingMs) / billingGranularityMs) * billingGranularityMs;
}

/** GB-seconds of so many MiB for so long: 1024 MiB for one second is one. */
export function gbSeconds(memoryMiB: number, ms: number): number {
  return (memoryMiB / mibPerGb) * (ms / 1000);
}

/** What one invocation of so many milliseconds costs, whatever the size of its batch. */
export function functionUsd(prices: FunctionPrices, memoryMiB: number, ms: number): number {
  return gbSeconds(memoryMiB, billedMs(prices, ms)) * prices.usdPerGbSecond + prices.usdPerInvocation;
}

/** An environment that is not to be ended is pinged once in so long, and busy for so long then. */
export const pingEveryMs = 300_000;
export const pingBusyMs = 20;

/** What it costs to have one environment stay between requests by pings, which are invocations like others; charged by time. */
export function pingUsdPerHour(prices: FunctionPrices, memoryMiB: number): number {
  return (functionUsd(prices, memoryMiB, pingBusyMs) * 3_600_000) / pingEveryMs;
}

/** What one environment that is provisioned costs, to be charged by time like an instance. */
export function provisionedUsdPerHour({ usdPerProvisionedGbSecond }: FunctionPrices, memoryMiB: number): number {
  return gbSeconds(memoryMiB, 3_600_000) * usdPerProvisionedGbSecond;
}
