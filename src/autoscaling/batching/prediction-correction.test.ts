import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BatchingAlternative, BatchingEffect } from './batching-decision.ts';
import { correctionOf, type PeriodFacts, withCorrection } from './prediction-correction.ts';

const setting = { memoryMiB: 1024, batchSizeMax: 8, waitMsMax: null };
const predicted = { p50Ms: 50, p95Ms: 81, p99Ms: 90, withinSlo: 0.97, meanBatch: 3.4, costUsdPerMillion: 0.085 };
const alternative = (changes: Partial<BatchingAlternative>): BatchingAlternative => ({
  label: 'chosen',
  policy: 'slack',
  ...setting,
  predicted,
  feasible: true,
  rejectedBecause: null,
  ...changes,
});
const alternatives = [alternative({}), alternative({ label: 'fastest', batchSizeMax: 1, predicted: { ...predicted, p95Ms: 10 } })];
const measured: BatchingEffect = {
  ...predicted,
  p95Ms: 39,
  meanBatch: 2.06,
  costUsdPerMillion: 0.132,
  requests: 900,
  meanWaitMs: 20,
  coldStarts: 0,
  p95ErrorPercent: 107.7,
  costErrorPercent: -35.6,
};
const period: PeriodFacts = { setting, measured, hasChanged: false };

test('scales all predictions by what the last period had instead, and says so', () => {
  const correction = correctionOf(alternatives, period);
  assert.equal(
    correction?.reason,
    'corrected, as the last period had p95 39 ms instead of 81 ms, batches of 2.1 instead of 3.4 rows, a cost of $0.13 per million instead of $0.085 per million',
  );
  const [chosen, fastest] = withCorrection(alternatives, correction);
  assert.deepEqual(
    [chosen?.predicted.p95Ms, chosen?.predicted.meanBatch, chosen?.predicted.costUsdPerMillion, chosen?.predicted.withinSlo],
    [39, 2.06, 0.132, 0.97],
  );
  assert.ok(Math.abs((fastest?.predicted.p95Ms ?? 0) - (10 * 39) / 81) < 1e-9);
});

test('corrects only figures that were off by more than a quarter', () => {
  const correction = correctionOf(alternatives, { ...period, measured: { ...measured, p95Ms: 66, meanBatch: 3, costUsdPerMillion: 0.06 } });
  assert.deepEqual([correction?.latencyFactor, correction?.batchFactor], [1, 1]);
  assert.match(correction?.reason ?? '', /^corrected, as the last period had a cost of \$0\.06 per million instead of \$0\.085/);
});

for (const [when, facts] of [
  ['the figures are within a quarter', { ...period, measured: { ...measured, p95Ms: 70, meanBatch: 3, costUsdPerMillion: 0.09 } }],
  ['there were too few requests', { ...period, measured: { ...measured, requests: 99 } }],
  ['there was no traffic', { ...period, measured: null }],
  ['it is the first decision', { ...period, setting: null }],
  ['the load changed within the period', { ...period, hasChanged: true }],
  ['functions were started within the period', { ...period, measured: { ...measured, coldStarts: 20 } }],
  ['the model has no prediction for the setting in force', { ...period, setting: { ...setting, batchSizeMax: 5 } }],
] as const) {
  test(`corrects nothing if ${when}`, () => assert.equal(correctionOf(alternatives, facts), null));
}
