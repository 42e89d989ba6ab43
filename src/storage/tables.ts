/**
 * The rows of the database, column by column, as they are written there. Only what SQLite and PostgreSQL share:
 * text, numbers (times are epoch milliseconds), JSON as text, booleans as 0 or 1. Names are unique without case:
 * `name_key` and `group_key` are the name in lower case, `name` is the name as given.
 */
import type { Generated, Kysely, Transaction as KyselyTransaction } from 'kysely';

/** 0 or 1: neither database needs to know booleans. */
export type Flag = 0 | 1;

export interface ModelGroupsTable {
  name_key: string;
  name: string;
  description: string;
  /** JSON: `{key: value}`. */
  tags: string;
  created_at: number;
  /** The number the next version gets; only ever goes up, so that no number is given twice. */
  next_version: Generated<number>;
}

export interface ModelVersionsTable {
  group_key: string;
  version: number;
  approval: 'PendingManualApproval' | 'Approved' | 'Rejected';
  approval_changed_by: string | null;
  approval_changed_at: number | null;
  approval_note: string | null;
  description: string;
  /** JSON objects: `metadata` and `tags` hold strings, `metrics` what the model's maker measured. */
  metadata: string;
  metrics: string;
  tags: string;
  /** What is served; `source_*` is what was uploaded, which may have been rewritten. */
  artifact_sha256: string;
  artifact_bytes: number;
  source_sha256: string;
  source_name: string;
  /** JSON: a `Signature`. */
  signature: string;
  /** JSON: `{domain: version}`. */
  opsets: string;
  producer: string;
  /** JSON: `{key: value}`, the file's own metadata. */
  properties: string;
  /** JSON: sentences. */
  notes: string;
  batchable: Flag;
  batchable_reason: string;
  /** JSON: a `ModelRuntime`. */
  runtime: string;
  created_by: string;
  created_at: number;
}

export interface ProfilesTable {
  group_key: string;
  version: number;
  /** What it was measured on: `instance:local.1`, `function:1024`. */
  executor: string;
  /** JSON: a `Profile`. */
  profile: string;
  measured_at: number;
}

export interface EndpointsTable {
  name_key: string;
  name: string;
  /** JSON: an `EndpointConfig`. */
  config: string;
  generation: number;
  desired: 'InService' | 'Unloaded' | 'Deleted';
  created_at: number;
  updated_at: number;
  /** JSON: a `Rollout`; null where no update is watched. */
  rollout: string | null;
}

export interface ScaledVariantsTable {
  endpoint_key: string;
  variant_key: string;
  /** How many instances were decided on last. */
  instances: number;
  updated_at: number;
}

export interface ScalingStatesTable {
  endpoint_key: string;
  variant_key: string;
  /** JSON: what is remembered from one scaling decision to the next. */
  state: string;
  updated_at: number;
}

export interface AuditTable {
  id: string;
  at: number;
  who: string;
  action: string;
  target: string;
  outcome: string;
  /** JSON. */
  detail: string;
  /** From 1, without a gap. */
  number: number;
  /** JSON: where the call came from; null where the platform did it by itself. */
  origin: string | null;
  /** Of all the above and the hash before. */
  hash: string;
}

/** One row: the last record. */
export interface AuditHeadTable {
  id: number;
  number: number;
  hash: string;
}

export interface EventsTable {
  /** Given by the database, rising. */
  seq: Generated<number>;
  id: string;
  at: number;
  kind: string;
  subject: string;
  /** JSON. */
  detail: string;
}

export interface DecisionsTable {
  /** Given by the database, rising: in which order decisions were made, also where the clock was set back meanwhile. */
  seq: Generated<number>;
  id: string;
  at: number;
  kind: 'batching' | 'scaling';
  endpoint_key: string;
  endpoint: string;
  variant: string;
  trigger: string;
  /** Whether it made anything different. */
  changes: Flag;
  /** JSON. */
  inputs: string;
  /** JSON: an array. */
  alternatives: string;
  /** JSON. */
  chosen: string;
  reason: string;
  explanation: string;
  /** JSON: what came of it; null until that is known. */
  effect: string | null;
}

/** What a variant used within an hour. All sums are floats, counts too: whole up to 2^53, and both databases add them alike. */
export interface HourlyCostsTable {
  /** When the hour began, and its day in UTC. */
  hour: number;
  day: number;
  endpoint_key: string;
  endpoint: string;
  variant: string;
  instance_seconds: number;
  instance_usd: number;
  provisioned_seconds: number;
  provisioned_usd: number;
  requests: number;
  receipts_usd: number;
  function_usd: number;
  function_gb_seconds: number;
  invocations: number;
  cold_starts: number;
}

export interface S3BucketsTable {
  name: string;
  created_at: number;
}

/** What a key of a bucket holds now. Its bytes are its pieces. */
export interface S3ObjectsTable {
  bucket: string;
  key: string;
  /** Another with each write: to this its pieces belong. */
  id: string;
  bytes: number;
  /** Without quotes. */
  etag: string;
  modified_at: number;
  /** How many parts it was uploaded in; null where it came at once. */
  parts: number | null;
  /** JSON: `ObjectHeaders`. */
  headers: string;
  /** JSON: `{crc32: base64}`, as the client gave them. */
  checksums: string;
}

/** Uploads in parts that were begun and neither completed nor aborted. */
export interface S3UploadsTable {
  id: string;
  bucket: string;
  key: string;
  headers: string;
  created_at: number;
}

/** Files that together are an object, in order, or the parts so far of an upload. */
export interface S3PiecesTable {
  /** The id of an object or of an upload. */
  owner: string;
  /** From 1; of an upload the number of the part. */
  position: number;
  sha256: string;
  bytes: number;
  /** Hexadecimal. */
  md5: string;
  checksums: string;
  stored_at: number;
  /** The bytes themselves, where they are few; else they are in the file of that name. */
  content: Uint8Array | null;
}

/** When a server counted arrivals. */
export interface RecordedMinutesTable {
  /** When the minute began. */
  minute: number;
  /** 60 letters: 1 for each second that was counted, 0 for each that was not. */
  seconds: string;
}

/** Floats that are whole, as of `hourly_costs`; no row where nobody came. */
export interface MinuteArrivalsTable {
  endpoint_key: string;
  minute: number;
  variant: string;
  requests: number;
  rows: number;
}

export interface SecondArrivalsTable {
  endpoint_key: string;
  minute: number;
  variant: string;
  /** JSON: `[second, requests, rows]` of each second in which somebody came. */
  seconds: string;
}

/** SQLite keeps the last three in a file of their own. */
/** What AWS's services keep of an object that its room does not know. */
export interface AwsDocumentsTable {
  /** `model`, `endpoint-config`, `tags`. */
  kind: string;
  name_key: string;
  name: string;
  /** JSON. */
  content: string;
  created_at: number;
  updated_at: number;
  /** What it goes with when that is deleted; null where it stays until it is removed itself. */
  group_key: string | null;
  version: number | null;
  /** The version that a model package has or, where its file could not be read, would have. */
  number: number | null;
  endpoint_key: string | null;
}

/** Work that was accepted; gone when it is done. */
export interface JobsTable {
  id: string;
  queue: string;
  /** Whom it has to do with; null where its queue has no lanes. */
  lane: string | null;
  /** JSON. */
  payload: string;
  priority: number;
  created_at: number;
  /** Nobody takes it before: its time has not come, or it is taken until then. */
  visible_at: number;
  expires_at: number | null;
  /** Whoever has it. */
  lease: string | null;
  attempts: number;
  /** `open`, `dead`. */
  state: string;
  reason: string | null;
}

/** A request that was accepted, and what became of it. */
export interface AsyncRequestsTable {
  /** That of its job. */
  id: string;
  endpoint_key: string;
  inference_id: string;
  /** `queued`, `succeeded`, `failed`, `expired`, `cancelled`. */
  state: string;
  /** JSON: what is to be done. */
  document: string;
  /** Where it came with the request, and may be needed again. */
  body: Uint8Array | null;
  created_at: number;
  expires_at: number;
  finished_at: number | null;
  /** Tries that failed by its own fault, and by nobody's. */
  failures: number;
  troubles: number;
  reason: string | null;
}

export interface EventRulesTable {
  name: string;
  /** JSON. */
  document: string;
}

/** How far somebody has read the events. */
export interface CursorsTable {
  name: string;
  seq: number;
}

export interface AlarmsTable {
  name: string;
  /** JSON. */
  definition: string;
  state: string;
  state_reason: string;
  state_since: number;
  updated_at: number;
}

export interface AlarmHistoryTable {
  seq: Generated<number>;
  alarm: string;
  at: number;
  kind: string;
  summary: string;
  /** JSON. */
  data: string;
}

/** A data set that goes through a model. */
export interface TransformsTable {
  name_key: string;
  name: string;
  state: string;
  /** JSON: what was ordered. */
  document: string;
  created_at: number;
  updated_at: number;
  started_at: number | null;
  ended_at: number | null;
  reason: string | null;
}

/** An object of it. */
export interface TransformObjectsTable {
  transform_key: string;
  position: number;
  name: string;
  bytes: number;
  /** `waiting`, `done`, `failed`. */
  state: string;
  records: number;
  skipped: number;
  /** Why it failed; of one that is done, which records were left out. */
  note: string | null;
  /** JSON: where to go on. */
  checkpoint: string | null;
}

/** Who measures, and what. */
export interface MetricGroupsTable {
  id: number;
  namespace: string;
  /** JSON: name to value. */
  dimensions: string;
  /** JSON: name and unit of each metric, in the order of their numbers. */
  metrics: string;
  last_at: number;
}

/** All that a group measured within a span, whose seconds stand in the name of the table. */
export interface MetricRowsTable {
  group_id: number;
  /** Epoch seconds of its beginning. */
  at: number;
  data: Uint8Array;
}

export interface LogGroupsTable {
  id: number;
  name: string;
  created_at: number;
  /** Null where only the size is bounded. */
  retention_days: number | null;
}

export interface LogStreamsTable {
  id: number;
  group_id: number;
  name: string;
  created_at: number;
  first_at: number | null;
  last_at: number | null;
  ingested_at: number | null;
  /** Of its events. */
  bytes: number;
}

export interface LogEventsTable {
  /** In the order in which they came. */
  seq: number;
  group_id: number;
  stream_id: number;
  at: number;
  ingested_at: number;
  bytes: number;
  message: string;
}

/** What the inputs of an endpoint usually look like. */
export interface DriftBaselinesTable {
  endpoint_key: string;
  /** JSON. */
  document: string;
  made_at: number;
}

/** What was predicted, until labels come or it grows old. */
export interface ObservedPredictionsTable {
  endpoint_key: string;
  inference_id: string;
  variant: string;
  at: number;
  rows: number;
  is_class: Flag;
  /** JSON. */
  predictions: string;
  labelled_at: number | null;
  hits: number | null;
  error_sum: number | null;
}

export interface Tables {
  model_groups: ModelGroupsTable;
  model_versions: ModelVersionsTable;
  profiles: ProfilesTable;
  endpoints: EndpointsTable;
  audit: AuditTable;
  audit_head: AuditHeadTable;
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
  transforms: TransformsTable;
  transform_objects: TransformObjectsTable;
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
}

export type Database = Kysely<Tables>;
export type Transaction = KyselyTransaction<Tables>;
export type Dialect = 'sqlite' | 'postgres';
