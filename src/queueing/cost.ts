/** What a request costs where each batch is one paid call. */
import { meanBilledMs, type ServiceLaw } from './service-law.ts';
import type { WaitTable } from './wait-table.ts';

/** The price of calls: so much for each, and for the memory held while it runs. */
export interface CallPrice {
  /** c0. */
  readonly usdPerInvocation: number;
  /** g; one GB-second is 1024 MiB for one second. */
  readonly usdPerGbSecond: number;
  /** Billed time is rounded up to multiples of this; 0 rounds nothing. */
  readonly billingGranularityMs: number;
}

/** c0 + g·M·E[billed(S(b))]: one call with a batch of b. `service` is that of a function with `memoryMiB`. */
export function callUsd(batchSize: number, service: ServiceLaw, memoryMiB: number, price: CallPrice): number {
  const seconds = meanBilledMs(service, batchSize, price.billingGranularityMs) / 1000;
  return price.usdPerInvocation + price.usdPerGbSecond * (memoryMiB / 1024) * seconds;
}

/**
 * What a million requests cost: by renewal reward, the mean cost of a batch over its mean size,
 * C = Σ_b p_b·(c0 + g·M·E[billed(S(b))])/E[b].
 */
export function costUsdPerMillion(table: WaitTable, service: ServiceLaw, memoryMiB: number, price: CallPrice): number {
  let usdPerBatch = 0;
  for (let b = 1; b <= table.batchSizeMax; b++) {
    const share = table.batchSizePmf[b] as number;
    if (share > 0) usdPerBatch += share * callUsd(b, service, memoryMiB, price);
  }
  return (1e6 * usdPerBatch) / table.meanBatch;
}
