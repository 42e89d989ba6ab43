import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openServingFixture, type ServingFixture } from '../../../test/serving-fixture.ts';
import type { Profile } from '../../profiling/index.ts';
import type { InferenceOutcome } from '../request.ts';
import { invokeWhole, requestRowsMax } from './invoke-whole.ts';

describe('a request with more rows than a measured batch', () => {
  const served = (service: Profile['service']): ServingFixture => {
    const all = openServingFixture({ service });
    all.serve(1, { instanceCount: 1 });
    all.ready('i0', null);
    return all;
  };
  const upToTwo = [1, 2].map((b) => ({ b, p50Ms: 10, p95Ms: 10, p99Ms: 10, samples: [10], rssMiB: 1 }));
  const call = async ({ serving, clock, pass }: ServingFixture, rows: number): Promise<InferenceOutcome> => {
    const outcomes: InferenceOutcome[] = [];
    const data = new Uint8Array(new Float32Array(Array.from({ length: rows }, (_, row) => row)).buffer);
    const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [rows, 1], data }];
    invokeWhole(serving, serving.route('e'), { requestId: 'r', inputs, rows, arrivedAtMs: clock.nowMs() }, (outcome) =>
      outcomes.push(outcome),
    );
    while (outcomes.length === 0) await pass(5);
    assert.equal(outcomes.length, 1);
    return outcomes[0] as InferenceOutcome;
  };

  test('is answered as one request, with its rows in order', async () => {
    const all = served(upToTwo);
    const outcome = await call(all, 5);
    assert(outcome.ok, JSON.stringify(outcome));
    const [y] = outcome.result.outputs;
    assert.deepEqual(y?.shape, [5, 1]);
    assert.deepEqual([...new Float32Array(new Uint8Array(y.data).buffer)], [0, 1, 2, 3, 4]);
    assert.deepEqual(
      all.lines.map(({ status, rows, parts }) => [status, rows, parts]),
      [['ok', 5, 3]],
    );
    assert(Math.abs(outcome.result.costUsd - (all.lines[0]?.costUsd ?? 0)) < 1e-12);
  });

  test('reports the elapsed time, not the sum over parallel parts, and the compute times of all parts', async () => {
    const all = served(upToTwo);
    all.ready('i1', null);
    const outcome = await call(all, 6);
    assert(outcome.ok, JSON.stringify(outcome));
    const { timings, parts } = outcome.result;
    const [line] = all.lines;
    assert(line !== undefined);
    assert.deepEqual([parts, timings.queueMs + timings.serviceMs], [3, line.totalMs]);
    assert.deepEqual([timings.serviceMs, line.computeMs], [10, 10]);
  });

  test('is not split if it is no larger', async () => {
    const all = served(upToTwo);
    assert.equal((await call(all, 2)).ok, true);
    assert.deepEqual(
      all.lines.map(({ rows, parts }) => [rows, parts]),
      [[2, undefined]],
    );
  });

  test('is accepted regardless of measurements: the row limit is the same for slow and fast models', () => {
    assert.deepEqual([8, 16, 32].map(requestRowsMax), [32, 32, 32]);
    assert.equal(requestRowsMax(0), 0);
  });
});
