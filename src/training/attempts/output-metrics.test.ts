/** Lines of a job wait for their patterns, and are bounded while they do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log } from '../../logs/index.ts';
import type { TaskLine } from '../../providers/index.ts';
import type { Threads } from '../../threads/index.ts';
import { type TrainingSpec, trainingDefaults } from '../spec.ts';
import type { MatchRequest } from './match-metrics.ts';
import { OutputMetrics, thinned } from './output-metrics.ts';

test('a job that prints faster than its patterns are matched is read no further than one block ahead', async () => {
  const matching: { readonly lines: MatchRequest['lines']; readonly done: () => void }[] = [];
  const threads = {
    run: (_task: unknown, { lines }: MatchRequest) =>
      new Promise((resolve) => {
        matching.push({ lines, done: () => resolve([]) });
      }),
  } as unknown as Threads;
  const metrics = new OutputMetrics({ threads, series: { put: () => undefined }, log: {} as Log });
  const output = { bucket: 'team', prefix: '', isPacked: true };
  const spec: TrainingSpec = { ...trainingDefaults, name: 'flood', output, metrics: [{ name: 'a', regex: 'a=(.)' }] };
  const block = (line: string): TaskLine[] => [{ at: 1, from: 'out', line }];
  await metrics.read(spec, block('first'));
  let isRead = false;
  const second = metrics.read(spec, block('second')).then(() => {
    isRead = true;
  });
  // As many turns of the event loop as a resolved promise could need.
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([isRead, matching.length], [false, 1]);
  matching[0]?.done();
  await second;
  assert.deepEqual([matching.length, matching[1]?.lines], [2, [{ atMs: 1, line: 'second' }]]);
  matching[1]?.done();
  await metrics.settled('flood');
});

test('a long series is thinned to its end', () => {
  const points = Array.from({ length: 25 }, (_, at) => at);
  assert.deepEqual(thinned(points, 10), [0, 3, 6, 9, 12, 15, 18, 21, 24]);
  assert.deepEqual(thinned(points, 25), points);
  assert.deepEqual(thinned([], 10), []);
});
