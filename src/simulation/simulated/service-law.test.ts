import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { affineService } from '../../profiling/index.ts';
import { SeededRandom } from '../../random.ts';
import { pointsOf, SimulatedServiceLaw } from './service-law.ts';

const near = (value: number, wanted: number, share: number): void =>
  assert(Math.abs(value / wanted - 1) <= share, `${value}, not ${wanted}`);

describe('simulated service times', () => {
  test('of an affine profile vary by 2.5 % either way, while dispatch uses the exact line', () => {
    const law = new SimulatedServiceLaw(pointsOf(affineService({ aMs: 10, eachMs: 70, batchMax: 32 })));
    const random = new SeededRandom(1);
    const drawn = Array.from({ length: 10_000 }, () => law.drawMs(random, 3));
    assert(drawn.every((ms) => ms >= 220 * 0.975 && ms <= 220 * 1.025));
    near(drawn.reduce((sum, ms) => sum + ms, 0) / drawn.length, 220, 0.001);
    law.table.observe(3, 5000);
    assert.deepEqual([law.table.quantileMs(0.998, 3), law.table.medianMs(32), law.batchMax], [220, 2250, 32]);
  });

  test('that were observed are drawn from their 21 quantiles, without additional jitter', () => {
    const quantilesMs = [...Array.from({ length: 11 }, () => 10), ...Array.from({ length: 9 }, () => 30), 200];
    const law = new SimulatedServiceLaw([{ b: 1, p50Ms: 10, p95Ms: 30, p99Ms: 60, quantilesMs }]);
    const random = new SeededRandom(1);
    const drawn = Float64Array.from({ length: 50_000 }, () => law.drawMs(random, 1)).sort();
    assert.deepEqual([drawn[0], drawn[25_000 - 500], drawn[30_000], drawn[47_000]], [10, 10, 30, 30]);
    near(drawn[49_500] as number, 60, 0.05);
    assert((drawn.at(-1) as number) > 190);
    near(drawn.reduce((sum, ms) => sum + ms, 0) / drawn.length, 0.525 * 10 + 0.425 * 30 + 0.04 * 45 + 0.01 * 130, 0.02);
  });

  test('reproduce measured quantiles, and are linear between measured batch sizes', () => {
    const points = [
      { b: 1, p50Ms: 10, p95Ms: 20, p99Ms: 40 },
      { b: 5, p50Ms: 30, p95Ms: 60, p99Ms: 80 },
    ];
    const law = new SimulatedServiceLaw(points, 0);
    const random = new SeededRandom(1);
    for (const [b, p50, p95, p99] of [
      [1, 10, 20, 40],
      [3, 20, 40, 60],
      [5, 30, 60, 80],
      [9, 30, 60, 80],
    ] as const) {
      const drawn = Float64Array.from({ length: 50_000 }, () => law.drawMs(random, b)).sort();
      assert.equal(drawn[20_000], p50);
      near(drawn[47_500] as number, p95, 0.02);
      near(drawn[49_500] as number, p99, 0.04);
      near(law.table.quantileMs(0.95, b), p95, 0.03);
    }
  });
});
