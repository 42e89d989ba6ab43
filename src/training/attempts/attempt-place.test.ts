import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newProgress } from '../rows.ts';
import { trainingDefaults } from '../spec.ts';
import { advance, trainingSteps } from '../status.ts';
import { handOverByMs } from './attempt-place.ts';

const hourMs = 3_600_000;
const spec = { ...trainingDefaults, name: 'j', maxRuntimeMs: 100_000, output: { bucket: 'b', prefix: '', isPacked: true } };

/** An attempt that downloads at 1 s and trains from 11 s on. */
function begun() {
  let progress = newProgress(0);
  progress = { ...progress, ...advance(progress, trainingSteps.downloading, 1000) };
  return { ...progress, ...advance(progress, trainingSteps.training, 11_000) };
}

test('an attempt is handed over within its time from its first download on, the time to stop, and an hour', () => {
  assert.equal(handOverByMs({ spec, progress: newProgress(0) }, 5000), null);
  assert.equal(handOverByMs({ spec, progress: begun() }, 5000), 1000 + 100_000 + 5000 + hourMs);
});

test('a further attempt has the time that those before have left, waiting between them not counted', () => {
  let progress = begun();
  for (const [atMs, step] of [
    [31_000, trainingSteps.interrupted],
    [500_000, trainingSteps.downloading],
  ] as const)
    progress = { ...progress, ...advance(progress, step, atMs) };
  assert.equal(handOverByMs({ spec, progress }, 5000), 500_000 + 70_000 + 5000 + hourMs);
});

test('an attempt that is stopped is handed over within an hour of the request', () => {
  const progress = begun();
  const stopped = { ...progress, ...advance(progress, trainingSteps.stopping, 20_000) };
  assert.equal(handOverByMs({ spec, progress: stopped }, 5000), 20_000 + 5000 + hourMs);
});
