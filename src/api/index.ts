export type { AlarmBody, AlarmNoteBody } from './alarms.ts';
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
  ErrorResponseBody,
  EventBody,
  GroupBody,
  KeyBody,
  PageBody,
  PredictionsBody,
  ProfileBody,
  ReceiptBody,
  RegisteredBody,
  StatisticsBody,
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
export type { EnvironmentBody, EnvironmentDetailBody } from './environments.ts';
export type { EvaluationBody, EvaluationSetBody, QualityBody } from './evaluation-bodies.ts';
export type { MetricBody, SeriesBody } from './metrics.ts';
export type { CardBody } from './model-card.ts';
export type { PreviewBody } from './model-previews.ts';
export { type MetricsServices, NativeApi, registerMetrics } from './native-api.ts';
export type { HistoryBody, LiveBody, OverviewBody, OverviewEndpointBody } from './overview-bodies.ts';
export type { FunctionProfileBody, ServedBody } from './profiles.ts';
export type { RequestBody } from './request-bodies.ts';
export type { DeliveryBody, RuleBody } from './rules.ts';
export type { SelectionPlanBody } from './selections.ts';
export type { ApiServices } from './services.ts';
export type { SessionBody } from './session.ts';
export type { PolicyResultBody, SimulationBody, SimulationInput, SimulationResultBody } from './simulation-bodies.ts';
export type { StatusBody } from './status-body.ts';
export type { TransformBody, TransformObjectBody } from './transforms.ts';
export type { UpdateBody } from './updates.ts';
export type { EndpointUsageBody } from './usage.ts';
