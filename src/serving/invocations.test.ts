/** Counting, billing and logging of requests. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openServingFixture, versionOf } from '../../test/serving-fixture.ts';
import { executorUsd } from '../costs/index.ts';
import { PlatformError } from '../errors.ts';

test('a request rejected on arrival never waits and never runs', () => {
  const { clock, serving, serve, lines } = openServingFixture();
  serve(1, { instanceCount: 1 });
  const call = { requestId: 'r', rows: 0, arrivedAtMs: clock.nowMs() };
  clock.advance(2);
  serving.reject(serving.route('e'), call, new PlatformError('invalid_request', 'expected an input'));
  assert.deepEqual(
    lines.map(({ status, queueMs, computeMs, totalMs, executor }) => ({ status, queueMs, computeMs, totalMs, executor })),
    [{ status: 'invalid_request', queueMs: 0, computeMs: 0, totalMs: 2, executor: undefined }],
  );
});

test('ordinary requests are logged only if sampled; late, failed and traced ones always; all are counted', async () => {
  const { serve, send, ready, pass, lines, metrics } = openServingFixture({ plainLines: false });
  serve(1, { instanceCount: 1 }, { percentile: 95, latencyMs: 15 });
  ready('i1', null);
  for (const [id, ms] of [
    ['plain', 10],
    ['traced', 10],
    ['late', 20],
  ] as const) {
    send(id);
    await pass(ms);
  }
  send('cancelled')();
  assert.deepEqual(
    lines.map(({ requestId, status }) => [requestId, status]),
    [
      ['traced', 'ok'],
      ['late', 'ok'],
      ['cancelled', 'cancelled'],
    ],
  );
  assert.match((await metrics.prometheus()).body.toString(), /penstock_requests_total\{[^}]*outcome="ok"[^}]*\} 3/);
});

test('late, rejected and failed requests are counted per version, with zeros for a version without traffic', async () => {
  const { clock, serving, serve, send, ready, pass } = openServingFixture();
  serve(1, { instanceCount: 1 }, { percentile: 95, latencyMs: 5 });
  ready('i1', null);
  ready('i2', null, versionOf(2));
  send('late');
  await pass(10);
  const call = { requestId: 'r', rows: 0, arrivedAtMs: clock.nowMs() };
  serving.reject(serving.route('e'), call, new PlatformError('invalid_request', 'expected an input'));
  serving.reject(serving.route('e'), call, new PlatformError('model_failed', 'it broke'));
  for (const _ of [1, 2]) serving.reject(serving.route('e'), call, new PlatformError('overloaded', 'no room'));
  assert.deepEqual(serving.counted('E'), [
    { model: 'm/1', counts: { answered: 1, late: 1, failed: 1, refused: 3, overloaded: 2 } },
    { model: 'm/2', counts: { answered: 0, late: 0, failed: 0, refused: 0, overloaded: 0 } },
  ]);
});

test('rejected and failed requests are counted like answered ones, and a failed run is billed', async () => {
  const { clock, serving, serve, send, ready, pass, kills, ledger, codeOf } = openServingFixture();
  serve(1, { instanceCount: 1 });
  ready('i0', null);
  send('answered');
  await pass(10);
  const { receiptsUsd } = ledger.usage('e');
  send('fails');
  let workedMs = 0;
  while (codeOf('fails') === undefined) {
    await pass(4);
    workedMs += 4;
    kills.get('i0')?.();
    await pass(0);
    serving.detach('i0');
    ready('i0', null);
  }
  const call = { requestId: 'r', rows: 0, arrivedAtMs: clock.nowMs() };
  serving.reject(serving.route('e'), call, new PlatformError('invalid_request', 'expected an input'));
  send('cancelled')();
  const usage = ledger.usage('e');
  assert.deepEqual([usage.requests, usage.failedRequests, usage.receiptsUsd], [1, 2, receiptsUsd]);
  assert(Math.abs(usage.failedRunsUsd / executorUsd(1, workedMs) - 1) < 1e-9, `${usage.failedRunsUsd}`);
});

test("receipts add up to the instances' busy time, within one percent", async () => {
  const { serving, serve, send, ready, pass, ledger, clock } = openServingFixture();
  serve(1, { instanceCount: 2 });
  for (const id of ['i0', 'i1']) ready(id, null);
  let workedMs = 0;
  const passOne = async (): Promise<void> => {
    workedMs += serving.endpoint('e')?.variants[0]?.executors.filter(({ isBusy }) => isBusy).length ?? 0;
    await pass(1);
  };
  for (let i = 0; i < 60; i++) {
    send(`r${i}`);
    for (let ms = 0; ms < 7 * (i % 3); ms++) await passOne();
  }
  while (ledger.usage('e').requests < 60) await passOne();
  const { receiptsUsd, instanceUsd } = ledger.usage('e');
  assert(Math.abs(receiptsUsd / executorUsd(1, workedMs) - 1) < 0.01);
  assert(Math.abs(instanceUsd / executorUsd(1, 2 * clock.nowMs()) - 1) < 0.01 && instanceUsd > receiptsUsd);
});
