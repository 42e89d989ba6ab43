/** When a worker that does not start counts as failed. Real workers: `local-provider.test.ts`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { SeededRandom } from '../../random.ts';
import type { WorkerSpec } from '../provider.ts';
import { SupervisedWorker } from './supervised-worker.ts';

const log = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as unknown as Log;
const spec = {
  id: 'w1',
  modelName: 'digits/1',
  artifact: { sha256: 'a', bytes: 1 },
  kind: 'instance',
  instanceType: 'local.1',
} as WorkerSpec;

/** The states of a worker whose starts all end with this reason. */
async function statesAfter(reason: string): Promise<string[]> {
  const clock = new VirtualClock();
  const states: string[] = [];
  const acquireProcess = () => Promise.reject(new PlatformError('unavailable', `failed to start a worker process: ${reason}`));
  const changed = ({ state }: { readonly state: string }): void => void states.push(state);
  const worker = new SupervisedWorker(spec, {
    clock,
    log,
    random: new SeededRandom(1),
    fetchModels: async () => ({ files: [], damaged: [] }),
    acquireProcess,
    changed,
  });
  for (let i = 0; i < 4; i++) {
    await new Promise(setImmediate);
    clock.advance(1000);
  }
  await worker.stop();
  return states;
}

test('a worker that was killed while it started is tried again before it counts as failed', async () => {
  assert.deepEqual((await statesAfter('killed by SIGKILL')).slice(0, 3), ['starting', 'starting', 'failed']);
});

test('a worker that cannot be started for a reason that will stay counts as failed at once', async () => {
  assert.equal((await statesAfter('no hello within 10 s'))[0], 'failed');
});
