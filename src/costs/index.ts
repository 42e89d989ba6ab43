export { type AcceleratorTable, type AcceleratorType, acceleratorTable } from './accelerators.ts';
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
export { CostHistory, type CostLine, type CostPeriod, costPeriods, costRetentionDays, wholeHours } from './history.ts';
export { type BilledInvocation, billedAtLeastMs, Ledger, type RequestAccount, sumOf, type Usage, usdPerMillion } from './ledger.ts';
export {
  defaultPrices,
  executorUsd,
  type FunctionPrices,
  heldVcpu,
  type InstancePrice,
  type InstanceType,
  instanceType,
  isAccelerated,
  type PriceTable,
  priceTable,
  remainingCores,
  threadsOf,
} from './prices.ts';
