export type { AccessLine } from './access-line.ts';
export type { Alarm, AlarmChange, AlarmDefinition, AlarmHistoryKind, AlarmMetric, AlarmNote, AlarmQuery } from './alarms/alarm.ts';
export { noteAction } from './alarms/alarm-notes.ts';
export { judgeAlarm } from './alarms/alarm-values.ts';
export { alarmRuleText, isAlarmOf } from './alarms/alarm-words.ts';
export { Alarms, type AlarmsOptions } from './alarms/alarms.ts';
export { defaultAlarmNames, isDefault as isDefaultAlarm, lookAtDefaults, type WatchedEndpoint } from './alarms/default-alarms.ts';
export {
  type AlarmRule,
  type AlarmState,
  comparisons,
  evaluate as evaluateAlarm,
  percentileNamed,
  statisticOf,
} from './alarms/evaluate.ts';
export { ArrivalHistory, type Arrivals, minutesKeptMs, secondsKeptMs } from './arrivals/arrival-history.ts';
export { CallWatch, type CallWatchOptions, type SeenCall, type WatchedRoute } from './capture/call-watch.ts';
export { type CaptureConfig, captureBucketDefault, captureDefault, capturePlace, checkCapture } from './capture/capture-config.ts';
export { CaptureFiles } from './capture/capture-files.ts';
export { type CaptureReader, readCaptured } from './capture/read-captured.ts';
export {
  type Decision,
  type DecisionKind,
  type DecisionPage,
  Decisions,
  type Effect,
  type NewDecision,
  type UnknownEffect,
} from './decisions.ts';
export type { FeatureBaseline } from './drift/baseline.ts';
export { type Baseline } from './drift/baseline-rows.ts';
export { type DriftView, DriftWatch, type FeatureValues, outputFeatures } from './drift/drift-watch.ts';
export { windowMs as driftWindowMs } from './drift/drift-window.ts';
export { featureRows } from './drift/features.ts';
export { baselinesOf, type DriftReport, driftReport, type FeatureDrift } from './drift/report.ts';
export { GroundTruth, type LabelsTaken } from './labels/ground-truth.ts';
export type { LiveQuality } from './labels/prediction-rows.ts';
export { readLabels, someOf } from './labels/read-labels.ts';
export { FileGroup } from './log-groups/file-group.ts';
export { compileFilter } from './log-groups/filter-pattern.ts';
export {
  type LogEvent,
  type LogGroupView,
  type LogPage,
  type LogStreamView,
  pageBytesMax as logPageBytesMax,
} from './log-groups/log-event.ts';
export { type GivenEvent, LogGroups } from './log-groups/log-groups.ts';
export {
  accessLogGroup,
  endpointLogGroup,
  platformLogGroup,
  requestsLogGroup,
  tellFailure,
  tellOfEvent,
  tellOfWorker,
} from './log-groups/own-lines.ts';
export { type Log, type LogLevel, type LogOptions, type Logs, logFileCount, logLevels, openLogs } from './logs.ts';
export { parseMath } from './math/metric-math.ts';
export { type ExpressionQuery, withExpressions } from './math/metric-queries.ts';
export { Series } from './math/value.ts';
export { Metrics, type Sample } from './metrics.ts';
export { abruptEnds, linesLostIn, tellAbruptEnd } from './records/abrupt-end.ts';
export {
  Audit,
  type AuditCall,
  type AuditEntry,
  type AuditRecord,
  type AuditVerdict,
  type AuditWish,
  type DeedEntry,
} from './records/audit.ts';
export { type Deed, isDeed, type Thing, thingOf } from './records/deeds.ts';
export { checkKinds, type EventKind } from './records/event-kinds.ts';
export { Events, type EventWish, isWished, type NewEvent, type PlatformEvent } from './records/events.ts';
export { isRecorded, type Origin, originNow, withOrigin, withoutOrigin } from './records/origin.ts';
export { Predecessors } from './records/predecessors.ts';
export { claimedKey, Refusals, unknownCaller } from './records/refusals.ts';
export { type LostRequests, type WorkerEnd, WorkerEnds } from './records/worker-ends.ts';
export type { RequestEnd } from './request-log/line-sampler.ts';
export type { RequestLine } from './request-log/request-line.ts';
export { addDelivery, announceDeliveries, Deliveries, type Delivery, deliveriesQueue, type KeptDelivery } from './rules/deliveries.ts';
export { type Envelope, missingMember } from './rules/envelope.ts';
export { compilePath } from './rules/event-path.ts';
export { compilePattern, type EventPattern } from './rules/event-pattern.ts';
export { checkHttpParameters } from './rules/http-parameters.ts';
export { checkTransformer } from './rules/input-transformer.ts';
export type { Rule, RuleTarget } from './rules/rule.ts';
export { Rules } from './rules/rules.ts';
export { addressesShown, addressShown } from './rules/shown-address.ts';
export { checkWebhookUrl, sendWebhook, signatureOf } from './rules/webhook.ts';
export { Measure, type Measured, percentileOf, Together } from './series/measured.ts';
export { MetricBudget } from './series/metric-budget.ts';
export { isOwnNamespace, keyOfPlace, type MetricFeed, type MetricName, type MetricPlace } from './series/metric-group.ts';
export { keptMs as metricsKeptMs, type MetricPoint, type MetricSpan, MetricStore, type MetricWish } from './series/metric-store.ts';
export { type Looked, startSampler } from './series/sampler.ts';
export { endpointsNamespace, penstockNamespace, placeOfVariant, sagemakerNamespace } from './series/variant-series.ts';
export { RequestTraces } from './traces/request-traces.ts';
export { passedTrace, type TraceContext } from './traces/trace-context.ts';
export { TraceExporter } from './traces/trace-exporter.ts';
export type { Answer, RequestOutcome, VariantMetrics } from './variant-metrics.ts';
