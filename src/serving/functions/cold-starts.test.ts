import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { ColdStarts } from './cold-starts.ts';
import { Environments } from './environments.ts';

const setting = { memoryMiB: 1024, maxConcurrency: 1, provisioned: 0, warm: 0, keepAliveMs: 60_000 };

test('a starting function is expected after the median start time, an overdue one after another quarter of it', () => {
  const clock = new VirtualClock(0);
  const starts = new ColdStarts(() => 400);
  const environments = new Environments(setting, {
    clock,
    start: () => 'f0',
    stop: () => {},
    onRetained: () => {},
    startHangsMs: () => 1000,
    onNoCapacity: () => {},
  });
  environments.want(1);
  const doneInMs = (atMs: number): number => {
    clock.advance(atMs - clock.nowMs());
    return starts.doneInMs(environments, 0, 50, clock.nowMs());
  };
  assert.deepEqual([0, 100, 400, 500, 501, 5000].map(doneInMs), [450, 350, 50, 50, 150, 150]);
});
