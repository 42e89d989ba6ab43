import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tellFailure, tellOfEvent, tellOfWorker } from './own-lines.ts';

function heard(): { lines: string[][]; write: (group: string, stream: string, text: string) => void } {
  const lines: string[][] = [];
  return { lines, write: (...line) => lines.push(line.slice(0, 3)) };
}

test('a worker of an endpoint has a stream in its group, one of a transform in that of all transforms', () => {
  const groups = heard();
  tellOfWorker(groups, { endpoint: 'digits', variant: 'AllTraffic', id: 'digits.alltraffic.1.0' }, 'hello');
  tellOfWorker(groups, { endpoint: 'transform:nightly', variant: 'x', id: 'transform:nightly.0' }, 'hello');
  assert.deepEqual(groups.lines, [
    ['/aws/sagemaker/Endpoints/digits', 'AllTraffic/digits.alltraffic.1.0', 'hello'],
    ['/aws/sagemaker/TransformJobs', 'nightly/transform-nightly.0', 'hello'],
  ]);
});

test('what becomes of a transform and of an asynchronous request is told, of other events nothing', () => {
  const groups = heard();
  const event = { seq: 1, id: 'e', atMs: 1, subject: 'nightly', detail: { state: 'Failed', reason: 'no rows' } };
  tellOfEvent(groups, { ...event, kind: 'transform.failed' }, () => 'main');
  tellOfEvent(groups, { ...event, kind: 'async.succeeded', subject: 'digits', detail: { inferenceId: 'i-1' } }, () => 'main');
  tellOfEvent(groups, { ...event, kind: 'endpoint.created' }, () => 'main');
  assert.deepEqual(groups.lines, [
    [
      '/aws/sagemaker/TransformJobs',
      'nightly/job',
      '{"event":"transform.failed","transform":"nightly","detail":{"state":"Failed","reason":"no rows"}}',
    ],
    ['/aws/sagemaker/Endpoints/digits', 'main/async/data-log', '{"event":"async.succeeded","endpoint":"digits","inferenceId":"i-1"}'],
  ]);
});

test('a request that failed has a line with its id, one that was answered or given up by its client has none', () => {
  const groups = heard();
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
  for (const status of ['ok', 'cancelled', 'overloaded']) tellFailure(groups, { ...line, status });
  const [told, ...more] = groups.lines;
  assert.deepEqual([told?.slice(0, 2), more], [['/aws/sagemaker/Endpoints/digits', 'AllTraffic/requests'], []]);
  assert.match(told?.[2] ?? '', /^\{"at":1,"request":"r-1",.*"status":"overloaded".*\}$/);
});
