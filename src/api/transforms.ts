/** Routes of batch transforms: whole data sets through a model version. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isAbsolute, normalize } from 'node:path';
import { z } from 'zod';
import type { Caller } from '../access/index.ts';
import {
  type KeptObject,
  payloadMiBLimit,
  placeText,
  type TransformOrder,
  type TransformPlace,
  type TransformView,
  transformDefaults,
} from '../async-inference/index.ts';
import { isLoopback } from '../config.ts';
import { PlatformError } from '../errors.ts';
import { pageOf } from './bodies.ts';
import { limitParameter, pageByOffset, pageQuery, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const states = ['InProgress', 'Completed', 'Failed', 'Stopping', 'Stopped'] as const;
const place = z.string().min(1).max(4096).describe('`s3://bucket/prefix`, or an absolute path on the machine of the server.');
const time = z.iso.datetime();

const columns = z.array(z.string().min(1).max(256)).max(100).default([]);

const newTransform = z.strictObject({
  name: z.string().optional().describe('A name of its own; one is made unless given.'),
  model: z.string().describe('`digits/3`; `digits` for its latest approved version.'),
  input: place.describe(
    'Objects under a prefix, a file, or all files of a directory. `s3://bucket/prefix`, or an absolute path on the server.',
  ),
  output: place.describe('Where `<object>.out` goes. `s3://bucket/prefix`, or an absolute path on the server.'),
  content_type: z
    .string()
    .max(256)
    .optional()
    .describe('What the objects are, where their names do not end in .csv, .jsonl, .json or .npy.'),
  accept: z.string().max(256).optional().describe('What the results shall be; as the objects are unless given.'),
  split: z.enum(['none', 'line']).optional(),
  join: z.boolean().default(false).describe('Results beside their records.'),
  ignore: columns.describe(
    'Columns that the model does not see: names of the header or of JSON members, or numbers from 0 (from -1 for the last).',
  ),
  keep: columns.describe('Columns of CSV that the model does not see, and that stand before its result.'),
  input_filter: z.string().default('$'),
  output_filter: z.string().default('$'),
  bad_records: z
    .enum(['fail', 'skip'])
    .default('fail')
    .describe('What becomes of an object with a bad record: no result, or one without that record.'),
  max_payload_mib: z.number().int().min(1).max(payloadMiBLimit).default(6).describe('Of an invocation, and of a record.'),
  instances: z.number().int().min(1).max(100).default(1),
  instance_type: z.string().default('local.1'),
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
  batch_rows: z.number().nullable().describe('Rows of a run, chosen by throughput; null until they are, and for processes.'),
  objects: z.number(),
  objects_done: z.number(),
  objects_failed: z.number(),
  records: z.number().describe('Records whose results are written.'),
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
  note: z.string().nullable().describe('Why it failed, or which lines were left out.'),
});

export type TransformBody = z.infer<typeof transformBody>;
export type TransformObjectBody = z.infer<typeof objectBody>;

const transformPath = z.strictObject({ transform: z.string() });

export function transformRoutes(services: ApiServices): Route[] {
  const { transforms } = services;
  return [
    route('GET /transforms', {
      summary: 'List the batch transforms',
      query: pageQuery,
      answer: pageOf(transformBody),
      handle: ({ query }) => pageByOffset(query, (page) => transforms.list(page), bodyOf),
    }),
    route('POST /transforms', {
      summary: 'Transform a data set',
      description:
        'Answers at once; it is over when its `state` says so, and goes on by itself after the server was ended. Paths of the machine are for administrators who call from it.',
      body: newTransform,
      answer: transformBody,
      status: 202,
      handle: async ({ body, caller, request }) => {
        const order = await orderOf(services, body);
        checkPaths([order.input, order.output], { caller, request, services });
        return bodyOf(await transforms.create(order, caller.keyId));
      },
    }),
    route('GET /transforms/:transform', {
      summary: 'Show a batch transform',
      params: transformPath,
      answer: transformBody,
      handle: async ({ params }) => bodyOf(await transforms.get(params.transform)),
    }),
    route('GET /transforms/:transform/objects', {
      summary: 'Tell what became of each object',
      params: transformPath,
      query: z.strictObject({ limit: limitParameter, cursor: z.string().max(64).optional() }),
      answer: pageOf(objectBody),
      handle: ({ params, query }) =>
        pageByOffset(query, ({ limit, offset }) => transforms.objects(params.transform, { after: offset - 1, limit }), objectBodyOf),
    }),
    ...(['stop', 'resume'] as const).map((verb) =>
      route(`POST /transforms/:transform/${verb}`, {
        summary: verb === 'stop' ? 'Stop a batch transform' : 'Do what a batch transform has not done, or failed to do',
        params: transformPath,
        answer: transformBody,
        status: 202,
        handle: async ({ params, caller }) => bodyOf(await transforms[verb](params.transform, caller.keyId)),
      }),
    ),
  ];
}

async function orderOf({ registry }: ApiServices, body: z.output<typeof newTransform>): Promise<TransformOrder> {
  const version = await registry.resolve(body.model);
  return {
    ...transformDefaults,
    name: body.name ?? nameFor(version.group),
    group: version.group,
    version: version.version,
    input: placeOf(body.input),
    output: placeOf(body.output),
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

function placeOf(text: string): TransformPlace {
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(text) ?? [];
  if (bucket !== undefined) return { kind: 's3', bucket, prefix };
  if (isAbsolute(text) && !text.includes('\0')) return { kind: 'file', path: normalize(text).replace(/(?<=.)\/$/, '') };
  throw new PlatformError('invalid_request', `'${text.slice(0, 200)}' is no place: expected s3://bucket/prefix or an absolute path`);
}

interface Asker {
  readonly caller: Caller;
  readonly request: IncomingMessage;
  readonly services: ApiServices;
}

/** Whoever names paths reads and writes as the server does: only who administers it, and calls from its own machine. */
function checkPaths(places: readonly TransformPlace[], { caller, request, services }: Asker): void {
  if (places.every(({ kind }) => kind === 's3')) return;
  services.access.require(caller, 'administer');
  const { remoteAddress } = request.socket;
  if (remoteAddress !== undefined && isLoopback(remoteAddress)) return;
  throw new PlatformError(
    'forbidden',
    'paths are read and written on the machine of the server, for who calls from it: name s3://bucket/prefix',
  );
}

function bodyOf({ order, state, reason, batchRows, progress, ...times }: TransformView): TransformBody {
  return {
    name: order.name,
    model: `${order.group}/${order.version}`,
    state,
    reason,
    input: placeText(order.input),
    output: placeText(order.output),
    instances: order.instances,
    instance_type: order.instanceType,
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
    created_at: timeOf(times.createdAtMs),
    started_at: times.startedAtMs === null ? null : timeOf(times.startedAtMs),
    ended_at: times.endedAtMs === null ? null : timeOf(times.endedAtMs),
  };
}

function objectBodyOf({ name, bytes, state, records, skipped, note }: KeptObject): TransformObjectBody {
  return { name, bytes, state, records, records_skipped: skipped, note };
}
