/**
 * A backup is a tar archive with these entries, in this order:
 *
 *   backup.json        description of the backup, see `BackupHeader`
 *   config.json, …     files of the data directory, including keys.json
 *   state.db, metrics.db                        with SQLite, or
 *   tables/NAME/000001.jsonl …                  with PostgreSQL, one row per line
 *   objects/SHA256, buckets/SHA256              every object that database rows reference
 *   manifest.json      the sha256 of each preceding file, and unreadable objects, see `BackupManifest`
 *
 * The manifest comes last, so an archive without it was truncated.
 */
import type { Tables } from '../tables.ts';

/** The first entry of the archive: enough to reject a backup that cannot be restored, before the rest of it is read. */
export interface BackupHeader {
  readonly format: 1;
  readonly createdAtMs: number;
  readonly installation: string;
  readonly database: 'sqlite' | 'postgres';
  /** Names of the last migrations. The rows can only be restored into the same schema. */
  readonly migrations: readonly string[];
}

/** What the archive must contain, against which a restore checks every entry. */
export interface BackupManifest {
  /** Keyed by file name; objects are excluded, because their name is their sha256. */
  readonly sha256s: Readonly<Record<string, string>>;
  readonly objects: number;
  readonly bytes: number;
  /** `objects/SHA256` of referenced objects that could not be read. */
  readonly missing: readonly string[];
  readonly damaged: readonly string[];
}

/** Small files of the data directory that a server reads or creates. */
export const plainFiles: readonly string[] = ['config.json', 'keys.json', 'installation.json', 'tls-cert.pem', 'tls-key.pem'];

/** Limit of one file of the data directory within a backup, which a restore reads into memory. */
export const plainFileBytesMax = 16 * 2 ** 20;

/** Rows about processes, and keys, of which a backup has the file: a restored database has none. */
type ClusterTable =
  | 'shared_keys'
  | 'cluster_authorities'
  | 'cluster_host_certificates'
  | 'cluster_host_sets'
  | 'cluster_hosts'
  | 'cluster_join_tokens'
  | 'cluster_nodes'
  | 'cluster_roles'
  | 'cluster_slots';

/** All tables except those of objects and of the cluster, each one before the tables whose foreign keys reference it. */
export const tableNames = Object.keys({
  installation: true,
  environments: true,
  environment_locks: true,
  model_groups: true,
  model_versions: true,
  version_files: true,
  python_models: true,
  profiles: true,
  endpoints: true,
  scaled_variants: true,
  scaling_states: true,
  audit: true,
  audit_head: true,
  events: true,
  event_head: true,
  decisions: true,
  hourly_costs: true,
  s3_buckets: true,
  s3_objects: true,
  s3_uploads: true,
  s3_pieces: true,
  aws_documents: true,
  recorded_minutes: true,
  minute_arrivals: true,
  second_arrivals: true,
  jobs: true,
  async_requests: true,
  drift_baselines: true,
  observed_predictions: true,
  call_labels: true,
  evaluation_sets: true,
  evaluation_files: true,
  evaluation_outcomes: true,
  evaluations: true,
  evaluation_choices: true,
  selection_tests: true,
  selection_evidence: true,
  transforms: true,
  transform_objects: true,
  training_jobs: true,
  tuning_jobs: true,
  tuning_trials: true,
  pipelines: true,
  pipeline_revisions: true,
  pipeline_runs: true,
  pipeline_executions: true,
  holdout_uses: true,
  event_rules: true,
  cursors: true,
  alarms: true,
  alarm_history: true,
  metric_groups: true,
  metric_rows_1: true,
  metric_rows_10: true,
  metric_rows_60: true,
  log_groups: true,
  log_streams: true,
  log_events: true,
} satisfies Record<Exclude<keyof Tables, 'object_blobs' | 'object_chunks' | ClusterTable>, true>) as (keyof Tables)[];
