/** Cost and processor share of a function, priced and sized as on AWS Lambda. */
import type { FunctionPrices } from './prices.ts';

/** Memory size that comes with one full vCPU, MiB. */
const mibPerVcpu = 1769;
const mibPerGb = 1024;
/** Tolerance for floating-point error: 12.000000000001 ms is billed as 12. */
const roundingMs = 1e-9;

/** vCPUs of a function by memory size; a fraction below 1769 MiB. */
export function functionVcpu(memoryMiB: number): number {
  return memoryMiB / mibPerVcpu;
}

/** Processor resources of a function's worker. */
export interface FunctionShape {
  readonly threads: number;
  /** CPU limit in vCPUs; null if CPU cannot be limited. */
  readonly vcpuMax: number | null;
}

/**
 * Threads and CPU limit of a function on a machine with `cores`. `isHeld` is `limits.cpu` of the provider: whether CPU can be
 * limited. If not, every size runs with one thread.
 */
export function functionShape(memoryMiB: number, cores: number, isHeld: boolean): FunctionShape {
  const vcpu = functionVcpu(memoryMiB);
  if (!isHeld) return { threads: 1, vcpuMax: null };
  return { threads: Math.max(1, Math.floor(Math.min(vcpu, cores))), vcpuMax: vcpu };
}

/** The billed duration: `ms` rounded up to the granularity. */
export function billedMs({ billingGranularityMs }: FunctionPrices, ms: number): number {
  return Math.ceil((ms - roundingMs) / billingGranularityMs) * billingGranularityMs;
}

/** GB-seconds: 1024 MiB for one second is one. */
export function gbSeconds(memoryMiB: number, ms: number): number {
  return (memoryMiB / mibPerGb) * (ms / 1000);
}

/** Cost of one invocation in US dollars. Depends on its duration, not on its batch size. */
export function functionUsd(prices: FunctionPrices, memoryMiB: number, ms: number): number {
  return gbSeconds(memoryMiB, billedMs(prices, ms)) * prices.usdPerGbSecond + prices.usdPerInvocation;
}

/** Interval of pings that keep an environment warm, and the duration of a ping. */
export const pingEveryMs = 300_000;
/** The billed time of a ping that keeps an environment warm. */
export const pingBusyMs = 20;

/** Cost per hour of keeping one environment warm by pings, which are billed as invocations. US dollars. */
export function pingUsdPerHour(prices: FunctionPrices, memoryMiB: number): number {
  return (functionUsd(prices, memoryMiB, pingBusyMs) * 3_600_000) / pingEveryMs;
}

/** Cost per hour of one provisioned environment, without its invocations. US dollars. */
export function provisionedUsdPerHour({ usdPerProvisionedGbSecond }: FunctionPrices, memoryMiB: number): number {
  return gbSeconds(memoryMiB, 3_600_000) * usdPerProvisionedGbSecond;
}
