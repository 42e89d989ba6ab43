/**
 * What the native API answers with: one schema a thing, from which the OpenAPI document, the check at the door and the
 * types of the clients come. Times are ISO 8601 in UTC; names say their unit.
 */
import { z } from 'zod';
import { standingBody } from './decision-bodies.ts';
import { captureBody } from './drift-bodies.ts';
import { scalingBody } from './scaling.ts';
import { environmentsBody, functionSettingBody, functionsBody, overflowBody } from './serverless.ts';

const time = z.iso.datetime();
const words = z.record(z.string(), z.string());

export const tensorBody = z.strictObject({ name: z.string(), datatype: z.string(), shape: z.array(z.number()) });
export const signatureBody = z.strictObject({ inputs: z.array(tensorBody), outputs: z.array(tensorBody) });

export const groupBody = z.strictObject({
  name: z.string(),
  description: z.string(),
  tags: words,
  created_at: time,
  versions: z.number().describe('How many versions the group holds.'),
  latest_version: z.number().nullable(),
  latest_approved: z.number().nullable(),
});

export const approvals = ['PendingManualApproval', 'Approved', 'Rejected'] as const;

export const versionBody = z.strictObject({
  name: z.string().describe('group/version'),
  group: z.string(),
  version: z.number(),
  approval: z.enum(approvals),
  approval_changed_by: z.string().nullable(),
  approval_changed_at: time.nullable(),
  approval_note: z.string().nullable(),
  description: z.string(),
  metadata: words,
  metrics: z.record(z.string(), z.number()),
  tags: words,
  artifact: z.strictObject({ sha256: z.string(), bytes: z.number() }),
  source_sha256: z.string(),
  source_name: z.string(),
  signature: signatureBody,
  opsets: z.record(z.string(), z.number()),
  producer: z.string(),
  properties: words.describe("The model file's own metadata."),
  notes: z.array(z.string()).describe('What to know about the file, such as an output that was rewritten.'),
  batchable: z.boolean(),
  batchable_reason: z.string(),
  runtime: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('onnx') }),
      z.strictObject({
        kind: z.literal('process'),
        image: z.string(),
        command: z.array(z.string()),
        environment: words,
        concurrency: z.number(),
      }),
    ])
    .describe('What runs it: the built-in worker, or a command of its own.'),
  created_by: z.string(),
  created_at: time,
});

export const registeredBody = z.strictObject({
  version: versionBody,
  reused: z.boolean().describe('The group had a version with the same bytes: it is this one, and none was added.'),
});

export const profileBody = z.strictObject({
  executor: z.string().describe('instance:TYPE or function:MiB'),
  measured_at: time,
  load_ms: z.number(),
  batch_max: z.number().describe('The largest batch that was measured, in rows.'),
  slowdown: z
    .number()
    .nullable()
    .describe('How many times as long its runs took, as others had the processors; that waiting is taken off. null where nobody looked.'),
  service: z.array(
    z.strictObject({ b: z.number(), p50_ms: z.number(), p95_ms: z.number(), p99_ms: z.number(), samples: z.number(), rss_mib: z.number() }),
  ),
  notes: z.array(z.string()),
});

const workerBody = z.strictObject({
  id: z.string(),
  model: z.string().describe('group/version'),
  state: z.string(),
  pid: z.number().nullable(),
  rss_bytes: z.number().nullable(),
  restarts: z.number(),
  reason: z.string().nullable(),
});

export const statisticsBody = z.strictObject({
  since: time.describe('When this version of the model was loaded, or the server started.'),
  requests: z.number().describe('Requests answered.'),
  failures: z.number().describe('Requests that ended in an error, those that were refused among them.'),
  refused: z.number().describe('Of these failures, those that were refused: HTTP 4xx.'),
  overflowed: z.number().describe('Of the requests answered, those that functions answered though the variant has instances.'),
  rows: z.number().describe('Rows answered.'),
  executions: z.number().describe('Runs of the model; rows / executions is the mean batch size.'),
  total_ms: z.number().describe('Sum over the requests answered, arrival to answer.'),
  queue_ms: z.number(),
  compute_ms: z.number(),
  last_inference_at: time.nullable(),
});

const usageBody = z.strictObject({
  instance_seconds: z.number().describe('Of instances, and of functions that are kept warm.'),
  instance_usd: z.number().describe('What those cost, whether they work or not.'),
  invocations: z.number().describe('Batches that functions ran.'),
  cold_starts: z.number().describe('Of those, how many waited for a function to start.'),
  function_gb_seconds: z.number(),
  function_usd: z.number().describe('What the invocations cost.'),
  total_usd: z.number(),
  requests: z.number().describe('Answered in that time: `statistics` counts those of the version that serves.'),
});

const variantBody = z.strictObject({
  name: z.string(),
  model: z.string().describe('group/version'),
  weight: z.number(),
  instance_count: z.number().describe('0 for a serverless variant. With scaling: how many it began with.'),
  instance_type: z.string(),
  wanted: z.number().describe('How many instances there are to be now.'),
  scaling: scalingBody.nullable().describe('How their number follows the load; null where it stays as it is.'),
  start_timeout_ms: z.number().nullable().describe('What a model that is a process has to start; null where nothing was said.'),
  functions: functionsBody
    .nullable()
    .describe('What its functions were asked to be, alone or beside instances; null where there are none.'),
  setting: functionSettingBody.nullable().describe('What functions go by now; null where there are none, or nothing is served.'),
  environments: environmentsBody.nullable().describe('The functions there are now; null where there are none, or nothing is served.'),
  overflow: overflowBody.nullable().describe('How functions help instances; null where the variant has not both, or nothing is served.'),
  decision: standingBody.nullable().describe('What chose the setting, and how it goes; null until something was chosen.'),
  ready: z.number().describe('Workers that take requests; where there are instances, those alone.'),
  rows_waiting: z.number().describe('Rows in its buffer.'),
  batch_size: z.number().nullable().describe('Rows that leave together at most, now; null while nothing is served.'),
  batch_size_max: z.number().nullable().describe('The largest batch that was measured; 0 for a model that may not be batched.'),
  statistics: statisticsBody.nullable(),
  usage: usageBody.describe(
    'What it used, and what that costs, since the server started, or since the endpoint was made where that was later.',
  ),
  workers: z.array(workerBody),
});

export const endpointStatuses = ['Creating', 'Updating', 'InService', 'Failed', 'Deleting', 'Unloaded', 'RollingBack'] as const;

const rolloutBody = z.strictObject({
  state: z.enum(['shifting', 'taken-back']),
  reason: z.string().nullable().describe('Why it was taken back.'),
  share_percent: z.number().describe('Of the requests, what goes to the new workers in its present step, or went in its last.'),
  watched_since: time.nullable().describe('Since when the step is served; null until it is.'),
  watched_until: time.nullable().describe('When the last step will have been watched, if all goes well; null until this one is served.'),
  steps: z.array(z.strictObject({ percent: z.number(), watch_s: z.number() })),
  alarms: z.array(z.string()),
  previous_generation: z.number().describe('What is gone back to.'),
  versions: z
    .array(
      z.strictObject({
        model: z.string().describe('group/version'),
        is_new: z.boolean(),
        share_percent: z.number().describe('Of the requests, in the present step.'),
        ready: z.number().describe('Workers that take requests.'),
        requests: z.number().describe('That came to it since the update began to be watched; by them it is judged.'),
        late: z.number().describe('Of these, answered later than the objective says.'),
        failed: z.number().describe('Of these, by the fault of the model or of the platform: HTTP 5xx.'),
        refused: z.number().describe('Of these, not taken: HTTP 4xx.'),
        overloaded: z.number().describe('Of those refused, for want of room or because the objective could not be kept: HTTP 429.'),
      }),
    )
    .describe('While an update is under way: its versions, and those that it replaces.'),
});

export const endpointBody = z.strictObject({
  name: z.string(),
  status: z.enum(endpointStatuses),
  reason: z.string().nullable(),
  objective: z.string().nullable().describe('Such as p95<=50ms.'),
  in_time: z
    .number()
    .nullable()
    .describe(
      'Of the answers of the last hour, the share within the objective, 0 to 1; null without an objective or answers, or where it cannot be read. Where it was given another, from the minute after that on. Of the variants it has now; by whole minutes, so one of the same name that was deleted in the minute in which it was made counts in that minute.',
    ),
  late: z.enum(['serve', 'shed']),
  timeout_ms: z.number(),
  description: z.string().nullable(),
  generation: z.number().describe('Counts the changes of its settings.'),
  served_generation: z.number().nullable().describe('The one that requests are routed by; an earlier one during an update.'),
  capture: captureBody.nullable().describe('What of its calls is kept.'),
  rollout: rolloutBody.nullable().describe('Of an update that is watched, or that was taken back; null where there is none.'),
  taken_back: z
    .array(z.strictObject({ model: z.string().describe('group/version'), reason: z.string(), at: time }))
    .describe(
      'The versions that it took back, the latest last, until one is deployed by its number and kept: nobody gets one of them unasked.',
    ),
  notes: z.array(z.string()),
  variants: z.array(variantBody),
  created_at: time,
  updated_at: time,
});

export const catalogueBody = z.strictObject({
  name: z.string(),
  title: z.string(),
  input: tensorBody,
  labels: z.array(z.string()).nullable().describe('What the classes are called, where the model gives numbers.'),
  accuracy: z.strictObject({ value: z.number(), rows: z.number(), dataset: z.string() }),
  licence: z.strictObject({ weights: z.string(), data: z.string() }),
  objective: z.string().describe('A promise that it keeps easily.'),
});

export const catalogueEntryBody = catalogueBody.extend({
  card: z.string().describe('Markdown.'),
  sample_rows: z.string().describe('CSV with a header line.'),
  label_column: z.string().describe('The column of sample_rows that holds the truth.'),
});

export const keyBody = z.strictObject({
  id: z.string(),
  role: z.string(),
  description: z.string(),
  created_at: time,
});

export const createdKeyBody = keyBody.extend({ secret: z.string().describe('Shown this once. PENSTOCK_KEY is ID:SECRET.') });

export const eventBody = z.strictObject({
  seq: z.number().describe('Pass it as Last-Event-ID to go on after this event.'),
  id: z.string(),
  at: time,
  kind: z.string(),
  subject: z.string(),
  detail: z.unknown(),
});

export const auditBody = z.strictObject({
  id: z.string(),
  at: time,
  who: z.string(),
  action: z.string(),
  target: z.string(),
  outcome: z.string(),
  detail: z.unknown(),
  origin: z
    .strictObject({
      door: z.string(),
      remote_address: z.string(),
      user_agent: z.string(),
      request_id: z.string(),
      operation: z.string().nullable().describe('What was called at the door of AWS, such as `CreateModelPackageGroup`.'),
    })
    .nullable()
    .describe('Where the call came from; null where the platform did it by itself.'),
});

export const auditVerdictBody = z.strictObject({
  records: z.number().describe('How many are as they were written, from the first on.'),
  head: z.string().describe('The hash of the last of them.'),
  broken: z.strictObject({ id: z.string(), number: z.number(), why: z.string() }).nullable().describe('The first that is not.'),
});

export const statusBody = z.strictObject({
  version: z.string(),
  node: z.string(),
  ready: z.boolean(),
  started_at: time,
  uptime_s: z.number(),
  cores: z.number(),
  grpc: z.string().nullable().describe('Where gRPC is served, host:port; null where it is not.'),
  rss_bytes: z.number(),
  endpoints: z.record(z.string(), z.number()).describe('How many endpoints stand in each status.'),
  executors: z.strictObject({ ready: z.number(), starting: z.number(), failed: z.number() }),
  workers_rss_bytes: z.number(),
  notes: z.array(z.string()),
});

export const refusalBody = z.strictObject({
  error: z.string(),
  code: z.string(),
  hint: z.string().optional(),
  request_id: z.string(),
});

export const receiptBody = z.strictObject({
  rows: z.number(),
  queue_ms: z.number(),
  compute_ms: z.number(),
  batch_rows: z.number(),
  close_reason: z.string(),
  executor: z.string(),
  cold_start: z.boolean(),
  cost_usd: z.number(),
});

export const predictionsBody = z.strictObject({
  predictions: z.array(z.unknown()).describe('One a row; an object by output name where the model has several outputs.'),
  model_version: z.string(),
  timings: z
    .strictObject({
      total_ms: z.number().describe('From the last byte of the request to the last prediction.'),
      queue_ms: z.number().describe('Arrival to dispatch; of the slowest part, as the others below.'),
      compute_ms: z.number(),
      batch_rows: z.number().describe('Rows of the batch it rode in.'),
      close_reason: z.string().describe('Why that batch left.'),
      parts: z.number().describe('Many rows are served as several requests of at most a batch.'),
      cost_usd: z.number(),
      executors: z.array(z.string()).describe('Who ran it, such as instance:local.1 or function:2048.'),
      cold_start: z.boolean().optional().describe('A part of it was billed with the start of a function.'),
      receipts: z.array(receiptBody).describe('One a part, in the order of the rows.'),
    })
    .optional(),
});

export const logGroupsBody = z.strictObject({
  items: z.array(
    z.strictObject({
      name: z.string(),
      created_at: z.string(),
      retention_days: z.number().nullable().describe('Null where only the size is bounded.'),
      bytes: z.number(),
    }),
  ),
});

export const logBody = z.strictObject({ items: z.array(z.strictObject({ line: z.string().describe('JSON.') })) });

/** A page of a list; `next` is the cursor of the page after it, null on the last. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item), next: z.string().nullable() });
}

export type GroupBody = z.infer<typeof groupBody>;
export type VersionBody = z.infer<typeof versionBody>;
export type RegisteredBody = z.infer<typeof registeredBody>;
export type ProfileBody = z.infer<typeof profileBody>;
export type StatisticsBody = z.infer<typeof statisticsBody>;
export type EndpointBody = z.infer<typeof endpointBody>;
export type UsageBody = z.infer<typeof usageBody>;
export type VariantBody = z.infer<typeof variantBody>;
export type WorkerBody = z.infer<typeof workerBody>;
export type CatalogueBody = z.infer<typeof catalogueBody>;
export type CatalogueEntryBody = z.infer<typeof catalogueEntryBody>;
export type KeyBody = z.infer<typeof keyBody>;
export type CreatedKeyBody = z.infer<typeof createdKeyBody>;
export type EventBody = z.infer<typeof eventBody>;
export type AuditBody = z.infer<typeof auditBody>;
export type AuditVerdictBody = z.infer<typeof auditVerdictBody>;
export type StatusBody = z.infer<typeof statusBody>;
export type ReceiptBody = z.infer<typeof receiptBody>;
export type PredictionsBody = z.infer<typeof predictionsBody>;
export type RefusalBody = z.infer<typeof refusalBody>;
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}
