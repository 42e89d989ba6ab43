/** Routes of asynchronous requests: accepted at once, processed later, polled for their result. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { type Caller, permissionFor } from '../../access/index.ts';
import {
  type AsyncRequest,
  asyncStates,
  asyncTimeoutMsDefault,
  formatObjectUri,
  inlineBytesMax,
  type ObjectUri,
  timeoutMsMax,
  ttlMsDefault,
} from '../../async-inference/index.ts';
import { PlatformError } from '../../errors.ts';
import { pageBody } from '../bodies.ts';
import { endpointPath, isoTime, pageByOffset, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

/** What these routes need of the server. */
type Services = Pick<ApiServices, 'access' | 'async' | 'deployments' | 'webhooks'>;

const time = z.iso.datetime();

export const asyncBody = z.strictObject({
  id: z.string(),
  inference_id: z.string(),
  endpoint: z.string(),
  state: z.enum(asyncStates).describe('`queued` until the request has an outcome, including while it runs.'),
  reason: z.string().nullable().describe('Why the request did not succeed; while it is queued, why the last attempt failed.'),
  failures: z.number().describe('Failed attempts caused by the request itself.'),
  input: z.string().nullable().describe('Location of the body; null if it was sent inline.'),
  output: z.string().describe('Location of the output, also before it exists: s3://BUCKET/KEY.'),
  failure: z.string().nullable(),
  created_at: time,
  expires_at: time,
  finished_at: time.nullable(),
});
export type AsyncBody = z.infer<typeof asyncBody>;

const idPath = z.strictObject({ id: z.string().max(64) });
const submission = z.strictObject({
  input: z.string().max(2048).optional().describe('s3://BUCKET/KEY instead of a request body.'),
  output: z
    .string()
    .max(2048)
    .optional()
    .describe('s3://BUCKET/KEY for the output. Default: a key in the bucket penstock-async. Requires the permission `register`.'),
  inference_id: z.string().min(1).max(64).optional(),
  timeout_ms: z.coerce
    .number()
    .int()
    .min(1000)
    .max(timeoutMsMax)
    .default(asyncTimeoutMsDefault)
    .describe('Limit of the processing time, in milliseconds.'),
  ttl_ms: z.coerce
    .number()
    .int()
    .min(1000)
    .max(7 * 86_400_000)
    .default(ttlMsDefault)
    .describe('Time to live in the queue, in milliseconds; older requests expire without being processed.'),
  notify: z.string().max(2048).optional().describe('A URL that receives a signed notification of the outcome.'),
});

export function asyncRoutes(services: Services): ApiRoute[] {
  const { requests } = services.async;
  return [
    apiRoute('POST /endpoints/:endpoint/async', {
      summary: 'Submit an asynchronous request to an endpoint',
      description:
        `The body has any format the endpoint accepts and any size: a body above ${inlineBytesMax} bytes is streamed into the bucket penstock-async. ` +
        'Once the call has returned, the request is durable.',
      params: endpointPath,
      query: submission,
      raw: ['*/*'],
      answer: asyncBody,
      status: 202,
      handle: ({ params, query, caller, request }) => submit(services, params.endpoint, query, { caller, request }),
    }),
    apiRoute('GET /async', {
      summary: 'List asynchronous requests, newest first',
      query: pageQuery.extend({ endpoint: z.string().max(63).optional(), state: z.enum(asyncStates).optional() }),
      answer: pageBody(asyncBody),
      handle: ({ query: { endpoint, state, ...page } }) =>
        pageByOffset(page, (cut) => requests.list({ ...cut, endpoint, state }), asyncBodyOf),
    }),
    apiRoute('GET /async/:id', {
      summary: 'Get the state of an asynchronous request',
      params: idPath,
      answer: asyncBody,
      handle: async ({ params: { id } }) => asyncBodyOf(await existing(services, id)),
    }),
    apiRoute('GET /async/:id/output', {
      summary: 'Download the output of an asynchronous request',
      params: idPath,
      answer: z.unknown(),
      streams: ['*/*'],
      handle: async ({ params: { id }, response }) => {
        const { state, output } = await existing(services, id);
        if (state !== 'succeeded')
          throw new PlatformError('wrong_state', `request ${id} has no output: it is ${state}. Wait until its state is succeeded`);
        const object = await services.async.open(output);
        if (object === null) throw new PlatformError('not_found', `the output of request ${id} at ${formatObjectUri(output)} was deleted`);
        response.writeHead(200, {
          'content-type': object.contentType,
          'content-length': object.bytes,
          'x-content-type-options': 'nosniff',
        });
        await pipeline(object.stream(), response).catch(() => response.destroy()); // the client disconnected, or the disk failed
        return undefined;
      },
    }),
    apiRoute('POST /async/:id/retry', {
      summary: 'Retry a failed or expired request',
      params: idPath,
      answer: asyncBody,
      handle: async ({ params: { id } }) => asyncBodyOf(await requests.retry(id)),
    }),
    apiRoute('POST /async/:id/cancel', {
      summary: 'Cancel a queued request',
      params: idPath,
      answer: asyncBody,
      handle: async ({ params: { id } }) => asyncBodyOf(await requests.cancel(id)),
    }),
  ];
}

async function submit(
  { access, async, deployments, webhooks }: Pick<ApiServices, 'access' | 'async' | 'deployments' | 'webhooks'>,
  name: string,
  requested: z.output<typeof submission>,
  { caller, request }: { readonly caller: Caller; readonly request: IncomingMessage },
): Promise<AsyncBody> {
  const endpoint = deployments.get(name).config.name;
  // Models can be registered from buckets, so a client-chosen output location must not bypass that permission.
  if (requested.output !== undefined) access.require(caller, permissionFor('write object'));
  if (requested.notify !== undefined) webhooks.checkUrl(requested.notify);
  const id = randomUUID();
  const bucket = await async.ownBucket();
  const contentType = request.headers['content-type'] ?? null;
  const small = await firstBytes(request);
  const isEmpty = small.isWhole && small.bytes.length === 0;
  if (isEmpty === (requested.input === undefined))
    throw new PlatformError('invalid_request', 'expected either a body or input=s3://BUCKET/KEY, got both or neither');
  let input = requested.input === undefined ? null : parseObjectUri(requested.input);
  if (!small.isWhole) {
    input = { bucket, key: `${endpoint}/${id}.in` };
    await async.put(input, small.all(), contentType ?? 'application/octet-stream');
  }
  const accept = request.headers.accept ?? null;
  const order = {
    id,
    inferenceId: requested.inference_id ?? id,
    endpoint,
    input,
    ownsInput: !small.isWhole,
    // Without a body, the content type is that of the object.
    contentType: requested.input === undefined ? contentType : null,
    accept,
    customAttributes: null,
    output: requested.output === undefined ? { bucket, key: `${endpoint}/${id}.out` } : parseObjectUri(requested.output),
    failure: null,
    timeoutMs: requested.timeout_ms,
    ttlMs: requested.ttl_ms,
    notified:
      requested.notify === undefined
        ? null
        : { success: requested.notify, error: requested.notify, withAnswer: { success: false, error: false } },
  };
  return asyncBodyOf(await async.requests.submit(order, input === null ? small.bytes : null));
}

/** The whole body if it is small; otherwise `all` streams it from the beginning. */
async function firstBytes(request: IncomingMessage): Promise<{ bytes: Buffer; isWhole: boolean; all: () => AsyncIterable<Uint8Array> }> {
  const pieces: Buffer[] = [];
  let length = 0;
  // Keeps the connection open if the body is rejected half-way, so that the error response can be sent.
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

function parseObjectUri(uri: string): ObjectUri {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/s.exec(uri) ?? [];
  if (bucket === undefined || key === undefined)
    throw new PlatformError('invalid_request', `expected s3://BUCKET/KEY, got '${uri.slice(0, 200)}'`);
  return { bucket, key };
}

async function existing({ async }: Pick<ApiServices, 'async'>, id: string): Promise<AsyncRequest> {
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
    input: input === null ? null : formatObjectUri(input),
    output: formatObjectUri(output),
    failure: failure === null ? null : formatObjectUri(failure),
    created_at: isoTime(createdAtMs),
    expires_at: isoTime(expiresAtMs),
    finished_at: finishedAtMs === null ? null : isoTime(finishedAtMs),
  };
}
