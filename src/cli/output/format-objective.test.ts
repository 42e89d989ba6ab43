import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAttainment, formatInTime, formatStatus } from './format-objective.ts';
import { Style } from './style.ts';

const plain = new Style({ write: () => true }, {});
const terminal = new Style({ write: () => true, isTTY: true }, {});
const warned = /\u001b\[31m/;

test('shows the share of responses within the objective, as a warning if it is below the objective', () => {
  const met = { objective: 'p95<=50ms', in_time: 0.95 };
  assert.deepEqual([formatInTime(met, plain), formatAttainment(met, plain)], ['95 %', '95 % in the last hour, objective 95 %']);
  assert.doesNotMatch(formatInTime(met, terminal), warned);
  const missed = { objective: 'p99.9<=2s', in_time: 0.9989 };
  assert.equal(formatAttainment(missed, plain), '99.8 % in the last hour, objective 99.9 %');
  assert.match(formatInTime(missed, terminal), warned);
  assert.equal(formatInTime({ objective: 'p99.99<=2s', in_time: 0.99958 }, plain), '99.95 %');
});

test('shows a dash without traffic, and nothing without an objective', () => {
  assert.deepEqual(
    [formatInTime, formatAttainment].map((text) => text({ objective: 'p95<=50ms', in_time: null }, plain)),
    ['–', '–'],
  );
  assert.deepEqual(
    [formatInTime, formatAttainment].map((text) => text({ objective: null, in_time: null }, plain)),
    ['', ''],
  );
});

test('says of an endpoint in service that it misses its objective', () => {
  const status = 'InService';
  assert.equal(formatStatus({ status, objective: 'p95<=50ms', in_time: 0.749 }, plain), 'In service, missing its objective');
  assert.match(formatStatus({ status, objective: 'p95<=50ms', in_time: 0.749 }, terminal), warned);
  for (const in_time of [0.95, 0.95 - 1e-12, 1, null])
    assert.equal(formatStatus({ status, objective: 'p95<=50ms', in_time }, plain), status);
  assert.equal(formatStatus({ status, objective: null, in_time: null }, plain), status);
  assert.equal(formatStatus({ status: 'Failed', objective: 'p95<=50ms', in_time: 0 }, plain), 'Failed');
});
