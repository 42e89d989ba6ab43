export type { ArrivalsBody } from './arrivals.ts';
export type { AsyncBody } from './async.ts';
export type { AsyncApi } from './async-services.ts';
export type {
  AuditBody,
  AuditVerdictBody,
  CatalogueBody,
  CatalogueEntryBody,
  CreatedKeyBody,
  EndpointBody,
  EventBody,
  GroupBody,
  KeyBody,
  Page,
  PredictionsBody,
  ProfileBody,
  ReceiptBody,
  RefusalBody,
  RegisteredBody,
  StatisticsBody,
  StatusBody,
  VariantBody,
  VersionBody,
  WorkerBody,
} from './bodies.ts';
export type { CostsBody, UsedBody } from './costs.ts';
export type {
  AlternativeBody,
  AnyDecisionBody,
  DecisionBody,
  PlanBody,
  PredictionBody,
  ScalingDecisionBody,
  SettingBody,
} from './decision-bodies.ts';
export type { DeploymentPlanBody, MixtureBody } from './deployment-plan-bodies.ts';
export type { BaselineBody, DriftBody, LabelsBody } from './drift-bodies.ts';
export type { AlarmBody, AlarmNoteBody, MetricBody, SeriesBody } from './metrics.ts';
export type { PreviewBody } from './model-previews.ts';
export { type MetricsServices, NativeApi, registerMetrics } from './native-api.ts';
export type { HistoryBody, LiveBody, OverviewBody, OverviewEndpointBody } from './overview-bodies.ts';
export type { FunctionProfileBody, ServedBody } from './profiles.ts';
export type { RequestBody } from './request-bodies.ts';
export type { DeliveryBody, RuleBody } from './rules.ts';
export type { ApiServices } from './services.ts';
export type { SessionBody } from './session.ts';
export type { PolicyResultBody, SimulationBody, SimulationInput, SimulationResultBody } from './simulation-bodies.ts';
export type { TransformBody, TransformObjectBody } from './transforms.ts';
export type { UpdateBody } from './updates.ts';
export type { EndpointUsageBody } from './usage.ts';
