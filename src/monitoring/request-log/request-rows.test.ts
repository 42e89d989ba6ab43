import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatRequestLine, type RequestLine } from './request-line.ts';
import { RequestLines } from './request-lines.ts';
import { RequestRows } from './request-rows.ts';

const usual: RequestLine = {
  atMs: 1_795_700_000_000,
  requestId: '0b8f6c9e-5b7a-4a53-9f0e-0c1f4f6f7a11',
  endpoint: 'digits',
  variant: 'AllTraffic',
  version: '1',
  status: 'ok',
  rows: 1,
  batchRows: 8,
  batchRequests: 8,
  rowsAhead: 3,
  batchWaitMs: 0,
  closeReason: 'idle',
  executor: 'instance:local.1',
  queueMs: 0.35,
  computeMs: 1.2,
  encodeMs: 0.03,
  totalMs: 1.6,
  costUsd: 1.25e-9,
};

const time = fc.oneof(fc.double({ min: 0, max: 20_000, noNaN: true }), fc.constantFrom(0, 9_999.999, 10_000, -1, -0.001, Number.NaN));
const whole = fc.oneof(fc.nat(300), fc.constantFrom(0, 99_999, 100_000, 1.5, -1));
/** Most like the one before, as they come; any of them may be unusual. */
const line: fc.Arbitrary<RequestLine> = fc
  .record(
    {
      atMs: fc.oneof(fc.integer({ min: 1e12, max: 1e13 }), fc.constantFrom(0, 999_999_999_999, 1e13, 1.5)),
      requestId: fc.oneof(fc.uuid(), fc.string(), fc.string({ unit: 'grapheme' })),
      endpoint: fc.constantFrom('digits', 'Ziffern-ä', '"rows":0', ',"queueMs":'),
      variant: fc.constantFrom('AllTraffic', 'Canary'),
      version: fc.constantFrom('1', '2'),
      status: fc.constantFrom('ok', 'overloaded', 200),
      rows: whole,
      batchRows: whole,
      batchRequests: fc.option(whole, { nil: undefined }),
      rowsAhead: fc.option(whole, { nil: undefined }),
      batchWaitMs: fc.option(time, { nil: undefined }),
      parts: fc.constantFrom(undefined, 3),
      overflow: fc.constantFrom(undefined, null, 'rescue'),
      closeReason: fc.constantFrom('idle', 'full'),
      executor: fc.constantFrom('instance:local.1', 'function:2048', undefined),
      queueMs: time,
      computeMs: time,
      encodeMs: time,
      totalMs: time,
      costUsd: fc.oneof(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.constantFrom(0, 1.234e-200, 123_456_789, Number.NaN, 0.000_001_234_5),
      ),
      coldStart: fc.constantFrom(undefined, false, true),
      error: fc.constantFrom(undefined, 'a\nb'),
    },
    { requiredKeys: [] },
  )
  .map((changes) => ({ ...usual, ...changes }) as RequestLine);

/** Handed over as to a thread. */
const put = (given: readonly RequestLine[]): string[] => {
  const [rows, lines] = [new RequestRows(), new RequestLines()];
  let text = '';
  const hand = (): void =>
    rows.take((taken) => {
      text += lines.textOf(structuredClone(taken));
      return true;
    });
  for (const each of given) if (rows.add(each)) hand();
  hand();
  return text.split('\n').slice(0, -1);
};

test('lines by the form are those that are put together anew, whatever came before them', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
      assert.deepEqual(
        put(lines).map((each) => `${each}\n`),
        lines.map((each) => formatRequestLine(each)),
      );
    }),
    { numRuns: 500 },
  );
});

test('numbers that grow and shrink again leave nothing behind', () => {
  const values = [0, 1, 12, 999_999, 7.25, 0.001, 999_999.999, 100, 0.5];
  const lines = values.map((value, i) => ({
    ...usual,
    totalMs: value,
    queueMs: values[i - 1] ?? 0,
    rows: Math.round(value),
    costUsd: value / 1e9,
  }));
  assert.deepEqual(
    put(lines).map((each) => `${each}\n`),
    lines.map((each) => formatRequestLine(each)),
  );
});

test('those of many endpoints and reasons at once keep apart', () => {
  const lines = Array.from({ length: 5000 }, (_, i) => ({ ...usual, endpoint: `e${i % 2500}`, closeReason: `reason ${i % 100}`, rows: i }));
  const read = put(lines).map((each) => JSON.parse(each) as Record<string, unknown>);
  assert.deepEqual(
    read.map(({ endpoint, closeReason, rows }) => ({ endpoint, closeReason, rows })),
    lines.map(({ endpoint, closeReason, rows }) => ({ endpoint, closeReason, rows })),
  );
});
