/**
 * The tables of the database; `tables/` has their rows by topic. Columns use only what SQLite and PostgreSQL share: text, numbers (times
 * are epoch milliseconds), JSON as text, booleans as 0 or 1. Names are unique case-insensitively: `name_key` and `group_key` are in lower
 * case, `name` is as provided.
 */
import type { Kysely, Transaction as KyselyTransaction } from 'kysely';
import type { AsyncRequestsTable, TransformObjectsTable, TransformsTable } from './tables/async-inference.ts';
import type { AwsDocumentsTable, S3BucketsTable, S3ObjectsTable, S3PiecesTable, S3UploadsTable } from './tables/aws.ts';
import type {
  ClusterAuthoritiesTable,
  ClusterHostCertificatesTable,
  ClusterHostSetsTable,
  ClusterHostsTable,
  ClusterJoinTokensTable,
  ClusterNodesTable,
  ClusterRolesTable,
  ClusterSlotsTable,
  SharedKeysTable,
} from './tables/cluster.ts';
import type { HourlyCostsTable } from './tables/costs.ts';
import type { EndpointsTable, ScaledVariantsTable, ScalingStatesTable } from './tables/deployment.ts';
import type { EnvironmentLocksTable, EnvironmentsTable } from './tables/environments.ts';
import type {
  EvaluationChoicesTable,
  EvaluationFilesTable,
  EvaluationOutcomesTable,
  EvaluationSetsTable,
  EvaluationsTable,
  SelectionEvidenceTable,
  SelectionTestsTable,
} from './tables/evaluation.ts';
import type { InstallationTable } from './tables/installation.ts';
import type { JobsTable } from './tables/jobs.ts';
import type {
  LogEventsTable,
  LogGroupsTable,
  LogStreamsTable,
  MetricGroupsTable,
  MetricRowsTable,
  MinuteArrivalsTable,
  RecordedMinutesTable,
  SecondArrivalsTable,
} from './tables/measurements.ts';
import type {
  AlarmHistoryTable,
  AlarmsTable,
  AuditHeadTable,
  AuditTable,
  CallLabelsTable,
  CursorsTable,
  DecisionsTable,
  DriftBaselinesTable,
  EventHeadTable,
  EventRulesTable,
  EventsTable,
  ObservedPredictionsTable,
} from './tables/monitoring.ts';
import type { ObjectBlobsTable, ObjectChunksTable } from './tables/objects.ts';
import type {
  HoldoutUsesTable,
  PipelineExecutionsTable,
  PipelineRevisionsTable,
  PipelineRunsTable,
  PipelinesTable,
} from './tables/pipelines.ts';
import type { ModelGroupsTable, ModelVersionsTable, ProfilesTable, PythonModelsTable, VersionFilesTable } from './tables/registry.ts';
import type { TrainingJobsTable, TuningJobsTable, TuningTrialsTable } from './tables/training.ts';

/** The schema as Kysely sees it. A new table needs a migration as well. */
export interface Tables {
  installation: InstallationTable;
  environments: EnvironmentsTable;
  environment_locks: EnvironmentLocksTable;
  model_groups: ModelGroupsTable;
  model_versions: ModelVersionsTable;
  version_files: VersionFilesTable;
  python_models: PythonModelsTable;
  profiles: ProfilesTable;
  endpoints: EndpointsTable;
  audit: AuditTable;
  audit_head: AuditHeadTable;
  event_head: EventHeadTable;
  events: EventsTable;
  decisions: DecisionsTable;
  hourly_costs: HourlyCostsTable;
  scaled_variants: ScaledVariantsTable;
  scaling_states: ScalingStatesTable;
  s3_buckets: S3BucketsTable;
  s3_objects: S3ObjectsTable;
  s3_uploads: S3UploadsTable;
  s3_pieces: S3PiecesTable;
  aws_documents: AwsDocumentsTable;
  recorded_minutes: RecordedMinutesTable;
  minute_arrivals: MinuteArrivalsTable;
  second_arrivals: SecondArrivalsTable;
  jobs: JobsTable;
  async_requests: AsyncRequestsTable;
  drift_baselines: DriftBaselinesTable;
  observed_predictions: ObservedPredictionsTable;
  call_labels: CallLabelsTable;
  evaluation_sets: EvaluationSetsTable;
  evaluation_files: EvaluationFilesTable;
  evaluation_outcomes: EvaluationOutcomesTable;
  evaluations: EvaluationsTable;
  evaluation_choices: EvaluationChoicesTable;
  selection_tests: SelectionTestsTable;
  selection_evidence: SelectionEvidenceTable;
  transforms: TransformsTable;
  transform_objects: TransformObjectsTable;
  training_jobs: TrainingJobsTable;
  tuning_jobs: TuningJobsTable;
  tuning_trials: TuningTrialsTable;
  pipelines: PipelinesTable;
  pipeline_revisions: PipelineRevisionsTable;
  pipeline_runs: PipelineRunsTable;
  pipeline_executions: PipelineExecutionsTable;
  holdout_uses: HoldoutUsesTable;
  event_rules: EventRulesTable;
  cursors: CursorsTable;
  alarms: AlarmsTable;
  alarm_history: AlarmHistoryTable;
  metric_groups: MetricGroupsTable;
  metric_rows_1: MetricRowsTable;
  metric_rows_10: MetricRowsTable;
  metric_rows_60: MetricRowsTable;
  log_groups: LogGroupsTable;
  log_streams: LogStreamsTable;
  log_events: LogEventsTable;
  object_blobs: ObjectBlobsTable;
  object_chunks: ObjectChunksTable;
  shared_keys: SharedKeysTable;
  cluster_authorities: ClusterAuthoritiesTable;
  cluster_host_certificates: ClusterHostCertificatesTable;
  cluster_join_tokens: ClusterJoinTokensTable;
  cluster_host_sets: ClusterHostSetsTable;
  cluster_hosts: ClusterHostsTable;
  cluster_nodes: ClusterNodesTable;
  cluster_roles: ClusterRolesTable;
  cluster_slots: ClusterSlotsTable;
}

/** The only handle to the database that other modules get. They write typed queries; SQL text stays in this module. */
export type Database = Kysely<Tables>;
/** Pass it to whatever must commit together, such as a change with its audit record and event. */
export type Transaction = KyselyTransaction<Tables>;
/** Where the two databases differ, code branches on it. */
export type Dialect = 'sqlite' | 'postgres';
