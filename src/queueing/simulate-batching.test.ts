import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../random.ts';
import { mmpp2, poisson } from './arrivals/arrival-process.ts';
import { arrivalTimesMs } from './arrivals/generate-arrivals.ts';
import { latencyCdf } from './latency.ts';
import { costUsdPerMillion } from './search/cost.ts';
import { fixedService } from './service-law.ts';
import { simulateBatching } from './simulate-batching.ts';
import { exactTable } from './waits/exact-model.ts';

const unlimited = { concurrencyMax: Number.POSITIVE_INFINITY, coldStartMs: 0, keepAliveMs: 0 };
const price = { usdPerInvocation: 2e-7, usdPerGbSecond: 1.66667e-5, billingGranularityMs: 0 };

describe('the formulas and the dispatch rule agree', () => {
  const serviceMs = (rows: number): number => 5 + 2 * rows;
  const service = fixedService(serviceMs);
  const bursts = mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 });
  for (const { name, process, batchSizeMax, waitMsMax } of [
    { name: 'random arrivals', process: poisson(500), batchSizeMax: 8, waitMsMax: 40 },
    { name: 'bursts', process: bursts, batchSizeMax: 32, waitMsMax: 200 },
  ]) {
    test(`${name}: latency and cost within three standard errors in 100 000 requests`, () => {
      const runs = Array.from({ length: 20 }, (_, run) => {
        const random = new SeededRandom(run + 1);
        const arrivalsMs = arrivalTimesMs(process, random, 5000);
        const policy = { kind: 'timeout' as const, batchSizeMax, waitMsMax };
        const { table } = simulateBatching(arrivalsMs, { policy, latencyMs: 0 }, { ...unlimited, drawServiceMs: serviceMs }, random);
        return { table, cost: costUsdPerMillion(table, service, 1024, price) };
      });
      const exact = exactTable(process, { batchSizeMax, waitMsMax });
      const expectMean = (values: readonly number[], expected: number): void => {
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
        const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
        // The constant allows for values without variance, and for the few batches at both ends of a run.
        const error = 3 * Math.sqrt(variance / values.length) + 4e-4 * expected;
        assert(Math.abs(mean - expected) <= error, `${mean} for ${expected}, allowed ${error}`);
      };
      for (const share of [0.1, 0.4, 0.7, 0.95]) {
        const ms = share * (waitMsMax + serviceMs(batchSizeMax));
        expectMean(
          runs.map(({ table }) => latencyCdf(table, service, ms)),
          latencyCdf(exact, service, ms),
        );
      }
      expectMean(
        runs.map(({ cost }) => cost),
        costUsdPerMillion(exact, service, 1024, price),
      );
    });
  }
});

describe('executors', () => {
  const none = { policy: { kind: 'none' as const }, latencyMs: 0 };
  const arrivals = Float64Array.of(0, 10, 20, 100, 1000);
  const run = (change: Partial<Parameters<typeof simulateBatching>[2]>) =>
    simulateBatching(arrivals, none, { ...unlimited, drawServiceMs: () => 30, ...change }, new SeededRandom(1));

  test('without a limit no request waits for an executor', () => {
    assert.deepEqual([...run({}).latenciesMs], [30, 30, 30, 30, 30]);
  });

  test('with a limit of one, batches are served in sequence, and that time counts as wait', () => {
    const { latenciesMs, table } = run({ concurrencyMax: 1 });
    assert.deepEqual([...latenciesMs], [30, 50, 70, 30, 30]);
    assert.equal(table.source, 'simulator');
    assert.equal(table.requestsWithin(1, 20), 4 / 5);
  });

  test('an executor starts if none is idle or the idle ones have ended', () => {
    const { latenciesMs, coldStarts } = run({ coldStartMs: 50, keepAliveMs: 500 });
    assert.deepEqual([...latenciesMs], [80, 80, 80, 30, 80]);
    assert.equal(coldStarts, 4);
  });

  test('with fewer executors no request is answered earlier, and none runs two batches at once', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 4 }), (list, concurrencyMax) => {
        let at = 0;
        const times = Float64Array.from(list, (gap) => (at += gap));
        const held = { policy: { kind: 'timeout' as const, batchSizeMax: 3, waitMsMax: 20 }, latencyMs: 0 };
        const simulate = (limit: number) => {
          const drawServiceMs = (rows: number): number => 20 + rows;
          return simulateBatching(
            times,
            held,
            { ...unlimited, concurrencyMax: limit, keepAliveMs: 1e9, drawServiceMs },
            new SeededRandom(1),
          );
        };
        const [few, more] = [simulate(concurrencyMax), simulate(concurrencyMax + 1)];
        for (const [i, latencyMs] of few.latenciesMs.entries()) assert(latencyMs >= (more.latenciesMs[i] as number) - 1e-9);
        for (const { startMs } of few.batches) {
          const running = few.batches.filter((other) => other.startMs <= startMs && startMs < other.startMs + other.serviceMs - 1e-9);
          assert(running.length <= concurrencyMax);
        }
      }),
    );
  });
});
