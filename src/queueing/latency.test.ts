import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { mmpp2, poisson } from './arrivals/arrival-process.ts';
import { latencyCdf, latencyQuantileMs, longestWaitMs } from './latency.ts';
import { callUsd, costUsdPerMillion } from './search/cost.ts';
import { paperCostUsdPerMillion, paperQuantileMs } from './search/paper-solver.ts';
import { empiricalService, fixedService, longestServiceMs, meanBilledMs } from './service-law.ts';
import { AnalyticTables } from './waits/analytic-table.ts';
import { exactTable } from './waits/exact-model.ts';

const close = (actual: number, expected: number, tolerance: number, what: string): void => {
  assert(Math.abs(actual - expected) <= tolerance, `${what}: expected ${expected}, got ${actual}`);
};

const bursts = mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 });
const table = new AnalyticTables(bursts, 8).at(50).of(8);
const affine = fixedService((b) => 5 + 2 * b);

describe('latency', () => {
  test('random service times without variance match fixed ones', () => {
    const samples = empiricalService([1, 4, 8].map((batchSize) => ({ batchSize, serviceMs: [5 + 2 * batchSize] })));
    // Simpson's rule cannot represent a jump inside a piece: the error is at most the mass of the piece.
    for (let ms = 6; ms < 72; ms += 1.7) close(latencyCdf(table, samples, ms), latencyCdf(table, affine, ms), 0.02, `F(${ms})`);
  });

  test('the quantile is the smallest latency at which F reaches it', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 0.999, noNaN: true }), (quantile) => {
        const ms = latencyQuantileMs(table, affine, quantile);
        assert(latencyCdf(table, affine, ms) >= quantile);
        assert(latencyCdf(table, affine, ms - 1e-6) < quantile + 1e-6);
      }),
      { numRuns: 40 },
    );
  });

  test('finds an atom that rounding would miss: 15 − 5 ms for a wait of 10', () => {
    const waits = exactTable(poisson(1000), { batchSizeMax: 16, waitMsMax: 10 });
    const fixed = fixedService((b) => 2 + 0.3 * b);
    const atom = 10 + (2 + 0.3 * 10);
    close(
      latencyCdf(waits, fixed, atom - 1e-12) - latencyCdf(waits, fixed, atom - 1e-6),
      (waits.batchSizePmf[10] as number) / waits.meanBatch,
      1e-5,
      'jump',
    );
  });

  test('adds an overhead to all requests, a cold start to some', () => {
    const p95Ms = latencyQuantileMs(table, affine, 0.95);
    close(latencyQuantileMs(table, affine, 0.95, { overheadMs: 3 }), p95Ms + 3, 1e-9, 'overhead');
    const cold = { coldStartProbability: 0.1, coldStartMs: 500 };
    close(latencyCdf(table, affine, 400, cold), 0.9, 1e-12, 'warm ones');
    assert(latencyQuantileMs(table, affine, 0.95, cold) > 500);
    close(latencyQuantileMs(table, affine, 0.999999, cold), 500 + longestWaitMs(table) + 21, 0.5, 'the slowest');
  });
});

describe('service laws', () => {
  test('interpolate between measured sizes, and reject larger ones', () => {
    const law = empiricalService([
      { batchSize: 2, serviceMs: [14, 10] },
      { batchSize: 4, serviceMs: [18, 22, 18, 22] },
    ]);
    assert.deepEqual([law.serviceMsMax(1), law.serviceMsMax(2), law.serviceMsMax(3), law.serviceMsMax(4)], [14, 14, 18, 22]);
    assert.deepEqual([law.serviceCdf(3, 13.9), law.serviceCdf(3, 14), law.serviceCdf(3, 18)], [0, 0.5, 1]);
    assert.equal(longestServiceMs(law, 4), 22);
    assert.throws(() => law.serviceMsMax(5), /expected at most 4 as measured, got 5/);
  });

  for (const { ms, granularityMs, billed } of [
    { ms: 14.2, granularityMs: 1, billed: 15 },
    { ms: 15, granularityMs: 1, billed: 15 },
    { ms: 15.000000000000002, granularityMs: 1, billed: 15 },
    { ms: 14.2, granularityMs: 100, billed: 100 },
    { ms: 14.2, granularityMs: 0, billed: 14.2 },
  ]) {
    test(`${ms} ms are billed as ${billed} at a granularity of ${granularityMs} ms`, () => {
      assert.equal(
        meanBilledMs(
          fixedService(() => ms),
          1,
          granularityMs,
        ),
        billed,
      );
      assert.equal(meanBilledMs(empiricalService([{ batchSize: 1, serviceMs: [ms] }]), 1, granularityMs), billed);
    });
  }
});

describe('cost', () => {
  const price = { usdPerInvocation: 2e-7, usdPerGbSecond: 1.66667e-5, billingGranularityMs: 1 };

  test('of unbatched requests is that of their calls', () => {
    const alone = exactTable(poisson(50), { batchSizeMax: 1, waitMsMax: 0 });
    close(costUsdPerMillion(alone, affine, 1024, price), 1e6 * (2e-7 + 1.66667e-5 * 0.007), 1e-12, 'cost');
  });

  test('with random service times is rounded up per sample, not on the mean', () => {
    const law = empiricalService([{ batchSize: 1, serviceMs: [1.1, 2.9] }]);
    close(callUsd(1, law, 1024, { ...price, usdPerInvocation: 0 }), 1.66667e-5 * 0.0025, 1e-15, 'call');
  });

  test('falls with longer waits if a larger batch is cheaper per request', () => {
    const tables = [1, 5, 20, 80].map((waitMs) => exactTable(bursts, { batchSizeMax: 16, waitMsMax: waitMs }));
    const costs = tables.map((waits) => costUsdPerMillion(waits, affine, 1024, price));
    for (const [i, usd] of costs.entries()) if (i > 0) assert(usd <= (costs[i - 1] as number));
  });
});

describe('the approximation of the paper', () => {
  const price = { usdPerInvocation: 2e-7, usdPerGbSecond: 1.66667e-5, billingGranularityMs: 0 };

  test('is correct without batching', () => {
    const alone = exactTable(poisson(50), { batchSizeMax: 1, waitMsMax: 30 });
    assert.equal(paperQuantileMs(alone, 50, affine, 0.95), 7);
    close(paperCostUsdPerMillion(alone, affine, 1024, price), costUsdPerMillion(alone, affine, 1024, price), 1e-12, 'cost');
  });

  test('is accurate if the latencies of batch sizes do not overlap, and poor if they do', () => {
    const error = (perRequestMs: number, waitMsMax: number): number => {
      const waits = exactTable(poisson(40), { batchSizeMax: 8, waitMsMax });
      const law = fixedService((b) => 5 + perRequestMs * b);
      return paperQuantileMs(waits, 40, law, 0.95) / latencyQuantileMs(waits, law, 0.95) - 1;
    };
    assert(Math.abs(error(2000, 60)) < 0.01, `apart: ${error(2000, 60)}`);
    assert(Math.abs(error(1, 60)) > 0.05, `overlapping: ${error(1, 60)}`);
  });
});
