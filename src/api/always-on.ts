/** What it would cost to have instances enough for the busiest minute, all the time: against this, what was saved is told. */
import { instanceType, type PriceTable } from '../costs/index.ts';
import type { EndpointConfig, VariantConfig } from '../deployment/index.ts';
import { capacityOf, overheadMs, type ServiceTables } from '../profiling/index.ts';

export interface AlwaysOnSources {
  readonly tables: Pick<ServiceTables, 'tableOf'>;
  readonly prices: PriceTable;
}

/** US dollars per hour, for so many rows per second; null where nobody measured what an instance carries. */
export function alwaysOnUsdPerHour(
  { objective, variants }: EndpointConfig,
  rowsPerSecond: number,
  sources: AlwaysOnSources,
): number | null {
  const weights = variants.reduce((sum, { weight }) => sum + weight, 0);
  let usd = 0;
  for (const variant of variants) {
    const each = capacityOf(typeOf(variant, sources), objective, overheadMs);
    if (each.ratePerSecond === 0) return null;
    const share = weights === 0 ? 1 / variants.length : variant.weight / weights;
    usd += Math.ceil((rowsPerSecond * share) / each.ratePerSecond) * each.usdPerHour;
  }
  return usd;
}

function typeOf({ group, version, instanceType: name }: VariantConfig, { tables, prices }: AlwaysOnSources) {
  const { usdPerHour } = instanceType(prices, name);
  return { name, usdPerHour, service: tables.tableOf({ group, version }, `instance:${name}`) };
}
