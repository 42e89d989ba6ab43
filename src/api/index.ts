export type { AlarmBody, AlarmNoteBody } from './alerts/alarms.ts';
export type { DeliveryBody, RuleBody } from './alerts/rules.ts';
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
export type { BaselineBody, DriftBody, LabelsBody, ToLabelBody } from './data-quality/drift-bodies.ts';
export type { DeploymentPlanBody, MixtureBody } from './endpoints/deployment-plan-bodies.ts';
export type { UpdateBody } from './endpoints/updates.ts';
export type { AsyncBody } from './inference/async.ts';
export type { RequestBody } from './inference/request-bodies.ts';
export type { TransformBody, TransformObjectBody } from './inference/transforms.ts';
export type { ArrivalsBody } from './metrics/arrivals.ts';
export type { CostsBody, UsedBody } from './metrics/costs.ts';
export type { MetricBody, SeriesBody } from './metrics/metrics.ts';
export type { HistoryBody, LiveBody, OverviewBody, OverviewEndpointBody } from './metrics/overview-bodies.ts';
export type { EndpointUsageBody } from './metrics/usage.ts';
export type { EnvironmentBody, EnvironmentDetailBody } from './models/environments.ts';
export type { EvaluationBody, EvaluationSetBody, QualityBody } from './models/evaluation-bodies.ts';
export type { CardBody } from './models/model-card.ts';
export type { PreviewBody } from './models/model-previews.ts';
export type { FunctionProfileBody, ServedBody } from './models/profiles.ts';
export type { SelectionPlanBody } from './models/selections.ts';
export { type MetricsServices, NativeApi, registerMetrics } from './native-api.ts';
export type {
  AlternativeBody,
  AnyDecisionBody,
  DecisionBody,
  HostSetDecisionBody,
  PlacementDecisionBody,
  PlanBody,
  PredictionBody,
  ScalingDecisionBody,
  SelectionDecisionBody,
  SettingBody,
  TrainingDecisionBody,
} from './records/decision-bodies.ts';
export type { ApiServices } from './routing/services.ts';
export type { CreatedJoinTokenBody, JoinTokenBody, RotationBody } from './server/cluster-access.ts';
export type { ClusterBody, HostBody, HostDetailBody, NodeBody } from './server/cluster-bodies.ts';
export type { SessionBody } from './server/session.ts';
export type { StatusBody } from './server/status-body.ts';
export type { PolicyResultBody, SimulationBody, SimulationInput, SimulationResultBody } from './simulations/simulation-bodies.ts';
export type { PipelineBody, PipelineDetailBody, PipelinePlanBody, PipelineRunBody, StartedRunBody } from './training/pipeline-bodies.ts';
export type { ProcessingJobBody } from './training/processing-jobs.ts';
export type { PipelineExecutionBody, SageMakerPipelineBody } from './training/sagemaker-pipelines.ts';
export type { TrainingJobBody, TrainingJobDetailBody, TrainingLogBody, TrainingMetricBody } from './training/training-bodies.ts';
export type { TuningJobBody, TuningTrialBody } from './training/tuning-bodies.ts';
