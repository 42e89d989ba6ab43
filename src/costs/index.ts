export { Ledger, type Usage } from './ledger.ts';
export {
  defaultPrices,
  executorUsd,
  type InstancePrice,
  type InstanceType,
  instanceType,
  type PriceTable,
  priceTable,
  threadsOf,
} from './prices.ts';
