/** Training jobs in responses. */
import { z } from 'zod';
import type { TrainingChannel, TrainingJob, TrainingMetricValue } from '../../training/index.ts';
import { isoTime } from '../routing/parameters.ts';

const time = z.iso.datetime();

export const trainingStatuses = ['InProgress', 'Completed', 'Failed', 'Stopping', 'Stopped', 'Deleting'] as const;

const metricValueBody = z.strictObject({ name: z.string(), value: z.number(), at: time });

const channelBody = z.strictObject({
  name: z.string(),
  source: z.string().describe('`s3://bucket/prefix`.'),
  gzip: z.boolean(),
  content_type: z.string().nullable(),
});

export const trainingJobBody = z.strictObject({
  name: z.string(),
  status: z.enum(trainingStatuses),
  secondary_status: z.string().describe('Starting, Downloading, Training, Uploading, …: the status of the last transition.'),
  reason: z.string().nullable().describe('Why the job failed.'),
  transitions: z
    .array(z.strictObject({ status: z.string(), message: z.string(), started_at: time, ended_at: time.nullable() }))
    .describe('The oldest first. The current one has no end, unless the job is over.'),
  host: z
    .string()
    .nullable()
    .describe(
      'The machine of the cluster that runs the current attempt, or ran the last one: a host, or the node that served. null: the server is alone, or none was chosen yet.',
    ),
  placed_because: z.string().nullable().describe('Why it runs there. null: there was no choice.'),
  attempt: z.number().describe('Counts from 1; the next one begins from the checkpoints of the one before.'),
  group: z.string().nullable(),
  version: z.string().nullable().describe('The registered version, such as digits/7.'),
  environment: z.string().nullable(),
  image: z.string().nullable().describe('The image of a job that an AWS client created.'),
  entry: z.string().nullable(),
  command: z.array(z.string()).nullable(),
  source_sha256: z.string().nullable().describe('The archive of the code.'),
  git: z.strictObject({ commit: z.string(), dirty: z.boolean() }).nullable(),
  hyperparameters: z.record(z.string(), z.string()),
  environment_variables: z.array(z.string()).describe('Their names: values can be secrets.'),
  channels: z.array(channelBody),
  output: z.string(),
  checkpoints: z.string().nullable(),
  artifact: z.string().nullable().describe('The model: `s3://…/output/model.tar.gz`, or a folder. Null before the upload.'),
  instance_type: z.string(),
  volume_gb: z.number(),
  max_runtime_s: z.number(),
  max_wait_s: z.number().nullable(),
  spot: z.boolean(),
  retries: z.number(),
  isolated: z.boolean(),
  priority: z.number(),
  metric_definitions: z.array(z.strictObject({ name: z.string(), regex: z.string() })),
  metrics: z.array(metricValueBody).describe('The last value of each metric.'),
  usage: z
    .strictObject({
      seconds: z.number().describe('From the begin of the download to the end, without waiting.'),
      billable_seconds: z.number().describe('The same; of spot jobs less, in proportion to the price.'),
      usd: z.number(),
      peak_mib: z.number().nullable(),
    })
    .nullable()
    .describe('Null before the download.'),
  notes: z.array(z.string()),
  created_by: z.string(),
  created_at: time,
  updated_at: time,
  started_at: time.nullable().describe('Begin of the download.'),
  ended_at: time.nullable(),
});

export const trainingJobDetailBody = trainingJobBody.extend({
  artifact_object: z
    .strictObject({ bytes: z.number(), md5: z.string() })
    .nullable()
    .describe('The stored model.tar.gz: the same model has the same bytes. Null if there is none.'),
});

export const trainingMetricsBody = z.strictObject({ items: z.array(metricValueBody).describe('In order of time; at most 10,000.') });

export const trainingLogBody = z.strictObject({
  items: z.array(z.strictObject({ at: time, line: z.string() })),
  next: z.string().nullable().describe('Pass it as `after` to continue behind the last line.'),
});

export type TrainingJobBody = z.infer<typeof trainingJobBody>;
export type TrainingJobDetailBody = z.infer<typeof trainingJobDetailBody>;
export type TrainingMetricBody = z.infer<typeof metricValueBody>;
export type TrainingLogBody = z.infer<typeof trainingLogBody>;

export function trainingJobBodyOf(job: TrainingJob): TrainingJobBody {
  const { spec, usage } = job;
  return {
    name: spec.name,
    status: job.status,
    secondary_status: job.secondaryStatus,
    reason: job.failureReason,
    transitions: job.transitions.map(({ status, message, startedAtMs, endedAtMs }) => ({
      status,
      message,
      started_at: isoTime(startedAtMs),
      ended_at: timeOrNull(endedAtMs),
    })),
    host: job.host,
    placed_because: job.placedBecause,
    attempt: job.attempt,
    group: spec.group,
    version: job.version,
    environment: spec.environment,
    image: spec.image,
    entry: spec.entry,
    command: spec.command === null ? null : [...spec.command],
    source_sha256: spec.source?.sha256 ?? null,
    git: spec.git === null ? null : { commit: spec.git.commit, dirty: spec.git.isDirty },
    hyperparameters: spec.hyperparameters,
    environment_variables: Object.keys(spec.environmentVariables),
    channels: spec.channels.map(channelBodyOf),
    output: uriOf(spec.output),
    checkpoints: spec.checkpoints === null ? null : uriOf(spec.checkpoints),
    artifact: job.artifactUri,
    instance_type: spec.instanceType,
    volume_gb: spec.volumeGb,
    max_runtime_s: spec.maxRuntimeMs / 1000,
    max_wait_s: spec.maxWaitMs === null ? null : spec.maxWaitMs / 1000,
    spot: spec.isSpot,
    retries: spec.retries,
    isolated: spec.isIsolated,
    priority: spec.priority,
    metric_definitions: spec.metrics.map(({ name, regex }) => ({ name, regex })),
    metrics: job.metrics.map(metricBodyOf),
    usage:
      usage === null ? null : { seconds: usage.seconds, billable_seconds: usage.billableSeconds, usd: usage.usd, peak_mib: usage.peakMiB },
    notes: [...job.notes],
    created_by: job.createdBy,
    created_at: isoTime(job.createdAtMs),
    updated_at: isoTime(job.updatedAtMs),
    started_at: timeOrNull(job.startedAtMs),
    ended_at: timeOrNull(job.endedAtMs),
  };
}

export function metricBodyOf({ name, value, atMs }: TrainingMetricValue): TrainingMetricBody {
  return { name, value, at: isoTime(atMs) };
}

function channelBodyOf({ name, source, isGzip, contentType }: TrainingChannel): TrainingJobBody['channels'][number] {
  return { name, source: source.kind === 's3' ? uriOf(source) : `captured:${source.endpoint}`, gzip: isGzip, content_type: contentType };
}

function uriOf({ bucket, prefix }: { readonly bucket: string; readonly prefix: string }): string {
  return prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`;
}

function timeOrNull(wallMs: number | null): string | null {
  return wallMs === null ? null : isoTime(wallMs);
}
