/** Training jobs whose attempts run on hosts, when homes and hosts end. */
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { HostsFixture, until } from '../../test/hosts-fixture.ts';
import { TrainingFixture } from '../../test/training-fixture.ts';
import type { Tasks } from '../providers/index.ts';
import { channelDefaults, type TrainingSpec } from './spec.ts';

const checkpoints = { bucket: 'team', prefix: 'saved', path: '/opt/ml/checkpoints' };
/** Counts to the number in `until`, from its last checkpoint. */
const counting = `trap 'echo $i >$ML/checkpoints/i; exit 0' TERM; i=$(cat $ML/checkpoints/i 2>/dev/null || echo 0); echo from $i;
  while [ $i -lt 3 ]; do i=$((i + 1)); echo line $i; echo $i >$ML/checkpoints/i; while [ $i -ge 2 ] && [ ! -e GO ]; do sleep 0.05; done; done; echo m >$ML/model/model.onnx`;

describe('a training job on a host', { timeout: 120_000 }, () => {
  let hosts: HostsFixture;
  let directory: string;
  let fixture: TrainingFixture | null;
  let go: string;
  beforeEach(() => {
    hosts = new HostsFixture();
    directory = mkdtempSync(join(tmpdir(), 'penstock-jobs-'));
    go = join(hosts.root, 'go');
    fixture = null;
  });
  afterEach(async () => {
    await fixture?.end();
    await hosts.close();
  });

  const open = async (tasks: Tasks): Promise<TrainingFixture> => {
    fixture = await TrainingFixture.open({ directory, tasks });
    return fixture;
  };
  const spec = (on: TrainingFixture, more: Partial<TrainingSpec> = {}): TrainingSpec =>
    on.spec('digits-1', counting.replaceAll('GO', go), { group: 'digits', ...more });
  const hostOf = async (on: TrainingFixture, name = 'digits-1'): Promise<string | null> => (await on.training.get(name)).host;

  test('gets its data, prints, and registers the model that it wrote', async () => {
    const home = await hosts.openHome();
    await hosts.openHost('h1');
    const training = await open(home.tasks);
    await training.put('rows/a.csv', 'a,b\n');
    await training.put('rows/deep/b.csv', Buffer.alloc(2_000_000, 'x'));
    const channels = [{ ...channelDefaults, name: 'train', source: { kind: 's3', bucket: 'team', prefix: 'rows/' } as const }];
    const script = `cat $ML/input/data/train/a.csv; wc -c <$ML/input/data/train/deep/b.csv; cat $ML/input/config/inputdataconfig.json >/dev/null && echo m >$ML/model/model.onnx; echo d >$ML/output/data/d`;
    const job = await training.run('digits-1', script, { channels, group: 'digits' });
    assert.deepEqual([job.status, job.failureReason, job.version, job.host], ['Completed', null, 'digits/1', 'h1']);
    assert.match(job.placedBecause ?? '', /^h1 has \d+ of \d+ vCPU .* free, and hosts are filled one after the other; /);
    assert.deepEqual(
      (await training.lines('digits-1')).map((line) => line.trim()),
      ['a,b', '2000000'],
    );
    assert.deepEqual(await training.archive('out/digits-1/output/model.tar.gz'), { 'model.onnx': 'm\n' });
    assert.deepEqual(await training.archive('out/digits-1/output/output.tar.gz'), { d: 'd\n' });
    await until(() => home.linked.host('h1')?.tasks.count === 0, 'nothing of it is left on the host');
    assert.equal(training.hasFolder('digits-1'), false);
  });

  test('that fails says what it printed last, as on the machine of the server', async () => {
    const home = await hosts.openHome();
    await hosts.openHost('h1');
    const training = await open(home.tasks);
    const job = await training.run('digits-1', 'echo broken >&2; exit 7');
    assert.deepEqual([job.status, job.failureReason, job.host], ['Failed', 'AlgorithmError: broken, exit code: 7', 'h1']);
  });

  test('goes on while the home stops, and the next home ends it: each line and one version', async () => {
    const first = await hosts.openHome();
    await hosts.openHost('h1');
    const before = await open(first.tasks);
    await before.training.create(spec(before), 'tester');
    await before.printed('digits-1', 'line 2');
    await before.close();
    await first.close();
    const second = await hosts.openHome({ epoch: 2 });
    const after = await open(second.tasks);
    await after.until('digits-1', ({ secondaryStatus }) => secondaryStatus === 'Training');
    writeFileSync(go, '');
    const job = await after.over('digits-1');
    assert.deepEqual([job.status, job.attempt, job.version, job.host], ['Completed', 1, 'digits/1', 'h1']);
    assert.deepEqual(await after.lines('digits-1'), ['from 0', 'line 1', 'line 2', 'line 3']);
    assert.equal((await after.control.registry.versions('digits')).length, 1);
  });

  test('whose host stops is interrupted, and goes on elsewhere from its checkpoint', async () => {
    const home = await hosts.openHome();
    const agents = { h1: await hosts.openHost('h1'), h2: await hosts.openHost('h2') };
    const training = await open(home.tasks);
    await training.training.create(spec(training, { checkpoints }), 'tester');
    await training.printed('digits-1', 'line 2');
    const from = (await hostOf(training)) as 'h1' | 'h2';
    const drained = agents[from].drain(30_000);
    await training.printed('digits-1', 'from 2');
    await drained;
    writeFileSync(go, '');
    const job = await training.over('digits-1');
    assert.deepEqual([job.status, job.attempt, job.version], ['Completed', 2, 'digits/1']);
    assert.notEqual(job.host, from);
    assert.ok(job.transitions.some(({ message }) => message === `Training job interrupted: its host ${from} stops`));
    const lines = (await training.lines('digits-1')).filter((line) => line !== 'Terminated'); // by the shell, of its sleep
    assert.deepEqual(lines, ['from 0', 'line 1', 'line 2', 'from 2', 'line 3']);
  });

  test('that finds no room makes a host more wanted, until it ends', async () => {
    const home = await hosts.openHome();
    await hosts.openHost('h1', { cpuMilli: 1000 });
    fixture = await TrainingFixture.open({ directory, tasks: home.tasks, cores: 1 });
    const training = fixture;
    const wanted = (): number => home.view.tasks().length;
    const runs = `while [ ! -e ${go} ]; do sleep 0.05; done`;
    for (const name of ['on-host', 'on-home', 'waits']) {
      await training.training.create(training.spec(name, runs), 'tester');
      if (name !== 'waits') await training.until(name, ({ secondaryStatus }) => secondaryStatus === 'Training');
    }
    assert.equal(await hostOf(training, 'on-host'), 'h1');
    assert.equal(await hostOf(training, 'on-home'), 'home');
    await until(() => wanted() === 2, 'the one on the host and the one that waits');
    await training.training.stop('waits', 'tester');
    await until(() => wanted() === 1, 'it has ended');
    writeFileSync(go, '');
    await training.over('on-host');
    await until(() => wanted() === 0, 'nothing needs a host');
    await training.over('on-home');
  });

  test('whose host is lost is retried only when the host was away for long, and the first attempt ends nothing', async () => {
    const home = await hosts.openHome({ taskLostMs: 2000 });
    await hosts.openHost('h1');
    const training = await open(home.tasks);
    await training.training.create(spec(training, { retries: 1 }), 'tester');
    await training.printed('digits-1', 'line 2');
    const dial = hosts.home;
    hosts.home = null; // h1 finds no home
    hosts.links.get('h1')?.destroy();
    await until(() => home.linked.host('h1')?.isLost === true, 'the host is lost');
    assert.equal((await training.training.get('digits-1')).attempt, 1);
    const again = await training.until('digits-1', ({ attempt, secondaryStatus }) => attempt === 2 && secondaryStatus === 'Training');
    assert.equal(again.host, 'home'); // no host is linked
    hosts.home = dial;
    await until(() => home.linked.host('h1')?.tasks.count === 0 && home.linked.host('h1')?.isLinked === true, 'the first task has ended');
    writeFileSync(go, '');
    const job = await training.over('digits-1');
    assert.deepEqual([job.status, job.attempt, job.version], ['Completed', 2, 'digits/1']);
    assert.equal((await training.control.registry.versions('digits')).length, 1);
  });
});
