import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CurvePoints, drawCurve, looserObjective, nearestPossible, priceAt, ticksBetween } from './cost-curve.ts';

const points: CurvePoints = [
  { latency_ms: 5, usd_per_hour: null },
  { latency_ms: 10, usd_per_hour: 0.4 },
  { latency_ms: 50, usd_per_hour: 0.2 },
  { latency_ms: 500, usd_per_hour: 0.1 },
];
const box = { width: 400, height: 96 };

test('tints objectives that cannot be met, up to the tightest that can', () => {
  const { possibleFrom, x, line } = drawCurve(points, box);
  assert.equal(possibleFrom, x(10));
  assert.equal(nearestPossible(points), 10);
  assert.match(line, /^M\d/);
  const none = drawCurve([{ latency_ms: 5, usd_per_hour: null }], box);
  assert.deepEqual([none.line, none.area, none.possibleFrom], ['', '', 392]);
});

test('has a logarithmic axis and clamps values outside of it', () => {
  const { x } = drawCurve(points, box);
  assert.deepEqual([x(5), x(500), x(1), x(9999)], [8, 392, 8, 392]);
  assert(Math.abs(x(50) - (8 + 384 / 2)) < 1e-9);
});

test('keeps a price until the next cheaper objective', () => {
  for (const [ms, usd] of [
    [4, null],
    [10, 0.4],
    [49, 0.4],
    [50, 0.2],
    [9999, 0.1],
  ] as const) {
    assert.equal(priceAt(points, ms), usd, `${ms} ms`);
  }
});

test('offers a looser objective only if it saves at least 3 %', () => {
  assert.deepEqual(looserObjective(points, 40, 0.4), { ms: 60, usd: 0.2 });
  assert.equal(looserObjective(points, 60, 0.2), null);
  assert.equal(looserObjective(points, 340, 0.102), null);
});

test('places ticks inside the axis, ascending and without overlap', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.01, max: 100, noNaN: true }), fc.double({ min: 2, max: 1e5, noNaN: true }), (from, ratio) => {
      const ticks = ticksBetween(from, from * ratio);
      assert(ticks.every((ms, i) => ms >= from && ms <= from * ratio && (i === 0 || ms > (ticks[i - 1] as number))));
      const curve = [from, from * ratio].map((ms) => ({ latency_ms: ms, usd_per_hour: 1 }));
      const drawn = drawCurve(curve, box).ticks;
      assert(drawn.every(({ x }, i) => i === 0 || x - (drawn[i - 1]?.x ?? 0) >= 40));
    }),
  );
});
