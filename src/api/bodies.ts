/**
 * Response bodies of the native API. Each schema generates the OpenAPI document, the runtime validation and the client
 * types. Times are ISO 8601 in UTC; names carry their unit.
 */
import { z } from 'zod';
import { endpointFields, variantFields } from '../fields/index.ts';
import { openingStages, pythonFlavours, pythonForms } from '../python-model.ts';
import { captureBody } from './data-quality/drift-bodies.ts';
import { scalingBody } from './endpoints/scaling.ts';
import { selectionBody } from './endpoints/selection-bodies.ts';
import { environmentsBody, functionSettingBody, functionsBody, overflowBody } from './endpoints/serverless.ts';
import { decisionStatusBody } from './records/decision-bodies.ts';
import { bodyShape } from './routing/field-schemas.ts';

const time = z.iso.datetime();
const stringMap = z.record(z.string(), z.string());

export const tensorBody = z.strictObject({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.number()),
  content: z.literal('json').optional().describe('Each element is one JSON text.'),
  columns: z.array(z.string()).optional().describe('Names of the columns of a row.'),
});
export const signatureBody = z.strictObject({ inputs: z.array(tensorBody), outputs: z.array(tensorBody) });

export const importsBody = z
  .strictObject({ all: z.array(z.string()), outside: z.array(z.string()) })
  .nullable()
  .describe('What opening it imports, as far as its files show; `outside`: names outside of the known libraries. Null for code.');

export const pythonBody = z.strictObject({
  state: z
    .enum(['registered', 'opening', 'opened', 'failed'])
    .describe('Registered: none of its code has run. Opening: an approver asked for it. Failed: the last attempt failed.'),
  stage: z
    .enum(openingStages)
    .nullable()
    .describe('What a running opening does: its environment is found or built, a worker opens it, batches of its rows are tried.'),
  requested_by: z.string().nullable().describe('The approver of the last opening.'),
  requested_at: time.nullable(),
  reason: z.string().nullable().describe('Why the last opening failed.'),
  last_lines: z.array(z.string()).describe('The last lines of a failed opening.'),
  imports: importsBody,
  needs: z.array(z.string()).describe('Packages that it needs, as far as its files show.'),
  requirements: z.string().nullable().describe('Path of a requirements file inside of the bundle.'),
  has_sample: z.boolean(),
  python: z.string().nullable().describe('The version of Python that opened it.'),
  libraries: stringMap.nullable().describe('Versions of the packages that were imported when it was opened.'),
  columns: z.array(z.string()).nullable().describe('Columns of its rows by name.'),
  classes: z.array(z.string()).nullable().describe('Labels of a classifier.'),
});

export const groupBody = z.strictObject({
  name: z.string(),
  description: z.string(),
  tags: stringMap,
  created_at: time,
  versions: z.number().describe('Number of versions in the group.'),
  latest_version: z.number().nullable(),
  latest_approved: z.number().nullable(),
});

export const approvalValues = ['PendingManualApproval', 'Approved', 'Rejected'] as const;

export const versionBody = z.strictObject({
  name: z.string().describe('group/version'),
  group: z.string(),
  version: z.number(),
  approval: z.enum(approvalValues),
  approval_changed_by: z.string().nullable(),
  approval_changed_at: time.nullable(),
  approval_note: z.string().nullable(),
  description: z.string(),
  metadata: stringMap,
  metrics: z.record(z.string(), z.number()),
  tags: stringMap,
  artifact: z.strictObject({
    sha256: z.string(),
    bytes: z.number(),
    files: z
      .array(z.strictObject({ path: z.string(), sha256: z.string(), bytes: z.number() }))
      .optional()
      .describe('The files of a model with external data: the model, then its data files. `sha256` is then that of their manifest.'),
  }),
  source_sha256: z.string(),
  source_name: z.string(),
  signature: signatureBody,
  opsets: z.record(z.string(), z.number()),
  producer: z.string(),
  properties: stringMap.describe('Metadata stored in the model file.'),
  notes: z.array(z.string()).describe('Remarks about the file, such as a rewritten output.'),
  batchable: z.boolean(),
  batchable_reason: z.string(),
  runtime: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('onnx') }),
      z.strictObject({
        kind: z.literal('python'),
        environment: z
          .strictObject({
            name: z.string().nullable().describe('The requested environment; null: the default, or that of its own requirements.'),
            lock: z.string().nullable().describe('Key of the environment that was built for it; null for an interpreter of the operator.'),
          })
          .describe('The Python environment in which it runs.'),
        flavour: z.enum(pythonFlavours).describe('The library that opens it, or the convention of its own code.'),
        form: z
          .enum(pythonForms)
          .nullable()
          .describe('How its function takes requests; null until it was opened, unless its file shows the form.'),
        entry: z.string().describe('Path of the file to open inside of the bundle; empty for the bundle itself.'),
        modules: z.array(z.string()).describe('Modules imported when it was opened; empty until then.'),
      }),
      z.strictObject({
        kind: z.literal('process'),
        image: z.string(),
        command: z.array(z.string()),
        environment: stringMap,
        concurrency: z.number(),
        paths: z.array(z.string()).optional().describe('Files and folders of the host that the process is allowed to read.'),
        isolation: z
          .literal('none')
          .optional()
          .describe("The process runs with the server's rights, without isolation: only for the operator's own code."),
      }),
    ])
    .describe('How the model is run: by the built-in worker, by a Python worker, or as a process of its own.'),
  python: pythonBody.nullable().describe('What is known of a Python model; null for others.'),
  created_by: z.string(),
  created_at: time,
});

export const registeredBody = z.strictObject({
  version: versionBody,
  reused: z.boolean().describe('True if the group already had a version with the same bytes: that version is returned and none was added.'),
});

export const profileBody = z.strictObject({
  executor: z.string().describe('instance:TYPE or function:MiB'),
  measured_at: time,
  load_ms: z.number(),
  batch_max: z.number().describe('Largest measured batch, in rows.'),
  slowdown: z
    .number()
    .nullable()
    .describe(
      'How many times longer runs took because other processes used the CPUs; the service times below are corrected for it. null: not measured.',
    ),
  service: z.array(
    z.strictObject({ b: z.number(), p50_ms: z.number(), p95_ms: z.number(), p99_ms: z.number(), samples: z.number(), rss_mib: z.number() }),
  ),
  notes: z.array(z.string()),
});

const workerBody = z.strictObject({
  id: z.string(),
  model: z.string().describe('group/version'),
  state: z.string(),
  host: z.string().nullable().describe('The host that runs it; null if no host has it, and on a server that is not a node of a cluster.'),
  zone: z.string().nullable().describe('Of the host.'),
  pid: z.number().nullable().describe('On its host.'),
  rss_bytes: z.number().nullable(),
  restarts: z.number(),
  reason: z.string().nullable(),
});

export const statisticsBody = z.strictObject({
  since: time.describe('When this model version was loaded or the server started, whichever is later.'),
  requests: z.number().describe('Requests answered.'),
  failures: z.number().describe('Requests that ended in an error, including rejected ones.'),
  refused: z.number().describe('Failures that were rejected: HTTP 4xx.'),
  overflowed: z.number().describe('Answered requests that overflowed from instances to functions.'),
  rows: z.number().describe('Rows answered.'),
  executions: z.number().describe('Model runs; rows / executions is the mean batch size.'),
  total_ms: z.number().describe('Sum over the answered requests, from arrival to response.'),
  queue_ms: z.number(),
  compute_ms: z.number(),
  last_inference_at: time.nullable(),
});

const usageBody = z.strictObject({
  instance_seconds: z.number().describe('Seconds of instances and of provisioned (warm) functions.'),
  instance_usd: z.number().describe('Cost of these, busy or idle.'),
  invocations: z.number().describe('Batches run by functions.'),
  cold_starts: z.number().describe('Invocations that waited for a cold start.'),
  function_gb_seconds: z.number(),
  function_usd: z.number().describe('Cost of the invocations.'),
  total_usd: z.number(),
  requests: z.number().describe('Requests answered in this time, over all versions (`statistics` counts only the served version).'),
});

const variantBody = z.strictObject({
  name: z.string(),
  model: z.string().describe('group/version'),
  ...bodyShape(variantFields, null),
  shadow: z
    .strictObject({
      share: z.number().describe('Share of the requests that are copied, from 0 to 1.'),
      copies_dropped: z.number().describe('Copies that were dropped because the shadow was busy or memory was short.'),
      shares_workers: z.boolean().describe('Runs in idle time of the workers of the production variant, and costs nothing.'),
    })
    .nullable()
    .describe('For a variant that receives copies of requests; null if it answers requests.'),
  multi_model: z
    .strictObject({
      url: z.string().describe('The folder whose objects are served.'),
      models_loaded: z.number(),
      memory_mib: z.number().describe('Memory of the loaded models.'),
      memory_mib_max: z.number().describe('Memory of the instances, which the models share.'),
    })
    .nullable()
    .describe('For a variant that serves the objects of a folder, each loaded on request; null if it serves one model.'),
  wanted: z.number().describe('Desired number of instances.'),
  scaling: scalingBody.nullable().describe('Scaling policy of the instances; null: a fixed number.'),
  functions: functionsBody.nullable().describe('Requested configuration of the functions; null if the variant has none.'),
  setting: functionSettingBody
    .nullable()
    .describe('Settings currently used by the functions; null if there are none or nothing is served.'),
  environments: environmentsBody
    .nullable()
    .describe('Current execution environments; null if there are no functions or nothing is served.'),
  overflow: overflowBody.nullable().describe('Overflow from instances to functions; null unless the variant has both and is served.'),
  decision: decisionStatusBody
    .nullable()
    .describe('The decision behind the current setting and its measured effect; null before the first decision.'),
  ready: z.number().describe('Workers that accept requests. If the variant has instances, only those count.'),
  rows_waiting: z.number().describe('Rows in the buffer.'),
  batch_size: z.number().nullable().describe('Current maximum batch size in rows, by the objective; null while nothing is served.'),
  batch_size_late: z
    .number()
    .nullable()
    .describe('The same while the queue is so long that its last request misses the objective anyway; at least batch_size.'),
  batch_size_max: z.number().nullable().describe('Largest measured batch; 0 if the model cannot be batched.'),
  statistics: statisticsBody.nullable(),
  usage: usageBody.describe('Usage and cost since the server started or the endpoint was created, whichever is later.'),
  workers: z.array(workerBody),
});

export const endpointStatuses = ['Creating', 'Updating', 'InService', 'Failed', 'Deleting', 'Unloaded', 'RollingBack'] as const;

const rolloutBody = z.strictObject({
  state: z
    .enum(['shifting', 'paused', 'rolled-back'])
    .describe('`paused`: the step has too few answers to be judged by. It continues with enough answers, or on request.'),
  reason: z.string().nullable().describe('Why the update was rolled back.'),
  share_percent: z.number().describe('Share of traffic to the new workers in the current step, or in the last one.'),
  watched_since: time.nullable().describe('Start of the bake time of the current step; null until the step is served.'),
  watched_until: time
    .nullable()
    .describe('Expected end of the bake time of the last step; null until the current step is served, and while the update is paused.'),
  steps: z.array(z.strictObject({ percent: z.number(), watch_s: z.number() })),
  evidence: z
    .strictObject({
      answers: z.number().describe('Answers of the new version in the current step, late and failed ones included.'),
      min_requests: z.number().describe('Answers that the step needs if it receives any request.'),
      watch_max_s: z.number().describe('Longest time to monitor the step for that.'),
      if_too_few: z.enum(['pause', 'continue']),
      is_extended: z.boolean().describe('The step had too few answers when its time was over.'),
    })
    .nullable()
    .describe('Null if the update needs no minimum of answers, as over the AWS API, and after it was rolled back.'),
  alarms: z.array(z.string()),
  previous_generation: z.number().describe('The generation that a rollback restores.'),
  versions: z
    .array(
      z.strictObject({
        model: z.string().describe('group/version'),
        is_new: z.boolean(),
        share_percent: z.number().describe('Share of traffic in the current step.'),
        ready: z.number().describe('Workers that accept requests.'),
        requests: z.number().describe('Requests since monitoring of the update began; the verdict is based on them.'),
        late: z.number().describe('Requests answered later than the objective allows.'),
        failed: z.number().describe('Requests that failed because of the model or the platform: HTTP 5xx.'),
        refused: z.number().describe('Rejected requests: HTTP 4xx.'),
        overloaded: z
          .number()
          .describe('Rejected requests for lack of capacity, or because they would have missed the objective: HTTP 429.'),
      }),
    )
    .describe('During an update: the new versions and those that they replace.'),
});

export const endpointBody = z.strictObject({
  name: z.string(),
  status: z.enum(endpointStatuses),
  reason: z.string().nullable(),
  objective: z.string().nullable().describe('For example p95<=50ms.'),
  in_time: z
    .number()
    .nullable()
    .describe(
      'Share of the responses of the last hour that met the objective, 0 to 1. Null without an objective or responses, or if the metrics cannot be read. After a change of the objective, counted from the next full minute. Covers the current variants, in whole minutes: an endpoint of the same name that was deleted in the minute of creation still counts in that minute.',
    ),
  ...bodyShape(endpointFields, null),
  generation: z.number().describe('Incremented by each change of the settings.'),
  served_generation: z.number().nullable().describe('The generation that requests are routed by; an earlier one during an update.'),
  capture: captureBody.nullable().describe('Which calls are captured.'),
  rollout: rolloutBody.nullable().describe('The monitored update in progress, or the last one if it was rolled back; otherwise null.'),
  rolled_back: z
    .array(z.strictObject({ model: z.string().describe('group/version'), reason: z.string(), at: time }))
    .describe(
      'Versions that were rolled back, newest last. They are not chosen as the latest approved version until one is deployed by its number and stays in service.',
    ),
  notes: z.array(z.string()),
  variants: z.array(variantBody),
  selection: selectionBody.nullable().describe('The plans that a selection serves; null if the endpoint serves versions.'),
  created_at: time,
  updated_at: time,
});

export const catalogueBody = z.strictObject({
  name: z.string(),
  title: z.string(),
  input: tensorBody,
  labels: z.array(z.string()).nullable().describe('Names of the classes if the model returns numbers.'),
  accuracy: z.strictObject({ value: z.number(), rows: z.number(), dataset: z.string() }),
  licence: z.strictObject({ weights: z.string(), data: z.string() }),
  objective: z.string().describe('An objective that the model easily meets.'),
});

export const catalogueEntryBody = catalogueBody.extend({
  card: z.string().describe('Markdown.'),
  sample_rows: z.string().describe('CSV with a header line.'),
  label_column: z.string().describe('The column of sample_rows with the true label.'),
});

export const keyBody = z.strictObject({
  id: z.string(),
  role: z.string(),
  description: z.string(),
  created_at: time,
  rate_per_second: z.number().nullable().describe('Limit of requests per second; null: unlimited.'),
  concurrency: z.number().nullable().describe('Limit of concurrent requests; null: unlimited.'),
});

export const createdKeyBody = keyBody.extend({ secret: z.string().describe('Returned only once. Set PENSTOCK_KEY to ID:SECRET.') });

export const eventBody = z.strictObject({
  seq: z.number().describe('Pass it as Last-Event-ID to resume after this event.'),
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
      protocol: z.string(),
      remote_address: z.string(),
      user_agent: z.string(),
      request_id: z.string(),
      operation: z.string().nullable().describe('The AWS operation, such as `CreateModelPackageGroup`; null for the native API.'),
    })
    .nullable()
    .describe('Origin of the call; null for actions of the platform itself.'),
});

export const auditVerdictBody = z.strictObject({
  records: z.number().describe('Number of intact records, counted from the first.'),
  head: z.string().describe('Hash of the last intact record.'),
  broken: z
    .strictObject({ id: z.string(), number: z.number(), why: z.string() })
    .nullable()
    .describe('The first record that is not intact; null if all are.'),
});

export const errorResponseBody = z.strictObject({
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
  predictions: z.array(z.unknown()).describe('One item per row; an object by output name if the model has several outputs.'),
  model_version: z.string(),
  timings: z
    .strictObject({
      total_ms: z.number().describe('From the last byte of the request to the last prediction.'),
      queue_ms: z.number().describe('Arrival to dispatch. For a split request, this and the fields below describe its slowest part.'),
      compute_ms: z.number(),
      batch_rows: z.number().describe('Rows of the batch that contained the request.'),
      close_reason: z.string().describe('Why that batch was dispatched.'),
      parts: z.number().describe('Number of batch-sized parts that the rows were split into.'),
      cost_usd: z.number(),
      executors: z.array(z.string()).describe('Executors that ran the parts, such as instance:local.1 or function:2048.'),
      cold_start: z.boolean().optional().describe('True if a part was billed for a cold start.'),
      receipts: z.array(receiptBody).describe('One receipt per part, in the order of the rows.'),
    })
    .optional(),
});

export const logGroupsBody = z.strictObject({
  items: z.array(
    z.strictObject({
      name: z.string(),
      created_at: z.string(),
      retention_days: z.number().nullable().describe('Null: limited by size only.'),
      bytes: z.number(),
    }),
  ),
});

export const logBody = z.strictObject({ items: z.array(z.strictObject({ line: z.string().describe('JSON.') })) });

/** A page of a list. `next` is the cursor of the next page, null on the last one. */
export function pageBody<T extends z.ZodType>(item: T) {
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
export type ReceiptBody = z.infer<typeof receiptBody>;
export type PredictionsBody = z.infer<typeof predictionsBody>;
export type ErrorResponseBody = z.infer<typeof errorResponseBody>;
export interface PageBody<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}
