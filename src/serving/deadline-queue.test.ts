import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { takeBatch } from '../queueing/index.ts';
import { DeadlineQueue } from './deadline-queue.ts';
import { PendingRequest } from './request.ts';

function request(requestId: string, deadlineMs: number, rows: number, timeoutAtMs = 60_000): PendingRequest {
  return new PendingRequest(
    { requestId, inputs: [], rows, arrivedAtMs: 0 },
    { deadlineMs, promisedAtMs: deadlineMs, timeoutAtMs, bucket: '' },
    () => {},
  );
}

const steps = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('insert' as const),
        deadlineMs: fc.integer({ min: 0, max: 20 }),
        rows: fc.integer({ min: 1, max: 5 }),
        timeoutMs: fc.constantFrom(1000, 1000, 1000, 990),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('take' as const), batchSizeMax: fc.integer({ min: 1, max: 8 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('abandon' as const), which: fc.nat(30) }) },
  ),
  { maxLength: 80 },
);

test('loses no request, orders by deadline, then by arrival, and never returns more than B rows at once', () => {
  fc.assert(
    fc.property(steps, (script) => {
      const queue = new DeadlineQueue();
      /** Reference: a list that is sorted after each insertion. */
      let expected: PendingRequest[] = [];
      let isUniform = true;
      for (const [i, step] of script.entries()) {
        if (step.kind === 'insert') {
          const newcomer = request(`r${i}`, step.deadlineMs, step.rows, step.deadlineMs + step.timeoutMs);
          isUniform &&= step.timeoutMs === 1000;
          queue.insert(newcomer);
          expected = [...expected, newcomer].sort((a, b) => a.deadlineMs - b.deadlineMs);
        } else if (step.kind === 'take') {
          const batch = takeBatch(queue, step.batchSizeMax);
          queue.remove(batch);
          assert.deepEqual(batch, expected.slice(0, batch.length));
          assert(batch.reduce((sum, { rows }) => sum + rows, 0) <= step.batchSizeMax || batch.length === 1);
          assert(batch.length > 0 || expected.length === 0);
          expected = expected.slice(batch.length);
        } else if (expected.length > 0) {
          const [leaver] = expected.splice(step.which % expected.length, 1) as [PendingRequest];
          leaver.state = 'settled';
          queue.discard(leaver);
        }
        assert.deepEqual([...queue], expected);
        assert.equal(
          queue.rows,
          expected.reduce((sum, { rows }) => sum + rows, 0),
        );
        const limits = expected.map(({ limitAtMs }) => limitAtMs);
        const isOrdered = limits.every((limitMs, place) => place === 0 || limitMs >= (limits[place - 1] as number));
        assert(isOrdered || !queue.isInLimitOrder, 'it never claims an order that it does not have');
        assert(queue.isInLimitOrder || !isUniform, 'and always has it if all timeouts are equal');
        for (const deadlineMs of [0, 10, 20]) {
          const before = expected.filter((waiting) => waiting.deadlineMs <= deadlineMs).reduce((sum, { rows }) => sum + rows, 0);
          assert.equal(queue.rowsUntil(deadlineMs), before);
        }
      }
    }),
  );
});

test('releases empty slots at its front', () => {
  const queue = new DeadlineQueue();
  for (let i = 0; i < 5000; i++) queue.insert(request(`r${i}`, i, 1));
  for (let i = 0; i < 4999; i++) queue.remove(takeBatch(queue, 1));
  assert.deepEqual(
    [...queue].map(({ call }) => call.requestId),
    ['r4999'],
  );
});
