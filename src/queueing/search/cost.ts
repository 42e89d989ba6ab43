/** Cost of requests if each batch is one billed call. */
import { meanBilledMs, type ServiceDistribution } from '../service-law.ts';
import type { WaitTable } from '../waits/wait-table.ts';

/** Price of a call and of the memory used while it runs, in US dollars. */
export interface CallPrice {
  /** c0. */
  readonly usdPerInvocation: number;
  /** g; one GB-second is 1024 MiB for one second. */
  readonly usdPerGbSecond: number;
  /** Billed time is rounded up to multiples of this; 0: no rounding. */
  readonly billingGranularityMs: number;
}

/** Mean cost of one call with a batch of b: c0 + g·M·E[billed(S(b))]. `service` must be that of functions with `memoryMiB`. */
export function callUsd(batchSize: number, service: ServiceDistribution, memoryMiB: number, price: CallPrice): number {
  const seconds = meanBilledMs(service, batchSize, price.billingGranularityMs) / 1000;
  return price.usdPerInvocation + price.usdPerGbSecond * (memoryMiB / 1024) * seconds;
}

/**
 * Cost of a million requests. By renewal reward, the cost per request is the mean cost of a batch divided by its mean size: C = Σ_b
 * p_b·(c0 + g·M·E[billed(S(b))])/E[b].
 */
export function costUsdPerMillion(table: WaitTable, service: ServiceDistribution, memoryMiB: number, price: CallPrice): number {
  let usdPerBatch = 0;
  for (let b = 1; b <= table.batchSizeMax; b++) {
    const share = table.batchSizePmf[b] as number;
    if (share > 0) usdPerBatch += share * callUsd(b, service, memoryMiB, price);
  }
  return (1e6 * usdPerBatch) / table.meanBatch;
}
