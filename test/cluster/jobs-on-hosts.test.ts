/** A training job on a host, as real processes: the home is killed while it runs, then the agent of the host. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { TrainingJobDetailBody, TrainingLogBody, VersionBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { penstock, plainEnvironment } from '../end-to-end/server.ts';
import { modelPath } from '../models/index.ts';
import { whyNoPostgres } from '../postgres-server.ts';
import { HostProcesses } from './host-processes.ts';
import { ended, NodesFixture } from './nodes-fixture.ts';

const lines = 150;
const script = `import os, shutil, time
for line in range(${lines}):
    print("line", line, flush=True)
    time.sleep(0.1)
shutil.copy(os.environ["SM_CHANNEL_MODEL"] + "/digits_mlp.onnx", os.environ["SM_MODEL_DIR"] + "/model.onnx")
`;

describe('a training job on a host of a cluster', { skip: whyNoPostgres(), timeout: 240_000 }, () => {
  const hosts = new HostProcesses();
  const folder = mkdtempSync(join(tmpdir(), 'penstock-job-'));
  let fixture: NodesFixture;

  before(async () => {
    writeFileSync(join(folder, 'train.py'), script);
    fixture = await NodesFixture.create();
    await fixture.start('a');
    await fixture.takeKey('a');
    await fixture.start('b');
    await hosts.join(fixture, 'a', 'h1');
  });
  after(async () => {
    await fixture?.close();
    hosts.close();
    rmSync(folder, { recursive: true });
  });

  const begin = (name: string) =>
    promisify(execFile)(
      penstock,
      [
        'train',
        'train.py',
        '--name',
        name,
        '--group',
        name,
        '--environment',
        'none',
        '--data',
        `model=${modelPath('digits_mlp')}`,
        '--detach',
      ],
      { cwd: folder, env: { ...plainEnvironment(), PENSTOCK_URL: fixture.node('b').url, PENSTOCK_KEY: fixture.key } },
    );
  const job = (name: string) => fixture.call<TrainingJobDetailBody>('b', 'GET', `/training-jobs/${name}`);
  const printed = async (name: string) =>
    (await fixture.call<TrainingLogBody>('b', 'GET', `/training-jobs/${name}/logs?limit=1000`)).items.map(({ line }) => line.trim());
  const endsOnce = async (name: string): Promise<void> => {
    await until('the job is over', async () => !['InProgress', 'Stopping'].includes((await job(name)).status), 60_000);
    const { status, reason, attempt, host } = await job(name);
    assert.deepEqual([status, reason, attempt, host], ['Completed', null, 1, 'h1']);
    assert.deepEqual(
      await printed(name),
      Array.from({ length: lines }, (_, line) => `line ${line}`),
    );
    const { items } = await fixture.call<{ items: VersionBody[] }>('b', 'GET', `/groups/${name}/versions`);
    assert.equal(items.length, 1);
  };

  test('goes on when the home is killed: the next one has each line once, and registers its model once', async () => {
    await begin('survivor');
    await until('it prints', async () => (await printed('survivor')).length > 5);
    assert.equal((await job('survivor')).host, 'h1');
    fixture.node('a').child.kill('SIGKILL');
    await ended(fixture.node('a'));
    await until('b is the home', async () => (await fixture.home()) === 'b');
    await endsOnce('survivor');
  });

  test('goes on when the agent of its host is killed, and the next agent is linked', async () => {
    await begin('adopted');
    await until('it prints', async () => (await printed('adopted')).length > 5);
    assert.equal((await job('adopted')).host, 'h1');
    hosts.child('h1').kill('SIGKILL');
    await hosts.start('h1');
    await endsOnce('adopted');
  });
});
