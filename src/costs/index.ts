export { billedMs, type FunctionShape, functionShape, functionUsd, functionVcpu, gbSeconds, provisionedUsdPerHour } from './functions.ts';
export { type Invocation, Ledger, type Usage } from './ledger.ts';
export {
  defaultPrices,
  executorUsd,
  type FunctionPrices,
  type InstancePrice,
  type InstanceType,
  instanceType,
  type PriceTable,
  priceTable,
  threadsOf,
} from './prices.ts';
