import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { budgetOf, formatMs, formatObjective, parseObjective, promisedShare, spokenMs } from './objective.ts';

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
    ['p0<=1s', /at least 50 and below 100, such as 95 or 99\.9, got 0$/],
    ['p101<=1s', /at least 50 and below 100, .*, got 101$/],
    ['p0.95<=1s', /at least 50 and below 100, .*, got 0\.95$/],
    ['p99.9999<=1s', /at most three decimals, got p99\.9999$/],
    ['p95<=2h', /above 0 and at most one hour, got 120m$/],
    ['p95<=0ms', /above 0 and at most one hour, got 0ms$/],
  ] as const) {
    test(`${text} is refused, and what was expected is said`, () => {
      assert.throws(() => parseObjective(text), { code: 'invalid_request', message });
    });
  }

  test('is written exactly, however short', () => {
    assert.deepEqual([0.005, 0.0355, 0.1, 90, 2000, 2500].map(formatMs), ['5us', '35.5us', '0.1ms', '90ms', '2s', '2500ms']);
    assert.deepEqual([60_000, 90_000, 120_000, 121_000, 3_600_000].map(formatMs), ['60s', '90s', '2m', '121s', '60m']);
  });

  test('leaves a budget of answers that may be late, exactly', () => {
    const budgets = [95, 99, 99.9, 99.999, 50].map((percentile) => budgetOf({ percentile, latencyMs: 50 }));
    assert.deepEqual(budgets, [0.05, 0.01, 0.001, 0.00001, 0.5]);
  });

  test('is kept by a share of requests just where whole numbers say so', () => {
    const thousandths = fc.oneof(
      fc.constantFrom(50_000, 57_000, 95_000, 99_900, 99_950, 99_990, 99_999),
      fc.integer({ min: 50_000, max: 99_999 }),
    );
    // Of round numbers of requests a share is often just the promised one.
    const requests = fc.oneof(
      fc.integer({ min: 1, max: 1e7 }),
      fc.integer({ min: 1, max: 1e4 }).map((thousands) => 1000 * thousands),
    );
    fc.assert(
      fc.property(thousandths, requests, fc.integer({ min: -1, max: 1 }), (promised, all, beside) => {
        const inTime = Math.min(all, Math.max(0, Math.round((promised * all) / 100_000) + beside));
        const objective = parseObjective(`p${promised / 1000}<=50ms`);
        const isKept = BigInt(inTime) * 100_000n >= BigInt(promised) * BigInt(all);
        assert.equal(inTime / all >= promisedShare(objective), isKept);
        assert.equal((all - inTime) / all <= budgetOf(objective), isKept);
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

  test('is said in the unit that people would take', () => {
    const said = { 50: '50 ms', 999: '999 ms', 1500: '1.5 s', 90_000: '90 s', 120_000: '2 min', 150_000: '2.5 min', 7_200_000: '2 h' };
    assert.deepEqual(Object.keys(said).map(Number).map(spokenMs), Object.values(said));
  });
});
