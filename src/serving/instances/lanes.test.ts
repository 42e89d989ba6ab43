import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelVersion } from '../../registry/index.ts';
import type { Executor } from '../executor.ts';
import { byWorker, slotIdsOf, workerOf } from './executor-slots.ts';

const model = (runtime: unknown): ModelVersion => ({ runtime }) as ModelVersion;

test('a worker has one executor per concurrent request of its process, the first under its own name', () => {
  assert.deepEqual(slotIdsOf('e.v.1.0', model({ kind: 'onnx' })), ['e.v.1.0']);
  const lanes = slotIdsOf('e.v.1.0', model({ kind: 'process', concurrency: 3 }));
  assert.deepEqual(lanes, ['e.v.1.0', 'e.v.1.0#2', 'e.v.1.0#3']);
  assert.deepEqual(lanes.map(workerOf), ['e.v.1.0', 'e.v.1.0', 'e.v.1.0']);
});

test('a worker is displayed once: busy while any of its executors is, idle since the last became idle', () => {
  const lane = (id: string, isBusy: boolean, sinceMs: number): Executor =>
    ({ worker: { id, instanceType: 'local.1' }, isFunction: false, isBusy, sinceMs, batchSize: 1, batchReason: '' }) as unknown as Executor;
  const shown = byWorker([lane('a', false, 5), lane('a#2', true, 7), lane('a#3', true, 6), lane('b', false, 3), lane('b#2', false, 4)]);
  assert.deepEqual(
    shown.map(({ id, isBusy, sinceMs }) => [id, isBusy, sinceMs]),
    [
      ['a', true, 6],
      ['b', false, 4],
    ],
  );
});
