/** A call of more rows than a batch holds, served as several and answered as one. */
import { asPlatformError, PlatformError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { type Door, invokeParts, partsOf } from './invoke-parts.ts';
import type { InferenceCall, InferenceResult, Outcome, Route } from './request.ts';

/** What clients may plan with, whatever was measured. */
const rowsAlwaysTaken = 32;

/**
 * The most rows that a request of the Open Inference Protocol may have, given the largest batch that was measured: 0 where the model is not
 * batched. A measurement that stopped early, because the machine was busy say, makes batches smaller and never the requests.
 */
export function requestRowsMax(batchSizeMax: number): number {
  return batchSizeMax === 0 ? 0 : Math.max(batchSizeMax, rowsAlwaysTaken);
}

/** As `Serving.invoke`, for any number of rows. Throws `invalid_request` for more rows without elements than a batch holds. */
export function invokeWhole(serving: Door, route: Route, call: InferenceCall, settle: (outcome: Outcome) => void): () => void {
  if (!route.batchable || call.rows <= Math.max(route.batchSizeMax, 1)) return serving.invoke(route, call, settle);
  const { inputs, rows, ...shared } = call;
  const parts = partsOf(route, [{ inputs, rows }]);
  const results: InferenceResult[] = [];
  return invokeParts(serving, route, parts, shared, {
    take(part, result, sent) {
      for (const { name, shape } of result.outputs) {
        if (shape[0] === sent) continue;
        throw new PlatformError(
          'model_failed',
          `output '${name}' has shape [${shape.join(',')}], expected ${sent} rows, one for each row of the batch`,
        );
      }
      // Its tensors may be overwritten once this returns.
      results[part] = { ...result, outputs: result.outputs.map((tensor) => ({ ...tensor, data: Uint8Array.from(tensor.data) })) };
    },
    end: (error) => settle(error === null ? outcomeOf(results) : { ok: false, error }),
  });
}

function outcomeOf(results: readonly InferenceResult[]): Outcome {
  try {
    return { ok: true, result: joined(results) };
  } catch (error) {
    return { ok: false, error: asPlatformError(error) };
  }
}

/** Its wait and service are those of the clock on the wall, which parts that ran side by side share; what ran within is added up. */
function joined(results: readonly InferenceResult[]): InferenceResult {
  const [first] = results as readonly [InferenceResult, ...InferenceResult[]];
  const sum = (of: (result: InferenceResult) => number): number => results.reduce((total, result) => total + of(result), 0);
  const { queueMs, serviceMs } = wallOf(results);
  return {
    ...first,
    parts: results.length,
    outputs: first.outputs.map((_, index) => joinedRows(results.map(({ outputs }) => outputs[index] as Tensor))),
    timings: {
      queueMs,
      computeInMs: sum(({ timings }) => timings.computeInMs),
      computeMs: sum(({ timings }) => timings.computeMs),
      computeOutMs: sum(({ timings }) => timings.computeOutMs),
      serviceMs,
    },
    costUsd: sum(({ costUsd }) => costUsd),
    overflow: results.find(({ overflow }) => overflow !== null)?.overflow ?? null,
    coldStart: results.some(({ coldStart }) => coldStart),
  };
}

/** For how long at least one part was with a worker, and for how long, until the last of them had run, none was. */
function wallOf(results: readonly InferenceResult[]): { readonly queueMs: number; readonly serviceMs: number } {
  const runs = results.map(({ timings }) => timings).sort((a, b) => a.queueMs - b.queueMs);
  let [serviceMs, untilMs] = [0, 0];
  for (const run of runs) {
    const endMs = run.queueMs + run.serviceMs;
    serviceMs += Math.max(endMs - Math.max(run.queueMs, untilMs), 0);
    untilMs = Math.max(untilMs, endMs);
  }
  return { queueMs: untilMs - serviceMs, serviceMs };
}

/** Throws `model_failed` where the answers are not rows of one tensor. */
function joinedRows(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors as readonly [Tensor, ...Tensor[]];
  const row = first.shape.slice(1).join(',');
  for (const { name, shape } of tensors) {
    if (shape.slice(1).join(',') === row) continue;
    const shapes = `[${first.shape.join(',')}] and [${shape.join(',')}]`;
    throw new PlatformError(
      'model_failed',
      `output '${name}' has the shapes ${shapes} in two batches of one request: send fewer rows at once`,
    );
  }
  const rows = tensors.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  return { ...first, shape: [rows, ...first.shape.slice(1)], data: Buffer.concat(tensors.map(({ data }) => data)) };
}
