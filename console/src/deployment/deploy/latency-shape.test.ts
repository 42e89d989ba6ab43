import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axisSteps, heightAt, latencyShape } from './latency-shape.ts';

test('peaks at the most frequent latency, with height 1', () => {
  const shares = new Array<number>(20).fill(0);
  shares[5] = 0.9;
  shares[19] = 0.1; // the overflow bucket is not drawn
  const points = latencyShape({ step_ms: 2, shares });
  assert.equal(points.length, 19);
  const top = points.reduce((most, point) => (point.height > most.height ? point : most));
  assert.deepEqual([top.ms, top.height], [11, 1]);
  assert(heightAt(points, 37) < 0.01);
  assert(heightAt(points, 12) < 1 && heightAt(points, 12) > heightAt(points, 15));
  assert.equal(heightAt(points, 0), points[0]?.height);
});

test('is flat without requests in range', () => {
  assert(latencyShape({ step_ms: 1, shares: [0, 0, 1] }).every(({ height }) => height === 0));
});

test('chooses a few round steps for the axis', () => {
  assert.deepEqual(axisSteps(70), [0, 20, 40, 60]);
  assert.deepEqual(axisSteps(35), [0, 10, 20, 30]);
  assert.deepEqual(axisSteps(1.4), [0, 0.5, 1]);
  for (const to of [0.01, 3, 7, 99, 12_345]) assert(axisSteps(to).length >= 3 && axisSteps(to).length <= 8, String(to));
});
