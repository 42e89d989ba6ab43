import assert from 'node:assert/strict';
import test from 'node:test';
import type { InferenceResult } from '../request.ts';
import type { RowAnswers } from '../row-answers.ts';
import { releaseResult } from './release-result.ts';

const frameBytes = 100_000;
const headBytes = 64;

/** A result whose outputs fill a frame of a worker, but for its head. */
function resultOf(changes: Partial<InferenceResult> = {}): InferenceResult {
  const { buffer } = new Uint8Array(frameBytes);
  const data = new Uint8Array(buffer, headBytes, frameBytes - headBytes);
  return {
    outputs: [{ name: 'y', datatype: 'UINT8', shape: [2, data.length / 2], data }],
    timings: { queueMs: 0, computeInMs: 0, computeMs: 1, computeOutMs: 0, serviceMs: 1 },
    batchRows: 2,
    closeReason: 'idle',
    costUsd: 0,
    executor: 'instance:local.1',
    overflow: null,
    coldStart: false,
    ...changes,
  };
}

function bytesLeft({ outputs }: InferenceResult): number {
  return outputs[0]?.data.length ?? 0;
}

test('the memory of a large result is free at once', () => {
  const result = resultOf();
  releaseResult(result, 2);
  assert.equal(bytesLeft(result), 0);
});

test('a request that shared its batch leaves the memory to the others, however few bytes they have of it', () => {
  const result = resultOf({ batchRows: 3 });
  releaseResult(result, 2);
  assert.equal(bytesLeft(result), frameBytes - headBytes);
});

test('without rows it is not known who shared the batch, so nothing is freed', () => {
  const result = resultOf({ batchRows: 0 });
  releaseResult(result, 0);
  assert.equal(bytesLeft(result), frameBytes - headBytes);
});

test('how rows were answered stays readable, because it is counted after the response', () => {
  const result = resultOf({ answered: {} as RowAnswers });
  releaseResult(result, 2);
  assert.equal(bytesLeft(result), frameBytes - headBytes);
});
