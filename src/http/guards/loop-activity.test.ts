import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoopActivity } from './loop-activity.ts';

class ManualLoop {
  atMs = 0;
  readonly activity = new LoopActivity({ nowMs: () => this.atMs });

  at(ms: number, url: string | null): void {
    this.atMs = ms;
    if (url !== null) this.activity.enter({ method: 'POST', url });
  }
}

test('names the request before the longest gap, without its query', () => {
  const loop = new ManualLoop();
  loop.at(10, '/v2/models/a/infer');
  loop.at(12, '/api/v1/endpoints/b/invoke?X-Amz-Signature=secret');
  loop.at(2012, '/v2/models/c/infer');
  loop.at(2015, null);
  assert.deepEqual(loop.activity.take(), { ms: 2000, route: 'POST /api/v1/endpoints/b/invoke', requests: 3 });
});

test('names no request if the gap was before the first one, or without requests', () => {
  const loop = new ManualLoop();
  loop.at(500, '/late');
  loop.at(510, null);
  assert.deepEqual(loop.activity.take(), { ms: 500, route: null, requests: 1 });
  loop.at(900, null);
  assert.deepEqual(loop.activity.take(), { ms: 390, route: null, requests: 0 });
});
