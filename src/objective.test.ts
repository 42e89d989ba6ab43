import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { approximateMs, budgetOf, formatMs, formatObjective, objectiveShare, parseDurationMs, parseObjective } from './objective.ts';

describe('an objective', () => {
  for (const [text, formatted] of [
    ['p95<=50ms', 'p95<=50ms'],
    [' P 99.9 = 2 S ', 'p99.9<=2s'],
    ['p95<=2m', 'p95<=2m'],
    ['p95<=1h', 'p95<=60m'],
    ['p95<=1us', 'p95<=1us'],
    ['p95<=0.5ms', 'p95<=0.5ms'],
  ] as const) {
    test(`${text} is ${formatted}`, () => assert.equal(formatObjective(parseObjective(text)), formatted));
  }

  for (const [text, message] of [
    ['fast', /'fast' is not understood: expected a percentile from p50 to p99\.999 and a latency in us, ms, s, m or h, such as/],
    ['p95<=1d', /'p95<=1d' is not understood: .* in us, ms, s, m or h/],
    ['p95 < 50ms', /'p95 < 50ms' is not understood: .*, write 'p95 <= 50ms'$/],
    ['p0<=1s', /from 50 to below 100, such as 95 or 99\.9, got 0$/],
    ['p101<=1s', /from 50 to below 100, .*, got 101$/],
    ['p0.95<=1s', /from 50 to below 100, .*, got 0\.95$/],
    ['p99.9999<=1s', /at most three decimals, got p99\.9999$/],
    ['p95<=2h', /above 0 and at most one hour, got 120m$/],
    ['p95<=0ms', /above 0 and at most one hour, got 0ms$/],
  ] as const) {
    test(`rejects ${text} with what was expected`, () => {
      assert.throws(() => parseObjective(text), { code: 'invalid_request', message });
    });
  }

  test('is formatted exactly, even if it is very short', () => {
    assert.deepEqual([0.005, 0.0355, 0.1, 90, 2000, 2500].map(formatMs), ['5us', '35.5us', '0.1ms', '90ms', '2s', '2500ms']);
    assert.deepEqual([60_000, 90_000, 120_000, 121_000, 3_600_000].map(formatMs), ['60s', '90s', '2m', '121s', '60m']);
  });

  test('has an exact budget of late responses', () => {
    const budgets = [95, 99, 99.9, 99.999, 50].map((percentile) => budgetOf({ percentile, latencyMs: 50 }));
    assert.deepEqual(budgets, [0.05, 0.01, 0.001, 0.00001, 0.5]);
  });

  test('is met by a share of requests exactly if integer arithmetic agrees', () => {
    const thousandths = fc.oneof(
      fc.constantFrom(50_000, 57_000, 95_000, 99_900, 99_950, 99_990, 99_999),
      fc.integer({ min: 50_000, max: 99_999 }),
    );
    // With round numbers of requests, the share is often exactly at the objective.
    const requests = fc.oneof(
      fc.integer({ min: 1, max: 1e7 }),
      fc.integer({ min: 1, max: 1e4 }).map((thousands) => 1000 * thousands),
    );
    fc.assert(
      fc.property(thousandths, requests, fc.integer({ min: -1, max: 1 }), (promised, all, offset) => {
        const inTime = Math.min(all, Math.max(0, Math.round((promised * all) / 100_000) + offset));
        const objective = parseObjective(`p${promised / 1000}<=50ms`);
        const isMet = BigInt(inTime) * 100_000n >= BigInt(promised) * BigInt(all);
        assert.equal(inTime / all >= objectiveShare(objective), isMet);
        assert.equal((all - inTime) / all <= budgetOf(objective), isMet);
      }),
      {
        numRuns: 2000,
        examples: [
          [99_900, 1000, 0],
          [57_000, 100, 0],
          [90_000, 10, 0],
        ],
      },
    );
  });

  test('is formatted in a readable unit', () => {
    const said = { 50: '50 ms', 999: '999 ms', 1500: '1.5 s', 90_000: '90 s', 120_000: '2 min', 150_000: '2.5 min', 7_200_000: '2 h' };
    assert.deepEqual(Object.keys(said).map(Number).map(approximateMs), Object.values(said));
  });
});

test('a duration has a unit or is in seconds, and is at most ten years', () => {
  assert.deepEqual(['500ms', '120s', '5m', '2'].map(parseDurationMs), [500, 120_000, 300_000, 2000]);
  for (const text of ['99999999999999999999', '1e999', '-1', '', 'soon'])
    assert.throws(() => parseDurationMs(text), { code: 'invalid_request' }, text);
});
