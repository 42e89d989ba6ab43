/** Training jobs while the database, the disk or the server fails, and of scripts that mean harm. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TrainingFixture } from '../../test/training-fixture.ts';
import { SystemClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';

describe('training jobs, when something fails,', { timeout: 120_000 }, () => {
  let fixture: TrainingFixture;
  before(async () => {
    fixture = await TrainingFixture.open({ cores: 2 });
  });
  after(() => fixture?.end());

  test('that wait are stopped even if the database fails in the middle of it', async () => {
    const { events } = fixture.control;
    const record = events.record.bind(events);
    await fixture.training.create(fixture.spec('holds-2', 'sleep 60'), 'tester');
    await fixture.training.create(fixture.spec('waits-2', 'true'), 'tester');
    events.record = (tx, wanted) =>
      wanted.kind === 'training.stopped' ? Promise.reject(new Error('the database is away')) : record(tx, wanted);
    await assert.rejects(fixture.training.stop('waits-2', 'tester'), /the database is away/);
    assert.equal((await fixture.training.get('waits-2')).status, 'Stopping');
    events.record = record;
    assert.equal((await fixture.over('waits-2')).status, 'Stopped');
    await fixture.training.stop('holds-2', 'tester');
    await fixture.over('holds-2');
  });

  test('that run are stopped even if the request could not be written at first', async () => {
    const { tasks } = fixture.provider;
    const stop = tasks.stop.bind(tasks);
    await fixture.training.create(fixture.spec('full-3', 'echo ready; while true; do sleep 0.05; done'), 'tester');
    await fixture.printed('full-3', 'ready');
    tasks.stop = () => {
      tasks.stop = stop;
      return Promise.reject(new Error('ENOSPC: no space left on device'));
    };
    await fixture.training.stop('full-3', 'tester');
    assert.equal((await fixture.over('full-3')).status, 'Stopped');
  });

  test('keep what they have computed while the database is away, and the last lines they printed', async () => {
    const { events } = fixture.control;
    const record = events.record.bind(events);
    await fixture.training.create(fixture.spec('away-1', 'echo ready; while [ ! -e $ML/go ]; do sleep 0.05; done; exit 3'), 'tester');
    await fixture.training.create(fixture.spec('away-2', 'true', { priority: -1 }), 'tester');
    await fixture.printed('away-1', 'ready');
    const failed = Promise.withResolvers<void>();
    events.record = () => {
      failed.resolve();
      return Promise.reject(new Error('the database is away'));
    };
    writeFileSync(join(fixture.directory, 'training/away-1/1/ml/go'), '');
    await failed.promise;
    events.record = record;
    assert.equal((await fixture.over('away-1')).failureReason, 'AlgorithmError: ready, exit code: 3');
    assert.equal((await fixture.over('away-2')).status, 'Completed');
  });

  test('wait with the registration of their version while the server has no room for it', async () => {
    const { registry } = fixture.control;
    const register = registry.register.bind(registry);
    registry.register = () => Promise.reject(new PlatformError('unavailable', 'the disk is full'));
    await fixture.training.create(fixture.spec('full-2', 'echo a > $ML/model/model.onnx', { group: 'full' }), 'tester');
    await fixture.until('full-2', ({ transitions }) => transitions.at(-1)?.message.includes('disk') === true);
    registry.register = register;
    const job = await fixture.over('full-2');
    assert.deepEqual([job.status, job.version], ['Completed', 'full/1']);
  });

  test('of an environment that was deleted while they waited fail, with the reason', async () => {
    const { environments } = fixture;
    const { resolve } = environments;
    environments.resolve = () =>
      Promise.reject(new PlatformError('not_found', "there is no environment 'system': see penstock environments list"));
    const job = await fixture.run('gone-1', 'true', { environment: 'system' });
    environments.resolve = resolve;
    const reason = "ClientError: environment system: there is no environment 'system': see penstock environments list";
    assert.deepEqual([job.status, job.failureReason], ['Failed', reason]);
  });

  test('store all checkpoints but those that cannot be, and the last ones once there is room again', async () => {
    const { buckets } = fixture;
    const put = buckets.put.bind(buckets);
    const refused = Promise.withResolvers<void>();
    buckets.put = (...call: Parameters<typeof put>) => {
      if (!call[1].startsWith('last/')) return put(...call);
      refused.resolve();
      return Promise.reject(new PlatformError('unavailable', 'the disk is full'));
    };
    const checkpoints = { bucket: 'team', prefix: 'last', path: '/opt/ml/checkpoints' };
    const deep = 'a'.repeat(200);
    const script = `cd $ML/checkpoints; echo z > z; for i in 1 2 3 4 5 6; do mkdir ${deep}; cd ${deep}; done; echo x > x`;
    await fixture.training.create(fixture.spec('last-1', script, { checkpoints }), 'tester');
    await refused.promise;
    buckets.put = put;
    assert.equal((await fixture.over('last-1')).status, 'Completed');
    assert.equal((await fixture.read('last/z'))?.toString(), 'z\n');
  });

  test('fail if their model is larger than the volume by holes or links, which take no space on it', async () => {
    for (const [name, script] of [
      ['hole-1', 'truncate -s 3G $ML/model/m'],
      ['hole-2', 'cd $ML/model; truncate -s 900M m; ln -s m 1; ln -s m 2'],
    ] as const) {
      const job = await fixture.run(name, script, { volumeGb: 1, output: { bucket: 'team', prefix: 'out', isPacked: name === 'hole-1' } });
      const reason =
        /AlgorithmError: the files in \/opt\/ml\/model have [0-9]+ bytes, holes and links included: expected at most VolumeSizeInGB = 1/;
      assert.match(job.failureReason ?? '', reason);
    }
  });

  test('take nothing over that a killed server left of a deleted job of their name', async () => {
    const { buckets } = fixture;
    const put = buckets.put.bind(buckets);
    buckets.put = () => Promise.reject(new PlatformError('unavailable', 'the disk is full'));
    await fixture.training.create(fixture.spec('twice-1', 'echo old; echo old > $ML/model/m'), 'tester');
    await fixture.until('twice-1', ({ transitions }) => transitions.at(-1)?.message.includes('disk') === true);
    const folder = join(fixture.directory, 'training', 'twice-1');
    cpSync(folder, `${folder}.left`, { recursive: true });
    buckets.put = put;
    await fixture.over('twice-1');
    await fixture.training.delete('twice-1', 'tester');
    renameSync(`${folder}.left`, folder);
    const job = await fixture.run('twice-1', 'echo new; echo new > $ML/model/m');
    assert.deepEqual([job.status, job.failureReason], ['Completed', null]);
    assert.deepEqual(await fixture.archive('out/twice-1/output/model.tar.gz'), { m: 'new\n' });
    assert.deepEqual(await fixture.lines('twice-1'), ['new']);
  });
});

test('a job survives jumps of the clock, and its times never go back', { timeout: 60_000 }, async () => {
  class JumpingClock extends SystemClock {
    offsetMs = 0;
    override wallMs(): number {
      return super.wallMs() + this.offsetMs;
    }
  }
  const clock = new JumpingClock();
  const fixture = await TrainingFixture.open({ clock });
  try {
    const script = 'echo ready; while [ ! -e $ML/go ]; do sleep 0.05; done; echo m > $ML/model/m';
    await fixture.training.create(fixture.spec('jumps-1', script, { maxRuntimeMs: 3_600_000 }), 'tester');
    await fixture.printed('jumps-1', 'ready');
    for (const offsetMs of [86_400_000, -86_400_000]) {
      clock.offsetMs = offsetMs;
      // Longer than the server takes to look at its jobs.
      const until = clock.nowMs() + 1500;
      while (clock.nowMs() < until) await fixture.training.changed('jumps-1', AbortSignal.timeout(100));
      assert.equal((await fixture.training.get('jumps-1')).secondaryStatus, 'Training');
    }
    writeFileSync(join(fixture.directory, 'training/jumps-1/1/ml/go'), '');
    const job = await fixture.over('jumps-1');
    assert.deepEqual([job.status, job.attempt, job.failureReason], ['Completed', 1, null]);
    const times = job.transitions.flatMap(({ startedAtMs, endedAtMs }) => [startedAtMs, endedAtMs ?? 0]);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
  } finally {
    await fixture.end();
  }
});

describe('a server that opens', { timeout: 60_000 }, () => {
  test('and closes its database does not reject waiting for a change, which nothing may handle yet', async () => {
    const fixture = await TrainingFixture.open();
    await fixture.end();
    await fixture.training.changed('any', AbortSignal.timeout(60_000));
  });

  test('removes the folders of jobs that are over, and those of earlier attempts', async () => {
    const first = await TrainingFixture.open();
    await first.training.create(first.spec('begun-1', 'echo begin; while true; do sleep 0.05; done'), 'tester');
    await first.printed('begun-1', 'begin');
    await first.close();
    for (const path of ['killed-1/1/ml/model', 'begun-1/1/ml/model'])
      mkdirSync(join(first.directory, 'training', path), { recursive: true });
    const second = await TrainingFixture.open({ directory: first.directory });
    try {
      assert.deepEqual(
        ['killed-1', 'begun-1/1'].map((name) => second.hasFolder(name)),
        [false, false],
      );
      await second.training.stop('begun-1', 'tester');
      assert.equal((await second.over('begun-1')).status, 'Stopped');
    } finally {
      await second.end();
    }
  });
});
