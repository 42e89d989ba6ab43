/** The invoke route: rows in any of the forms of `decode-body.ts`, predictions out. */
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { cutRows, type Invocation, predictionsJson } from '../codecs/index.ts';
import { asPlatformError, PlatformError } from '../errors.ts';
import { readBody } from '../http/index.ts';
import type { InferenceResult, Route as ServingRoute } from '../serving/index.ts';
import { predictionsBody } from './bodies.ts';
import { bodyTypes, decodeBody } from './decode-body.ts';
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
  readonly text: string;
  readonly result: InferenceResult;
}

export function invokeRoutes(services: ApiServices): Route[] {
  return [
    route('POST /endpoints/:endpoint/invoke', {
      summary: 'Send rows to an endpoint',
      description:
        'JSON is {"instances": [row, …]}, with {"input name": value, …} rows for a model with several inputs, or ' +
        '{"inputs": [{"name", "shape", "datatype", "data"}, …]}. CSV has one row a line, with or without a header; npy has rows first.',
      params: endpointPath,
      query,
      raw: bodyTypes,
      answer: predictionsBody,
      handle: ({ params, query: asked, request, requestId, response }) =>
        invoke(services, services.serving.route(params.endpoint, asked.version), { ...asked, request, requestId, response }),
    }),
  ];
}

async function invoke(
  services: ApiServices,
  target: ServingRoute,
  asked: Pick<Parameters<Route['handle']>[0], 'request' | 'requestId' | 'response'> & { label?: string | undefined; timings: boolean },
): Promise<Buffer> {
  const { serving, clock, bodyLimitBytes } = services;
  const { request, requestId } = asked;
  const body = await readBody(request, { limitBytes: bodyLimitBytes });
  const arrivedAtMs = clock.nowMs();
  let invocation: Invocation;
  try {
    invocation = decodeBody(target.signature, request.headers['content-type'], body, asked.label);
  } catch (error) {
    serving.reject(target, { requestId, rows: 1, arrivedAtMs }, asPlatformError(error));
    throw error;
  }
  const parts = await runParts(services, target, invocation, { requestId, arrivedAtMs, response: asked.response });
  const predictions = parts.map(({ text }) => text.slice(1, -1)).join(',');
  const timings = asked.timings ? `,"timings":${JSON.stringify(timingsOf(parts, clock.nowMs() - arrivedAtMs))}` : '';
  return Buffer.from(`{"predictions":[${predictions}],"model_version":${JSON.stringify(target.version)}${timings}}`);
}

/** All parts, a few at a time so that a long file does not fill the buffer alone; the first failure ends the rest. */
async function runParts(
  { serving }: ApiServices,
  target: ServingRoute,
  invocation: Invocation,
  call: { readonly requestId: string; readonly arrivedAtMs: number; readonly response: ServerResponse },
): Promise<Part[]> {
  const chunks = target.batchable ? cutRows(invocation, target.signature.inputs, Math.max(target.batchSizeMax, 1)) : [invocation];
  const served = serving.endpoint(target.endpoint)?.variants.find(({ name }) => name === target.variant);
  const instances = served?.executors.filter(({ isFunction }) => !isFunction).length ?? 0;
  // A long file is no reason to pay for functions where there are instances.
  const executors = instances > 0 ? instances : (served?.functions?.config.maxConcurrency ?? 1);
  const parts: Part[] = [];
  const cancels = new Set<() => void>();
  let next = 0;
  const one = (index: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const { inputs, rows } = chunks[index] as Invocation;
      const inference = { requestId: call.requestId, inputs, rows: target.batchable ? rows : 1, arrivedAtMs: call.arrivedAtMs };
      const cancel = serving.invoke(target, inference, (outcome) => {
        cancels.delete(end);
        if (!outcome.ok) return reject(outcome.error);
        parts[index] = { text: predictionsJson(outcome.result.outputs, rows), result: outcome.result };
        resolve();
      });
      const end = (): void => {
        cancel();
        reject(new PlatformError('invalid_request', 'the client went away before its answer was ready'));
      };
      cancels.add(end);
    });
  const lane = async (): Promise<void> => {
    while (next < chunks.length) await one(next++);
  };
  const endAll = (): void => {
    next = chunks.length;
    for (const end of cancels) end();
  };
  call.response.once('close', endAll);
  try {
    await Promise.all(Array.from({ length: Math.min(chunks.length, 2 * Math.max(executors, 1)) }, lane));
  } finally {
    call.response.off('close', endAll);
    endAll();
  }
  return parts;
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
  };
}
