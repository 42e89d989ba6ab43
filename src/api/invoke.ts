/** The invoke route: rows in any of the forms of `decode-body.ts`, predictions out. */
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { type Invocation, predictionsJson } from '../codecs/index.ts';
import { asPlatformError, PlatformError } from '../errors.ts';
import type { SeenCall } from '../monitoring/index.ts';
import { type InferenceResult, invokeParts, partsOf, type Route as ServingRoute } from '../serving/index.ts';
import { giveBackBody } from '../spent-bytes.ts';
import { predictionsBody, type ReceiptBody } from './bodies.ts';
import { bodyTypes, decodeBody } from './decode-body.ts';
import { inferenceIdOf } from './inference-id.ts';
import { readInvocation } from './invocation-body.ts';
import { invokeProcess } from './invoke-process.ts';
import { endpointPath, switchParameter } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const query = z.strictObject({
  version: z.string().optional().describe('The model version; by the weights of the variants where it is not given.'),
  label: z.string().optional().describe('A column of the CSV that is the answer, not an input.'),
  timings: switchParameter.describe('Also say how long each stage took.'),
});

/** One request to serving, and what came of it: its predictions as `[…]`, encoded in the moment of its answer. */
interface Part {
  readonly rows: number;
  readonly text: string;
  readonly result: InferenceResult;
}

export function invokeRoutes(services: ApiServices): Route[] {
  return [
    route('POST /endpoints/:endpoint/invoke', {
      summary: 'Send rows to an endpoint',
      description:
        'JSON is {"instances": [row, …]}, or the list alone, with {"input name": value, …} rows for a model with several inputs, or ' +
        '{"inputs": [{"name", "shape", "datatype", "data"}, …]}. CSV has one row a line, with or without a header; npy has rows first. ' +
        'A model that is a process takes any bytes of any type, and what it answers is the answer, its status as well.',
      params: endpointPath,
      query,
      raw: bodyTypes,
      answer: predictionsBody,
      streams: true,
      handle: async ({ params, query: asked, request, requestId, response }) => {
        const trace = services.traces?.begin(requestId, request.headers) ?? null;
        try {
          const target = targetOf(services, params.endpoint, asked.version);
          if (target.runtime === 'onnx') return await invoke(services, target, { ...asked, request, requestId, response });
          await invokeProcess(services, target, { request, requestId, response, trace, timings: asked.timings });
          return undefined;
        } catch (error) {
          services.traces?.refuse(requestId, asPlatformError(error));
          throw error;
        }
      },
    }),
  ];
}

/** An endpoint that is deployed but not served yet (the server has just started, say) is there: its clients had better come again. */
function targetOf({ serving, deployments }: ApiServices, endpoint: string, version: string | undefined): ServingRoute {
  try {
    return serving.route(endpoint, version);
  } catch (error) {
    const deployed = deployments.list().find(({ config }) => config.name.toLowerCase() === endpoint.toLowerCase());
    if (deployed === undefined || serving.endpoint(endpoint) !== undefined) throw error;
    const why = deployed.reason ?? `it is ${deployed.status}`;
    throw new PlatformError('unavailable', `endpoint '${deployed.config.name}' is not ready: ${why}`, { retryAfterMs: 1000 });
  }
}

async function invoke(
  services: ApiServices,
  target: ServingRoute,
  asked: Pick<Parameters<Route['handle']>[0], 'request' | 'requestId' | 'response'> & { label?: string | undefined; timings: boolean },
): Promise<Buffer> {
  const { serving, clock } = services;
  const { request, requestId } = asked;
  const cameAtMs = clock.nowMs();
  const body = await readInvocation(services, target, asked, cameAtMs);
  const arrivedAtMs = clock.nowMs();
  let invocations: readonly Invocation[];
  try {
    invocations = decodeBody(target.signature, request.headers['content-type'], body, asked.label);
  } catch (error) {
    giveBackBody(body);
    serving.reject(target, { requestId, rows: 1, arrivedAtMs, cameAtMs }, asPlatformError(error));
    throw error;
  }
  const seen = target.isWatched ? services.calls.begin(target, requestId, inferenceIdOf(request)) : null;
  if (seen === null) giveBackBody(body, invocations);
  const parts = await runParts(services, target, invocations, { requestId, arrivedAtMs, response: asked.response, seen });
  const predictions = parts.map(({ text }) => text.slice(1, -1)).join(',');
  const timings = asked.timings ? `,"timings":${JSON.stringify(timingsOf(parts, clock.nowMs() - arrivedAtMs))}` : '';
  const answer = Buffer.from(`{"predictions":[${predictions}],"model_version":${JSON.stringify(target.version)}${timings}}`);
  const type = request.headers['content-type'] ?? 'application/json';
  // So that whoever reads it later knows what is no input.
  const contentType = asked.label === undefined ? type : `text/csv; label="${encodeURIComponent(asked.label)}"`;
  seen?.end({ contentType, body }, { contentType: 'application/json', body: answer });
  return answer;
}

interface RunOptions {
  readonly requestId: string;
  readonly arrivedAtMs: number;
  readonly response: ServerResponse;
  readonly seen: SeenCall | null;
}

/** All parts; the first failure ends the rest, and so does a client that leaves. */
function runParts(
  { serving }: ApiServices,
  target: ServingRoute,
  invocations: readonly Invocation[],
  { response, seen, ...call }: RunOptions,
): Promise<Part[]> {
  return new Promise((resolve, reject) => {
    const parts: Part[] = [];
    let cancel = (): void => {};
    const leave = (): void => {
      cancel();
      reject(new PlatformError('invalid_request', 'the client went away before its answer was ready'));
    };
    response.once('close', leave);
    const cut = partsOf(target, invocations);
    cancel = invokeParts(serving, target, cut, call, {
      take: (index, result, rows) => {
        seen?.part(index, cut[index]?.inputs ?? [], result.outputs, rows);
        parts[index] = { rows, text: predictionsJson(result.outputs, rows), result };
      },
      end: (error) => {
        response.off('close', leave);
        if (error === null) resolve(parts);
        else reject(error);
      },
    });
  });
}

function timingsOf(parts: readonly Part[], totalMs: number): z.input<typeof predictionsBody>['timings'] {
  const results = parts.map(({ result }) => result);
  const timeOf = ({ timings: { queueMs, serviceMs } }: InferenceResult): number => queueMs + serviceMs;
  const slowest = results.reduce((slower, result) => (timeOf(result) > timeOf(slower) ? result : slower));
  return {
    total_ms: totalMs,
    queue_ms: slowest.timings.queueMs,
    compute_ms: slowest.timings.computeMs,
    batch_rows: slowest.batchRows,
    close_reason: slowest.closeReason,
    parts: parts.length,
    cost_usd: results.reduce((sum, { costUsd }) => sum + costUsd, 0),
    executors: [...new Set(results.map(({ executor }) => executor))],
    ...(results.some(({ coldStart }) => coldStart) ? { cold_start: true } : {}),
    receipts: parts.map(receiptOf),
  };
}

function receiptOf({ rows, result }: Part): ReceiptBody {
  const { timings, batchRows, closeReason, executor, coldStart, costUsd } = result;
  return {
    rows,
    queue_ms: timings.queueMs,
    compute_ms: timings.computeMs,
    batch_rows: batchRows,
    close_reason: closeReason,
    executor,
    cold_start: coldStart === true,
    cost_usd: costUsd,
  };
}
