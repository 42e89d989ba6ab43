export { isAccelerated } from './accelerators.ts';
export {
  billedMs,
  type FunctionShape,
  functionShape,
  functionUsd,
  functionVcpu,
  gbSeconds,
  pingBusyMs,
  pingEveryMs,
  pingUsdPerHour,
  provisionedUsdPerHour,
} from './functions.ts';
export { CostHistory, type CostLine, type CostPeriod, costPeriods, costsKeptDays, wholeHours } from './history.ts';
export { billedAtLeastMs, type Invocation, Ledger, type RequestBook, sumOf, type Usage, usdPerMillion } from './ledger.ts';
export {
  coresLeft,
  defaultPrices,
  executorUsd,
  type FunctionPrices,
  heldVcpu,
  type InstancePrice,
  type InstanceType,
  instanceType,
  type PriceTable,
  priceTable,
  threadsOf,
} from './prices.ts';
