import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openServingFixture, type ServingFixture } from '../../../test/serving-fixture.ts';
import { invokeParts } from './invoke-parts.ts';

describe('a call with more rows than a batch', () => {
  const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [1, 1], data: new Uint8Array(4) }];
  const sendThree = ({ serving, clock }: ServingFixture, timeoutMs?: number) => {
    const ends: unknown[] = [];
    const parts = [0, 1, 2].map(() => ({ of: 0, inputs, rows: 1 }));
    const call = { requestId: 'r', arrivedAtMs: clock.nowMs(), timeoutMs };
    const taker = { onPart: () => undefined, end: (error: unknown) => ends.push(error) };
    return { ends, cancel: invokeParts(serving, serving.route('e'), parts, call, taker) };
  };
  const counted = async ({ metrics }: ServingFixture) =>
    (await metrics.prometheus()).body.toString().match(/penstock_(requests|rows)_total\{.*/g);
  const served = (): ServingFixture => {
    const all = openServingFixture();
    all.serve(1, { instanceCount: 1 });
    all.ready('i0', null);
    return all;
  };

  test('counts as one request in log, ledger, statistics and metrics, with the time and cost of all its parts', async () => {
    const all = served();
    const { ends } = sendThree(all);
    while (ends.length === 0) await all.pass(5);
    const [line] = all.lines;
    assert.deepEqual([ends, all.lines.length, line?.rows, line?.parts, line?.status], [[null], 1, 3, 3, 'ok']);
    assert(line !== undefined && line.computeMs > 15 && Math.abs(line.queueMs + line.computeMs + line.encodeMs - line.totalMs) < 1e-6);
    const { requests, receiptsUsd } = all.ledger.usage('e');
    assert.deepEqual([requests, receiptsUsd], [1, line.costUsd]);
    assert.equal(all.serving.endpoint('e')?.variants[0]?.statistics.success.count, 1);
    assert.deepEqual(await counted(all), [
      'penstock_requests_total{endpoint="e",variant="AllTraffic",outcome="ok"} 1',
      'penstock_rows_total{endpoint="e",variant="AllTraffic"} 3',
    ]);
  });

  test('counts as one request if its client cancels or its timeout passes', async () => {
    const all = served();
    sendThree(all).cancel();
    while (all.serving.endpoint('e')?.variants[0]?.executors.some(({ isBusy }) => isBusy)) await all.pass(5);
    const { ends } = sendThree(all, 15);
    while (ends.length === 0) await all.pass(5);
    for (let i = 0; i < 5; i++) await all.pass(5);
    assert.deepEqual(
      all.lines.map(({ status, rows, parts }) => [status, rows, parts]),
      [
        ['cancelled', 3, 3],
        ['deadline_exceeded', 3, 3],
      ],
    );
  });
});
