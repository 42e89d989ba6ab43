/** Routes of batch transforms: whole data sets through a model version. */

import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isAbsolute, normalize } from 'node:path';
import { z } from 'zod';
import { type Caller, permissionFor } from '../../access/index.ts';
import {
  formatLocation,
  payloadMiBLimit,
  type StoredTransformObject,
  type TransformLocation,
  type TransformSpec,
  type TransformView,
  transformDefaults,
} from '../../async-inference/index.ts';
import { isLoopback } from '../../config.ts';
import { PlatformError } from '../../errors.ts';
import { instanceTypeDefault } from '../../fields/index.ts';
import { pageBody } from '../bodies.ts';
import { isoTime, limitParameter, pageByOffset, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

/** What these routes need of the server. */
type Services = Pick<ApiServices, 'access' | 'registry' | 'transforms'>;

const states = ['InProgress', 'Completed', 'Failed', 'Stopping', 'Stopped'] as const;
const locationText = z.string().min(1).max(4096).describe('`s3://bucket/prefix`, or an absolute path on the server.');
const time = z.iso.datetime();

const columns = z.array(z.string().min(1).max(256)).max(100).default([]);

const newTransform = z.strictObject({
  name: z.string().optional().describe('Unique name. Default: generated.'),
  model: z.string().describe('`digits/3`, or `digits` for the latest approved version.'),
  input: locationText.describe(
    'Objects under a prefix, a file, or all files of a directory: `s3://bucket/prefix`, or an absolute path on the server.',
  ),
  output: locationText.describe('Destination of `<object>.out`: `s3://bucket/prefix`, or an absolute path on the server.'),
  content_type: z
    .string()
    .max(256)
    .optional()
    .describe('Content type of the objects, if their names do not end in .csv, .jsonl, .json or .npy.'),
  accept: z.string().max(256).optional().describe('Content type of the results. Default: that of the objects.'),
  split: z.enum(['none', 'line']).optional(),
  join: z.boolean().default(false).describe('Write each result together with its record.'),
  ignore: columns.describe('Columns hidden from the model: names from the header or of JSON members, or numbers from 0 (-1 is the last).'),
  keep: columns.describe('CSV columns hidden from the model and written before its result.'),
  input_filter: z.string().default('$'),
  output_filter: z.string().default('$'),
  bad_records: z
    .enum(['fail', 'skip'])
    .default('fail')
    .describe('Handling of an object with a bad record: fail: no result; skip: a result without that record.'),
  max_payload_mib: z
    .number()
    .int()
    .min(1)
    .max(payloadMiBLimit)
    .default(6)
    .describe('Maximum size of an invocation and of a record, in MiB.'),
  instances: z.number().int().min(1).max(100).default(1),
  instance_type: z.string().default(instanceTypeDefault),
});

export const transformBody = z.strictObject({
  name: z.string(),
  model: z.string(),
  state: z.enum(states),
  reason: z.string().nullable(),
  input: z.string(),
  output: z.string(),
  instances: z.number(),
  instance_type: z.string(),
  batch_rows: z.number().nullable().describe('Rows per run, chosen by throughput; null before that, and for process models.'),
  objects: z.number(),
  objects_done: z.number(),
  objects_failed: z.number(),
  records: z.number().describe('Records with a written result.'),
  records_skipped: z.number(),
  bytes: z.number(),
  bytes_done: z.number(),
  records_per_second: z.number().nullable(),
  remaining_ms: z.number().nullable(),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
});

const objectBody = z.strictObject({
  name: z.string(),
  bytes: z.number(),
  state: z.enum(['waiting', 'done', 'failed']),
  records: z.number(),
  records_skipped: z.number(),
  note: z.string().nullable().describe('Why the object failed, or which lines were skipped.'),
});

export type TransformBody = z.infer<typeof transformBody>;
export type TransformObjectBody = z.infer<typeof objectBody>;

const transformPath = z.strictObject({ transform: z.string() });

export function transformRoutes(services: Services): ApiRoute[] {
  const { transforms } = services;
  return [
    apiRoute('GET /transforms', {
      summary: 'List the batch transforms',
      query: pageQuery,
      answer: pageBody(transformBody),
      handle: ({ query }) => pageByOffset(query, (page) => transforms.list(page), bodyOf),
    }),
    apiRoute('POST /transforms', {
      summary: 'Start a batch transform',
      description:
        'Returns at once; poll `state` for completion. The transform resumes by itself after a restart of the server. File paths are only for administrators on the same machine.',
      body: newTransform,
      answer: transformBody,
      status: 202,
      handle: async ({ body, caller, request }) => {
        const spec = await specOf(services, body);
        checkPaths([spec.input, spec.output], { caller, request, services });
        return bodyOf(await transforms.create(spec, caller.keyId));
      },
    }),
    apiRoute('GET /transforms/:transform', {
      summary: 'Get a batch transform',
      params: transformPath,
      answer: transformBody,
      handle: async ({ params }) => bodyOf(await transforms.get(params.transform)),
    }),
    apiRoute('GET /transforms/:transform/objects', {
      summary: 'List the objects of a batch transform with their state',
      params: transformPath,
      query: z.strictObject({ limit: limitParameter, cursor: z.string().max(64).optional() }),
      answer: pageBody(objectBody),
      handle: ({ params, query }) =>
        pageByOffset(query, ({ limit, offset }) => transforms.objects(params.transform, { after: offset - 1, limit }), objectBodyOf),
    }),
    ...(['stop', 'resume'] as const).map((verb) =>
      apiRoute(`POST /transforms/:transform/${verb}`, {
        summary: verb === 'stop' ? 'Stop a batch transform' : 'Resume a batch transform: process unfinished and failed objects',
        params: transformPath,
        answer: transformBody,
        status: 202,
        handle: async ({ params, caller }) => bodyOf(await transforms[verb](params.transform, caller.keyId)),
      }),
    ),
  ];
}

async function specOf({ registry }: Pick<ApiServices, 'registry'>, body: z.output<typeof newTransform>): Promise<TransformSpec> {
  const version = await registry.resolve(body.model);
  return {
    ...transformDefaults,
    name: body.name ?? nameFor(version.group),
    group: version.group,
    version: version.version,
    input: parseLocation(body.input),
    output: parseLocation(body.output),
    contentType: body.content_type ?? null,
    accept: body.accept ?? null,
    split: body.split ?? null,
    assemble: 'line',
    joins: body.join,
    ignored: body.ignore,
    kept: body.keep,
    inputFilter: body.input_filter,
    outputFilter: body.output_filter,
    badRecords: body.bad_records,
    payloadBytesMax: body.max_payload_mib * 2 ** 20,
    instances: body.instances,
    instanceType: body.instance_type,
  };
}

/** `digits-4f9a2e` */
function nameFor(group: string): string {
  return `${group.slice(0, 50)}-${randomUUID().slice(0, 6)}`;
}

function parseLocation(text: string): TransformLocation {
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(text) ?? [];
  if (bucket !== undefined) return { kind: 's3', bucket, prefix };
  if (isAbsolute(text) && !text.includes('\0')) return { kind: 'file', path: normalize(text).replace(/(?<=.)\/$/, '') };
  throw new PlatformError(
    'invalid_request',
    `invalid location: expected s3://bucket/prefix or an absolute path, got '${text.slice(0, 200)}'`,
  );
}

interface PathContext {
  readonly caller: Caller;
  readonly request: IncomingMessage;
  readonly services: Services;
}

/** File paths are accessed with the rights of the server, so they require its permission and a call from the same machine. */
function checkPaths(locations: readonly TransformLocation[], { caller, request, services }: PathContext): void {
  if (locations.every(({ kind }) => kind === 's3')) return;
  services.access.require(caller, permissionFor('use files of the server'));
  const { remoteAddress } = request.socket;
  if (remoteAddress !== undefined && isLoopback(remoteAddress)) return;
  throw new PlatformError('forbidden', 'file paths are only accepted from the machine of the server: use s3://bucket/prefix');
}

function bodyOf({ spec, state, reason, batchRows, progress, ...times }: TransformView): TransformBody {
  return {
    name: spec.name,
    model: `${spec.group}/${spec.version}`,
    state,
    reason,
    input: formatLocation(spec.input),
    output: formatLocation(spec.output),
    instances: spec.instances,
    instance_type: spec.instanceType,
    batch_rows: batchRows,
    objects: progress.objects,
    objects_done: progress.objectsDone,
    objects_failed: progress.objectsFailed,
    records: progress.records,
    records_skipped: progress.skipped,
    bytes: progress.bytes,
    bytes_done: progress.bytesDone,
    records_per_second: progress.recordsPerSecond === null ? null : Math.round(progress.recordsPerSecond),
    remaining_ms: progress.remainingMs,
    created_at: isoTime(times.createdAtMs),
    started_at: times.startedAtMs === null ? null : isoTime(times.startedAtMs),
    ended_at: times.endedAtMs === null ? null : isoTime(times.endedAtMs),
  };
}

function objectBodyOf({ name, bytes, state, records, skipped, note }: StoredTransformObject): TransformObjectBody {
  return { name, bytes, state, records, records_skipped: skipped, note };
}
