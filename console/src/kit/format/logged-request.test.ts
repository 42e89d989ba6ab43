import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRequestStatus, isLate, loggedRequest } from './logged-request.ts';

const line = (fields: object): string =>
  JSON.stringify({ at: 1, request: 'r-1', endpoint: 'digits', variant: 'AllTraffic', status: 'ok', totalMs: 60, queueMs: 1, ...fields });

test('a line becomes a row, and its other fields are in words', () => {
  const ran = {
    computeMs: 2,
    batchRows: 8,
    executor: 'instance:local.1',
    closeReason: 'idle',
    encodeMs: 0.25,
    costUsd: 0.000012,
    coldStart: true,
  };
  assert.deepEqual(loggedRequest(line(ran)), {
    id: 'r-1',
    atMs: 1,
    endpoint: 'digits',
    status: 'ok',
    totalMs: 60,
    queueMs: 1,
    computeMs: 2,
    batchRows: 8,
    rest: [
      ['Variant', 'AllTraffic'],
      ['Executor', 'instance:local.1'],
      ['Dispatch reason', 'idle'],
      ['Encoding and sending', '0.25 ms'],
      ['Cost', '$0.000 012'],
      ['Cold start', 'yes'],
    ],
  });
});

test('a request that never ran has no batch and no compute time', () => {
  const { computeMs, batchRows, rest } =
    loggedRequest(line({ computeMs: 0, batchRows: 0, closeReason: '', error: 'too large', newField: 3 })) ?? {};
  assert.deepEqual([computeMs, batchRows], [null, null]);
  assert.deepEqual(rest?.slice(1), [
    ['Error', 'too large'],
    ['newField', '3'],
  ]);
});

test('lines of other logs are not requests', () => {
  for (const other of ['plain text', '[]', 'null', '{"at":1,"message":"loaded"}']) assert.equal(loggedRequest(other), null);
});

test('only a served request is late, and only with an objective', () => {
  assert.equal(isLate({ status: 'ok', totalMs: 60 }, 50), true);
  assert.equal(isLate({ status: 'ok', totalMs: 50 }, 50), false);
  assert.equal(isLate({ status: 'ok', totalMs: 60 }, null), false);
  assert.equal(isLate({ status: 'overloaded', totalMs: 60 }, 50), false);
  assert.deepEqual(['ok', '200', 'invalid_request', '503'].map(formatRequestStatus), ['OK', 'OK', 'Invalid request', '503']);
});
