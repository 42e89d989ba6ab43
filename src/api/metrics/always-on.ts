/** Cost of provisioning instances for the busiest minute all the time: the baseline that savings are reported against. */
import { instanceType, type PriceTable } from '../../costs/index.ts';
import { type EndpointConfig, productionVariants, type VariantConfig } from '../../deployment/index.ts';
import { platformOverheadMs, type ServiceTables, typeCapacityOf } from '../../profiling/index.ts';

export interface AlwaysOnDeps {
  readonly tables: Pick<ServiceTables, 'tableOf'>;
  readonly prices: PriceTable;
}

/** US dollars per hour at a load of `rowsPerSecond`; null if the capacity of an instance has not been measured. */
export function alwaysOnUsdPerHour({ objective, variants: all }: EndpointConfig, rowsPerSecond: number, deps: AlwaysOnDeps): number | null {
  const variants = productionVariants(all);
  const weights = variants.reduce((sum, { weight }) => sum + weight, 0);
  let usd = 0;
  for (const variant of variants) {
    const each = typeCapacityOf(typeOf(variant, deps), objective, platformOverheadMs);
    if (each.ratePerSecond === 0) return null;
    const share = weights === 0 ? 1 / variants.length : variant.weight / weights;
    usd += Math.ceil((rowsPerSecond * share) / each.ratePerSecond) * each.usdPerHour;
  }
  return usd;
}

function typeOf({ group, version, instanceType: name }: VariantConfig, { tables, prices }: AlwaysOnDeps) {
  const { usdPerHour } = instanceType(prices, name);
  return { name, usdPerHour, service: tables.tableOf({ group, version }, `instance:${name}`) };
}
