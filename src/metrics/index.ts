export {
  ArrivalHistory,
  type ArrivalHistoryOptions,
  type Arrivals,
  minutesRetentionMs,
  secondsRetentionMs,
} from './arrivals/arrival-history.ts';
export { type BusyTime, MachineLoad, type MachineTimes } from './machine-load.ts';
export { parseMath } from './math/metric-math.ts';
export { type ExpressionQuery, withExpressions } from './math/metric-queries.ts';
export { MathSeries } from './math/value.ts';
export { type MetricSample, Metrics } from './metrics.ts';
export { AnswerColumns } from './series/answer-columns.ts';
export { CombinedMeasure, Measure, type Measured, percentileOf } from './series/measured.ts';
export { MetricBudget } from './series/metric-budget.ts';
export { formatMetricKey, isReservedNamespace, type MetricFeed, type MetricKey, type MetricName } from './series/metric-group.ts';
export {
  type MetricPoint,
  type MetricQuery,
  type MetricSpan,
  MetricStore,
  metricRetentionMs as metricsKeptMs,
} from './series/metric-store.ts';
export { spansSince } from './series/own-spans.ts';
export { type SampledValue, startSampler } from './series/sampler.ts';
export { percentileNamed, statisticOf } from './series/statistic.ts';
export { endpointsNamespace, penstockNamespace, sagemakerNamespace, VariantSeries, variantMetricKey } from './series/variant-series.ts';
export type { AnsweredRequest, RequestOutcome, VariantMetrics } from './variant-metrics.ts';
