/** Routes of asynchronous requests: accepted at once, worked on later, asked after whenever one likes. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import {
  type AsyncRequest,
  asyncStates,
  inlineBytesMax,
  type ObjectPlace,
  timeoutMsDefault,
  timeoutMsMax,
  ttlMsDefault,
  uriOf,
} from '../async-inference/index.ts';
import { PlatformError } from '../errors.ts';
import { checkWebhookUrl } from '../monitoring/index.ts';
import { pageOf } from './bodies.ts';
import { endpointPath, pageByOffset, pageQuery, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const time = z.iso.datetime();

export const asyncBody = z.strictObject({
  id: z.string(),
  inference_id: z.string(),
  endpoint: z.string(),
  state: z.enum(asyncStates).describe('`queued` until there is an outcome, also while it is worked on.'),
  reason: z.string().nullable().describe('Why it did not succeed; while it is queued, why the last try failed.'),
  failures: z.number().describe('How many tries failed by its own fault.'),
  input: z.string().nullable().describe('Where the body lies; null where it came with the request.'),
  output: z.string().describe('Where the answer is, or will be: s3://BUCKET/KEY.'),
  failure: z.string().nullable(),
  created_at: time,
  expires_at: time,
  finished_at: time.nullable(),
});
export type AsyncBody = z.infer<typeof asyncBody>;

const idPath = z.strictObject({ id: z.string().max(64) });
const submission = z.strictObject({
  input: z.string().max(2048).optional().describe('s3://BUCKET/KEY in place of a body.'),
  output: z.string().max(2048).optional().describe('s3://BUCKET/KEY of the answer; a place of our own unless given.'),
  inference_id: z.string().min(1).max(64).optional(),
  timeout_ms: z.coerce.number().int().min(1000).max(timeoutMsMax).default(timeoutMsDefault).describe('The longest that it may run.'),
  ttl_ms: z.coerce
    .number()
    .int()
    .min(1000)
    .max(7 * 86_400_000)
    .default(ttlMsDefault)
    .describe('Who has waited so long is not worked on any more.'),
  notify: z.string().max(2048).optional().describe('A URL that is told of the outcome, signed.'),
});

export function asyncRoutes(services: ApiServices): Route[] {
  const { requests } = services.async;
  return [
    route('POST /endpoints/:endpoint/async', {
      summary: 'Have an endpoint work on a body later',
      description:
        `The body is what the endpoint takes, of any size: what is more than ${inlineBytesMax} bytes is streamed into the bucket penstock-async. ` +
        'From the answer on nothing is lost.',
      params: endpointPath,
      query: submission,
      raw: ['*/*'],
      answer: asyncBody,
      status: 202,
      handle: ({ params, query, request }) => submit(services, params.endpoint, query, request),
    }),
    route('GET /async', {
      summary: 'List asynchronous requests, the latest first',
      query: pageQuery.extend({ endpoint: z.string().max(63).optional(), state: z.enum(asyncStates).optional() }),
      answer: pageOf(asyncBody),
      handle: ({ query: { endpoint, state, ...page } }) =>
        pageByOffset(page, (cut) => requests.list({ ...cut, endpoint, state }), asyncBodyOf),
    }),
    route('GET /async/:id', {
      summary: 'What became of an asynchronous request',
      params: idPath,
      answer: asyncBody,
      handle: async ({ params: { id } }) => asyncBodyOf(await existing(services, id)),
    }),
    route('GET /async/:id/output', {
      summary: 'The answer to an asynchronous request',
      params: idPath,
      answer: z.unknown(),
      streams: true,
      handle: async ({ params: { id }, response }) => {
        const { state, output } = await existing(services, id);
        if (state !== 'succeeded')
          throw new PlatformError('wrong_state', `request ${id} is ${state}: there is an answer once it has succeeded`);
        const object = await services.async.open(output);
        if (object === null) throw new PlatformError('not_found', `the answer of request ${id} at ${uriOf(output)} was deleted`);
        response.writeHead(200, {
          'content-type': object.contentType,
          'content-length': object.bytes,
          'x-content-type-options': 'nosniff',
        });
        await pipeline(object.stream(), response).catch(() => response.destroy()); // the client went away, or the disk failed
        return undefined;
      },
    }),
    route('POST /async/:id/retry', {
      summary: 'Have a failed or expired request worked on again',
      params: idPath,
      answer: asyncBody,
      handle: async ({ params: { id } }) => asyncBodyOf(await requests.retry(id)),
    }),
    route('POST /async/:id/cancel', {
      summary: 'Have a queued request worked on no more',
      params: idPath,
      answer: asyncBody,
      handle: async ({ params: { id } }) => asyncBodyOf(await requests.cancel(id)),
    }),
  ];
}

async function submit(
  { async, deployments }: ApiServices,
  name: string,
  asked: z.output<typeof submission>,
  request: IncomingMessage,
): Promise<AsyncBody> {
  const endpoint = deployments.get(name).config.name;
  if (asked.notify !== undefined) checkWebhookUrl(asked.notify);
  const id = randomUUID();
  const bucket = await async.ownBucket();
  const contentType = request.headers['content-type'] ?? null;
  const small = await firstBytes(request);
  const isEmpty = small.isWhole && small.bytes.length === 0;
  if (isEmpty === (asked.input === undefined))
    throw new PlatformError('invalid_request', 'expected a body, or input=s3://BUCKET/KEY, and not both');
  let input = asked.input === undefined ? null : placeOf(asked.input);
  if (!small.isWhole) {
    input = { bucket, key: `${endpoint}/${id}.in` };
    await async.put(input, small.all(), contentType ?? 'application/octet-stream');
  }
  const accept = request.headers.accept ?? null;
  const order = {
    id,
    inferenceId: asked.inference_id ?? id,
    endpoint,
    input,
    ownsInput: !small.isWhole,
    // Without a body its type is that of the object.
    contentType: asked.input === undefined ? contentType : null,
    accept,
    customAttributes: null,
    output: asked.output === undefined ? { bucket, key: `${endpoint}/${id}.out` } : placeOf(asked.output),
    failure: null,
    timeoutMs: asked.timeout_ms,
    ttlMs: asked.ttl_ms,
    notified:
      asked.notify === undefined ? null : { success: asked.notify, error: asked.notify, withAnswer: { success: false, error: false } },
  };
  return asyncBodyOf(await async.requests.submit(order, input === null ? small.bytes : null));
}

/** The body, where it is small; else what has come of it, and the way to all of it. */
async function firstBytes(request: IncomingMessage): Promise<{ bytes: Buffer; isWhole: boolean; all: () => AsyncIterable<Uint8Array> }> {
  const pieces: Buffer[] = [];
  let length = 0;
  // A refusal half-way does not cut the connection its answer goes through.
  const rest = request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
    pieces.push(next.value);
    length += next.value.length;
    if (length <= inlineBytesMax) continue;
    const all = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces;
      yield* rest;
    };
    return { bytes: Buffer.alloc(0), isWhole: false, all };
  }
  return { bytes: Buffer.concat(pieces), isWhole: true, all: async function* () {} };
}

function placeOf(uri: string): ObjectPlace {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/s.exec(uri) ?? [];
  if (bucket === undefined || key === undefined)
    throw new PlatformError('invalid_request', `expected s3://BUCKET/KEY, got '${uri.slice(0, 200)}'`);
  return { bucket, key };
}

async function existing({ async }: ApiServices, id: string): Promise<AsyncRequest> {
  const found = await async.requests.find(id);
  if (found === null) throw new PlatformError('not_found', `there is no asynchronous request '${id}'`);
  return found;
}

function asyncBodyOf(request: AsyncRequest): AsyncBody {
  const { id, inferenceId, endpoint, state, reason, failures, input, output, failure, createdAtMs, expiresAtMs, finishedAtMs } = request;
  return {
    id,
    inference_id: inferenceId,
    endpoint,
    state,
    reason,
    failures,
    input: input === null ? null : uriOf(input),
    output: uriOf(output),
    failure: failure === null ? null : uriOf(failure),
    created_at: timeOf(createdAtMs),
    expires_at: timeOf(expiresAtMs),
    finished_at: finishedAtMs === null ? null : timeOf(finishedAtMs),
  };
}
