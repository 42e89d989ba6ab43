import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { neverFalling, type ReplayedBatch, replayBatches, replayTable } from './replay.ts';
import type { HoldPolicy } from './rules/dispatch-rule.ts';

interface Batch {
  readonly first: number;
  readonly size: number;
  readonly dispatchMs: number;
  readonly cause: string;
}

interface Vectors {
  readonly replays: readonly {
    readonly id: string;
    readonly arrivalsMs: number[];
    readonly maxBatch: number;
    readonly timeoutMs: number;
    readonly service: { readonly baseMs: number; readonly perRequestMs: number };
    readonly expected: {
      readonly batches: Batch[];
      readonly waitsMs: number[];
      readonly latenciesMs: number[];
      readonly batchSizePmf: number[];
    };
  }[];
  readonly slack: readonly {
    readonly id: string;
    readonly arrivalsMs: number[];
    readonly maxBatch: number;
    readonly sloMs: number;
    readonly marginMs: number;
    readonly serviceMs: number[];
    readonly expected: { readonly batches: Batch[]; readonly latenciesMs: number[]; readonly violations: number };
  }[];
}

const vectors = JSON.parse(readFileSync(new URL('../../test/batching/vectors.json', import.meta.url), 'utf8')) as Vectors;
const causeOf: Readonly<Record<string, string>> = { slack: 'due', 'next-would-miss': 'closed-by-arrival' };

function assertClose(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of expected.entries()) assert(Math.abs((actual[i] as number) - value) <= 1e-9, `${actual[i]} for ${value} at ${i}`);
}

const assertBatches = (batches: readonly ReplayedBatch[], expected: readonly Batch[]): void => {
  assert.deepEqual(
    batches.map(({ first, rows, reason }) => ({ first, size: rows, cause: causeOf[reason] ?? reason })),
    expected.map(({ first, size, cause }) => ({ first, size, cause })),
  );
  assertClose(
    batches.map(({ dispatchedMs }) => dispatchedMs),
    expected.map(({ dispatchMs }) => dispatchMs),
  );
};

/** Per request: time from arrival to dispatch, and to response. */
function outcomesOf(arrivals: ArrayLike<number>, batches: readonly ReplayedBatch[], serviceMs: (rows: number) => number) {
  return batches.flatMap(({ first, rows, dispatchedMs }) =>
    Array.from({ length: rows }, (_, i) => {
      const waitMs = dispatchedMs - (arrivals[first + i] as number);
      return { waitMs, latencyMs: waitMs + serviceMs(rows) };
    }),
  );
}

describe('recorded arrivals under a fixed wait', () => {
  for (const { id, arrivalsMs, maxBatch, timeoutMs, service, expected } of vectors.replays) {
    test(`${id}: every batch, wait and latency is exact`, () => {
      const arrivals = Float64Array.from(arrivalsMs);
      const policy: HoldPolicy = { kind: 'timeout', batchSizeMax: maxBatch, waitMsMax: timeoutMs };
      const batches = replayBatches(arrivals, policy, Number.POSITIVE_INFINITY);
      assertBatches(batches, expected.batches);
      const each = outcomesOf(arrivals, batches, (rows) => service.baseMs + service.perRequestMs * rows);
      assertClose(
        each.map(({ waitMs }) => waitMs),
        expected.waitsMs,
      );
      assertClose(
        each.map(({ latencyMs }) => latencyMs),
        expected.latenciesMs,
      );
      const table = replayTable(arrivals, policy, Number.POSITIVE_INFINITY);
      assertClose([...table.batchSizePmf].slice(1), expected.batchSizePmf);
      assert.equal(table.sampleCount, arrivals.length);
    });
  }
});

describe('recorded arrivals under the slack rule', () => {
  for (const { id, arrivalsMs, maxBatch, sloMs, marginMs, serviceMs, expected } of vectors.slack) {
    test(`${id}: every batch and latency is exact, ${expected.violations} are late`, () => {
      const arrivals = Float64Array.from(arrivalsMs);
      const policy: HoldPolicy = { kind: 'slack', batchSizeMax: maxBatch, serviceMs: (rows) => serviceMs[rows - 1] as number };
      const batches = replayBatches(arrivals, policy, sloMs - marginMs);
      assertBatches(batches, expected.batches);
      const each = outcomesOf(arrivals, batches, policy.serviceMs);
      assertClose(
        each.map(({ latencyMs }) => latencyMs),
        expected.latenciesMs,
      );
      assert.equal(each.filter(({ latencyMs }) => latencyMs > sloMs + 1e-9).length, expected.violations);
    });
  }
});

/** Multiples of a quarter millisecond, often zero, so sums are exact. */
const gaps = fc.array(
  fc.oneof(
    fc.constant(0),
    fc.integer({ min: 0, max: 800 }).map((quarters) => quarters / 4),
  ),
  { minLength: 1, maxLength: 200 },
);
const arrivalsOf = (list: readonly number[]): Float64Array => {
  let at = 0;
  return Float64Array.from(list, (gap) => (at += gap));
};
const steps = fc.array(fc.double({ min: 0, max: 30, noNaN: true }), { minLength: 32, maxLength: 32 });

test('under the slack rule no request is late if a single row is fast enough, for any arrivals', () => {
  fc.assert(
    fc.property(
      gaps,
      steps,
      fc.integer({ min: 1, max: 32 }),
      fc.double({ min: 0, max: 300, noNaN: true }),
      (list, rises, batchSizeMax, spareMs) => {
        const serviceMs = arrivalsOf(rises);
        const policy: HoldPolicy = { kind: 'slack', batchSizeMax, serviceMs: (rows) => serviceMs[rows - 1] as number };
        const sloMs = (serviceMs[0] as number) + spareMs;
        const arrivals = arrivalsOf(list);
        for (const { waitMs, latencyMs } of outcomesOf(arrivals, replayBatches(arrivals, policy, sloMs), policy.serviceMs)) {
          assert(waitMs >= 0 && latencyMs <= sloMs + 1e-9, `${latencyMs} of ${sloMs} ms`);
        }
      },
    ),
  );
});

test('no request is lost, the order is preserved, no batch exceeds B, and the table matches the batches', () => {
  const policies = fc.oneof(
    fc.record({
      kind: fc.constant('timeout' as const),
      batchSizeMax: fc.integer({ min: 1, max: 9 }),
      waitMsMax: fc.integer({ min: 0, max: 300 }),
    }),
    fc.record({
      kind: fc.constant('slack' as const),
      batchSizeMax: fc.integer({ min: 1, max: 9 }),
      serviceMs: fc.constant((b: number) => 5 * b),
    }),
    fc.constant({ kind: 'none' as const }),
  );
  fc.assert(
    fc.property(gaps, policies, (list, policy) => {
      const arrivals = arrivalsOf(list);
      const batches = replayBatches(arrivals, policy, 60);
      const batchSizeMax = policy.kind === 'none' ? 1 : policy.batchSizeMax;
      let next = 0;
      for (const { first, rows, dispatchedMs } of batches) {
        assert.equal(first, next);
        assert(rows >= 1 && rows <= batchSizeMax);
        assert(dispatchedMs >= (arrivals[first + rows - 1] as number));
        next += rows;
      }
      assert.equal(next, arrivals.length);
      const table = replayTable(arrivals, policy, 60);
      const waits = outcomesOf(arrivals, batches, () => 0).map(({ waitMs }) => waitMs);
      for (const limitMs of [-1, 0, 20, 60, 1e9]) {
        let within = 0;
        let mass = 0;
        for (let b = 1; b <= batchSizeMax; b++) {
          within += table.requestsWithin(b, limitMs);
          table.forEachWaitMass(b, (fromMs, _, m) => {
            if (fromMs <= limitMs) mass += m;
          });
        }
        const expected = waits.filter((waitMs) => waitMs <= limitMs).length / batches.length;
        assert(Math.abs(within - expected) < 1e-9 && Math.abs(mass - expected) < 1e-9);
      }
      assert(Math.abs(table.meanBatch - arrivals.length / batches.length) < 1e-9);
    }),
  );
});

describe('degenerate histories', () => {
  test('an empty history counts as a single request', () => {
    const table = replayTable(new Float64Array(0), { kind: 'slack', batchSizeMax: 8, serviceMs: (b) => 10 * b }, 100);
    assert.equal(table.sampleCount, 0);
    assert.deepEqual([...table.batchSizePmf], [0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert.equal(table.requestsWithin(1, 89), 0);
    assert.equal(table.requestsWithin(1, 90), 1);
  });

  test('if the clock was set back, the request counts as simultaneous, and later gaps are preserved', () => {
    assert.deepEqual([...neverFalling(Float64Array.of(0, 10, 4, 5, 9, 3, 4))], [0, 10, 10, 11, 15, 15, 16]);
  });

  test('non-decreasing times are not copied', () => {
    const timesMs = Float64Array.of(0, 1, 1, 2);
    assert.equal(neverFalling(timesMs), timesMs);
    assert.throws(
      () => neverFalling(Float64Array.of(0, Number.NaN)),
      /invalid arrival: expected a time in milliseconds, got NaN at index 1/,
    );
  });
});
