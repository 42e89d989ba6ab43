import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logEvent, logFailure, logWorkerLine } from './platform-lines.ts';

function received(): { lines: string[][]; write: (group: string, stream: string, text: string) => void } {
  const lines: string[][] = [];
  return { lines, write: (...line) => lines.push(line.slice(0, 3)) };
}

test('logs workers of endpoints to their groups, and those of transforms to the group of all transforms', () => {
  const groups = received();
  logWorkerLine(groups, { endpoint: 'digits', variant: 'AllTraffic', id: 'digits.alltraffic.1.0' }, 'hello');
  logWorkerLine(groups, { endpoint: 'transform:nightly', variant: 'x', id: 'transform:nightly.0' }, 'hello');
  assert.deepEqual(groups.lines, [
    ['/aws/sagemaker/Endpoints/digits', 'AllTraffic/digits.alltraffic.1.0', 'hello'],
    ['/aws/sagemaker/TransformJobs', 'nightly/transform-nightly.0', 'hello'],
  ]);
});

test('a line that a model printed names its requests: as text, or as a member of a JSON object', () => {
  const groups = received();
  const worker = { endpoint: 'digits', variant: 'AllTraffic', id: 'w' };
  logWorkerLine(groups, worker, 'hello', { requestIds: ['a'] });
  logWorkerLine(groups, worker, '{"level":30}', { requestIds: ['a', 'b'] });
  logWorkerLine(groups, worker, '{}', { requestIds: ['a'] });
  logWorkerLine(groups, worker, '{"broken', { requestIds: ['a', 'b'] });
  logWorkerLine(groups, worker, 'many', { requestIds: Array.from({ length: 66 }, (_, index) => `r${index}`) });
  const texts = groups.lines.map(([, , text]) => text ?? '');
  assert.deepEqual(texts.slice(0, 4), [
    'hello (request a)',
    '{"requests":["a","b"],"level":30}',
    '{"requests":["a"]}',
    '{"broken (requests a, b)',
  ]);
  assert.match(texts[4] ?? '', /^many \(requests r0, .*, r63, and 2 more\)$/);
});

test('logs results of transforms and asynchronous requests, and no other events', () => {
  const groups = received();
  const event = { seq: 1, id: 'e', atMs: 1, subject: 'nightly', detail: { state: 'Failed', reason: 'no rows' } };
  logEvent(groups, { ...event, kind: 'transform.failed' }, () => 'main');
  logEvent(groups, { ...event, kind: 'async.succeeded', subject: 'digits', detail: { inferenceId: 'i-1' } }, () => 'main');
  logEvent(groups, { ...event, kind: 'endpoint.created' }, () => 'main');
  assert.deepEqual(groups.lines, [
    [
      '/aws/sagemaker/TransformJobs',
      'results',
      '{"event":"transform.failed","transform":"nightly","detail":{"state":"Failed","reason":"no rows"}}',
    ],
    ['/aws/sagemaker/Endpoints/digits', 'main/async/data-log', '{"event":"async.succeeded","endpoint":"digits","inferenceId":"i-1"}'],
  ]);
});

test('logs failed requests with their id, but not answered or cancelled ones', () => {
  const groups = received();
  const line = {
    atMs: 1,
    requestId: 'r-1',
    endpoint: 'digits',
    variant: 'AllTraffic',
    version: '1',
    rows: 1,
    batchRows: 0,
    closeReason: '',
    queueMs: 1,
    computeMs: 0,
    encodeMs: 0,
    totalMs: 1,
    costUsd: 0,
  };
  for (const status of ['ok', 'cancelled', 'overloaded']) logFailure(groups, { ...line, status });
  const [reported, ...more] = groups.lines;
  assert.deepEqual([reported?.slice(0, 2), more], [['/aws/sagemaker/Endpoints/digits', 'AllTraffic/requests'], []]);
  assert.match(reported?.[2] ?? '', /^\{"at":1,"request":"r-1",.*"status":"overloaded".*\}$/);
});
