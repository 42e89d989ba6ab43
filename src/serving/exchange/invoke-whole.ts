/** Serves a call with more rows than a batch as several requests, and answers it as one. */
import { defined } from '../../defined.ts';
import { asPlatformError, PlatformError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import type { InferenceCall, InferenceOutcome, InferenceResult, ServedRoute } from '../request.ts';
import { joinedAnswers } from '../row-answers.ts';
import { invokeParts, type PartInvoker, partsOf } from './invoke-parts.ts';

/** Requests with this many rows are accepted for every batched model, regardless of measurements. */
const rowsAlwaysAccepted = 32;

/**
 * Maximum rows of an Open Inference Protocol request, derived from the largest measured batch; 0 if the model is not batched. A
 * profile measured on a busy machine may end early: that makes batches smaller, but does not lower this limit below 32.
 */
export function requestRowsMax(batchSizeMax: number): number {
  return batchSizeMax === 0 ? 0 : Math.max(batchSizeMax, rowsAlwaysAccepted);
}

/** Like `Serving.invoke`, for any number of rows. Throws `invalid_request` if the call must be split but its rows have no elements. */
export function invokeWhole(
  serving: PartInvoker,
  route: ServedRoute,
  call: InferenceCall,
  settle: (outcome: InferenceOutcome) => void,
): () => void {
  if (!route.batchable || call.rows <= Math.max(route.batchSizeMax, 1)) return serving.invoke(route, call, settle);
  const { inputs, rows, ...shared } = call;
  const parts = partsOf(route, [{ inputs, rows }]);
  const results: InferenceResult[] = [];
  return invokeParts(serving, route, parts, shared, {
    onPart(part, result, sent) {
      for (const { name, shape } of result.outputs) {
        if (shape[0] === sent) continue;
        throw new PlatformError(
          'model_failed',
          `output '${name}' has shape [${shape.join(',')}], expected ${sent} rows, one for each row of the batch`,
        );
      }
      // The tensors may be overwritten after this returns.
      results[part] = { ...result, outputs: result.outputs.map((tensor) => ({ ...tensor, data: Uint8Array.from(tensor.data) })) };
    },
    end: (error) => settle(error === null ? outcomeOf(results) : { ok: false, error }),
  });
}

function outcomeOf(results: readonly InferenceResult[]): InferenceOutcome {
  try {
    return { ok: true, result: joined(results) };
  } catch (error) {
    return { ok: false, error: asPlatformError(error) };
  }
}

/** Joins the results of all parts. Queue and service times are wall-clock times; times inside the worker are sums over the parts. */
function joined(results: readonly InferenceResult[]): InferenceResult {
  const [first] = results as readonly [InferenceResult, ...InferenceResult[]];
  const sum = (of: (result: InferenceResult) => number): number => results.reduce((total, result) => total + of(result), 0);
  const { queueMs, serviceMs } = wallOf(results);
  const { answered: _one, ...shared } = first;
  return {
    ...shared,
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
    ...defined({ answered: joinedAnswers(results.map(({ answered }) => answered)) }),
  };
}

/** `serviceMs`: time with at least one part at a worker. `queueMs`: the remaining time until the last part was done. */
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

/** Concatenates the rows of all parts. Throws `model_failed` if the outputs of the parts differ in row shape. */
function joinedRows(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors as readonly [Tensor, ...Tensor[]];
  const row = first.shape.slice(1).join(',');
  for (const { name, shape } of tensors) {
    if (shape.slice(1).join(',') === row) continue;
    const shapes = `[${first.shape.join(',')}] and [${shape.join(',')}]`;
    throw new PlatformError(
      'model_failed',
      `output '${name}' has the shapes ${shapes} in two batches of one request. Send fewer rows at once`,
    );
  }
  const rows = tensors.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  return { ...first, shape: [rows, ...first.shape.slice(1)], data: Buffer.concat(tensors.map(({ data }) => data)) };
}
