import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type HoldPolicy,
  isOverdue,
  leavesAtMs,
  type OpenBatch,
  onArrival,
  predictCompletionMs,
  priorityShiftMs,
  residualMs,
  takeBatch,
} from './dispatch-rule.ts';

const request = (rows: number, bucket = '') => ({ rows, bucket });

describe('take', () => {
  for (const { when, waiting, batchSizeMax, leave } of [
    { when: 'none wait', waiting: [], batchSizeMax: 4, leave: [] },
    { when: 'fewer wait than fit', waiting: [request(1), request(2)], batchSizeMax: 4, leave: [0, 1] },
    { when: 'more wait than fit', waiting: [request(1), request(1), request(1)], batchSizeMax: 2, leave: [0, 1] },
    { when: 'the head is larger than a batch', waiting: [request(9), request(1)], batchSizeMax: 4, leave: [0] },
    { when: 'the second does not fit', waiting: [request(3), request(2), request(1)], batchSizeMax: 4, leave: [0] },
    { when: 'another shape is in between', waiting: [request(1, 'a'), request(1, 'b'), request(1, 'a')], batchSizeMax: 4, leave: [0, 2] },
  ]) {
    test(`${when}: takes [${leave.join(',')}]`, () => {
      assert.deepEqual(
        takeBatch(waiting, batchSizeMax),
        leave.map((i) => waiting[i]),
      );
    });
  }

  test('exceeds B only for a single request, never mixes buckets, and always takes the head', () => {
    const waiting = fc.array(fc.record({ rows: fc.integer({ min: 1, max: 6 }), bucket: fc.constantFrom('a', 'b') }), { minLength: 1 });
    fc.assert(
      fc.property(waiting, fc.integer({ min: 1, max: 8 }), (requests, batchSizeMax) => {
        const batch = takeBatch(requests, batchSizeMax);
        const rows = batch.reduce((sum, { rows }) => sum + rows, 0);
        assert.equal(batch[0], requests[0]);
        assert(rows <= batchSizeMax || batch.length === 1);
        assert(batch.every(({ bucket }) => bucket === requests[0]?.bucket));
      }),
    );
  });
});

describe('predictCompletionMs', () => {
  const servers = [50, 150].map((residual) => ({ residualMs: residual, batchSizeMax: 3, fullBatchMs: 220 }));
  for (const [rowsAhead, expectedMs] of [
    [0, 270],
    [2, 270],
    [3, 370],
    [6, 490],
    [9, 590],
  ] as const) {
    test(`with ${rowsAhead} rows ahead of it, a request is answered after ${expectedMs} ms`, () => {
      assert.equal(predictCompletionMs(servers, rowsAhead), expectedMs);
    });
  }

  test('equals the closed form for equal servers', () => {
    const residuals = fc.array(fc.integer({ min: 0, max: 219 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(residuals, fc.integer({ min: 0, max: 60 }), (list, rowsAhead) => {
        const sorted = list.toSorted((a, b) => a - b);
        const batches = Math.floor(rowsAhead / 3);
        const closedForm = (sorted[batches % sorted.length] as number) + (Math.floor(batches / sorted.length) + 1) * 220;
        const servers = list.map((residual) => ({ residualMs: residual, batchSizeMax: 3, fullBatchMs: 220 }));
        assert.equal(predictCompletionMs(servers, rowsAhead), closedForm);
      }),
    );
  });

  test('skipping rounds in a long queue gives the same prediction as processing batches one by one', () => {
    // In units of 1/1024 ms, so sums are exact: which server is free first must not depend on the order of addition.
    const ms = (min: number, max: number) => fc.integer({ min: min * 1024, max: max * 1024 }).map((ticks) => ticks / 1024);
    const server = fc.record({ residualMs: ms(0, 400), batchSizeMax: fc.integer({ min: 1, max: 9 }), fullBatchMs: ms(5, 300) });
    fc.assert(
      fc.property(fc.array(server, { minLength: 1, maxLength: 6 }), fc.integer({ min: 0, max: 2000 }), (list, rowsAhead) => {
        const freeMs = list.map(({ residualMs: residual }) => residual);
        let left = rowsAhead;
        let doneMs = 0;
        for (;;) {
          const first = freeMs.indexOf(Math.min(...freeMs));
          const { batchSizeMax, fullBatchMs } = list[first] as (typeof list)[number];
          doneMs = (freeMs[first] as number) + fullBatchMs;
          if (left < batchSizeMax) break;
          left -= batchSizeMax;
          freeMs[first] = doneMs;
        }
        assert.equal(predictCompletionMs(list, rowsAhead), doneMs);
      }),
    );
  });

  test('if servers become free at the same time, the first in order takes the next batch', () => {
    const [swift, slow] = [
      { residualMs: 0, batchSizeMax: 1, fullBatchMs: 5 },
      { residualMs: 0, batchSizeMax: 1, fullBatchMs: 50 },
    ];
    assert.equal(predictCompletionMs([swift, swift, swift, slow], 2), 5);
    assert.equal(predictCompletionMs([swift, swift, slow, swift], 2), 50);
  });

  test('without servers, the predicted time is infinite', () => {
    assert.equal(predictCompletionMs([], 0), Number.POSITIVE_INFINITY);
  });
});

test('a busy executor needs the rest of its service time; an overdue one needs a quarter of it', () => {
  assert.equal(residualMs(30, 100), 70);
  assert.equal(residualMs(110, 100), 0);
  assert.equal(residualMs(130, 100), 25);
  assert.deepEqual(
    [125, 126].map((elapsedMs) => isOverdue(elapsedMs, 100)),
    [false, true],
  );
});

test('a priority shifts a request by at most the horizon: 1 forward, 11 and above back, 0 not at all', () => {
  assert.deepEqual(
    [0, 1, 6, 11, 1e9].map((priority) => priorityShiftMs(priority, 50)),
    [0, -50, 0, 50, 50],
  );
});

describe('holding a batch open', () => {
  const slack: HoldPolicy = { kind: 'slack', batchSizeMax: 3, serviceMs: (rows) => 10 * rows };
  const timeout: HoldPolicy = { kind: 'timeout', batchSizeMax: 3, waitMsMax: 25 };
  const none: HoldPolicy = { kind: 'none' };
  const one: OpenBatch = { openedMs: 0, rows: 1, deadlineMs: 50 };
  const two: OpenBatch = { openedMs: 0, rows: 2, deadlineMs: 50 };
  for (const { when, policy = slack, open, atMs = 0, deadlineMs = atMs + 50, rows = 1, effect } of [
    { when: 'the first arrives', open: null, effect: 'join' },
    { when: 'the first has B rows', open: null, rows: 3, effect: 'join-and-full' },
    { when: 'the first has more than B rows', open: null, rows: 7, effect: 'join-and-full' },
    { when: 'the first is too late in any case', open: null, deadlineMs: 1, effect: 'join' },
    { when: 'there is time for two', open: one, atMs: 30, effect: 'join' },
    { when: 'there is no time for two', open: one, atMs: 31, effect: 'next-would-miss' },
    { when: 'the next has a close deadline itself', open: one, atMs: 30, deadlineMs: 49, effect: 'next-would-miss' },
    { when: 'it was due a moment ago', open: one, atMs: 40.1, effect: 'slack' },
    { when: 'the third arrives in time', open: two, atMs: 20, effect: 'join-and-full' },
    { when: 'the next has more rows than fit', open: two, rows: 2, effect: 'full' },
    { when: 'the first arrives', policy: timeout, open: null, effect: 'join' },
    { when: 'the second arrives after exactly T', policy: timeout, open: one, atMs: 25, effect: 'join' },
    { when: 'the second arrives after T', policy: timeout, open: one, atMs: 25.1, effect: 'timeout' },
    { when: 'the third arrives', policy: timeout, open: two, atMs: 9, effect: 'join-and-full' },
    { when: 'the next has more rows than fit', policy: timeout, open: two, rows: 2, effect: 'full' },
    { when: 'a request arrives', policy: none, open: null, effect: 'join-and-full' },
    { when: 'a batch was open', policy: none, open: one, effect: 'full' },
  ]) {
    test(`${policy.kind}: ${when}: ${effect}`, () => {
      assert.equal(onArrival(policy, open, atMs, deadlineMs, rows), effect);
    });
  }

  test('ends when the slack or the fixed wait is used up, never in the past', () => {
    assert.equal(leavesAtMs(slack, one, 0), 40);
    assert.equal(leavesAtMs(slack, two, 20), 30);
    assert.equal(leavesAtMs(slack, two, 35), 35);
    assert.equal(leavesAtMs(timeout, two, 20), 25);
    assert.equal(leavesAtMs(none, one, 7), 7);
  });
});
