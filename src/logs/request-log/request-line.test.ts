import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatRequestLine, type RequestLine } from './request-line.ts';

const time = fc.oneof(fc.double({ min: -1, max: 1e10 }), fc.constant(Number.NaN), fc.constant(Number.POSITIVE_INFINITY));
const line: fc.Arbitrary<RequestLine> = fc.record(
  {
    atMs: fc.nat(),
    requestId: fc.string(),
    endpoint: fc.string(),
    variant: fc.string(),
    version: fc.constantFrom('1', '2'),
    status: fc.oneof(fc.nat(600), fc.constantFrom('ok', 'overloaded')),
    rows: fc.nat(),
    batchRows: fc.nat(),
    closeReason: fc.constantFrom('idle', 'full'),
    executor: fc.string(),
    queueMs: time,
    computeMs: time,
    encodeMs: time,
    totalMs: time,
    costUsd: fc.double({ min: 0, max: 1, noNaN: true }),
    batchWaitMs: time,
    error: fc.string(),
  },
  {
    requiredKeys: [
      'atMs',
      'requestId',
      'endpoint',
      'variant',
      'version',
      'status',
      'rows',
      'batchRows',
      'closeReason',
      'queueMs',
      'computeMs',
      'encodeMs',
      'totalMs',
      'costUsd',
    ],
  },
);

const rounded = (value: number): number | null => (Number.isFinite(value) ? Math.round(value * 1000) / 1000 + 0 : null);

test('is one line that parses to what was written, with times in microseconds', () => {
  fc.assert(
    fc.property(line, (provided) => {
      const text = formatRequestLine(provided);
      assert.equal(text.indexOf('\n'), text.length - 1);
      const { requestId, atMs, costUsd, queueMs, computeMs, encodeMs, totalMs, batchWaitMs, ...plain } = provided;
      const read = JSON.parse(text) as Record<string, unknown>;
      for (const [name, value] of Object.entries({ queueMs, computeMs, encodeMs, totalMs }))
        assert.equal(read[name] ?? 0, rounded(value) ?? 0, name);
      assert(Math.abs((read.costUsd as number) - costUsd) <= costUsd * 5.1e-4);
      assert.deepEqual([read.request, read.at], [requestId, atMs]);
      for (const [name, value] of Object.entries(plain)) assert.deepEqual(read[name], value, name);
      assert.equal('batchWaitMs' in read, batchWaitMs !== undefined);
    }),
  );
});

test('the plan of a request is JSON with all its members, also if no row went on and no plan was held back', () => {
  const plans: NonNullable<RequestLine['plan']>[] = [
    {
      name: 'a/1>b"/1@0.03',
      rung: 1,
      of: 3,
      first: 'a/1',
      second: 'b"/1',
      threshold: 0.03,
      wentOn: 2,
      failed: 1,
      confidenceMin: 0.1234,
      rowsWaiting: 7,
      heldBack: { rung: 2, request: 'next', lateMs: 1.5 },
    },
    {
      name: 'a/1',
      rung: 1,
      of: 1,
      first: 'a/1',
      second: null,
      threshold: 1,
      wentOn: 0,
      failed: 0,
      confidenceMin: null,
      rowsWaiting: 0,
      heldBack: null,
    },
  ];
  for (const plan of plans) {
    const names = { requestId: 'r', endpoint: 'e', variant: 'v', version: '1', status: 'ok', closeReason: 'idle' };
    const times = { atMs: 1, queueMs: 0, computeMs: 0, encodeMs: 0, totalMs: 0 };
    const written = JSON.parse(formatRequestLine({ ...names, ...times, rows: 1, batchRows: 1, costUsd: 0, plan })) as RequestLine;
    assert.deepEqual(written.plan, plan);
  }
});
