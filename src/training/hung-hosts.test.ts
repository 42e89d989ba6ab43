/** Training jobs on a host whose agent hangs or lies: the home keeps the time of each attempt, too. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { HostsFixture, until } from '../../test/hosts-fixture.ts';
import { LyingAgent } from '../../test/lying-agent.ts';
import { TrainingFixture } from '../../test/training-fixture.ts';
import { VirtualClock } from '../clock.ts';
import type { TrainingJob } from './training-job.ts';

const limitMs = 60_000;
const hourMs = 3_600_000;
const end = { code: 0, signal: null, why: 'exit', detail: null, peakRssBytes: 1, cpuMs: 1, startedAtMs: 1, atMs: 2 };

describe('a training job on a host that hangs', { timeout: 60_000 }, () => {
  let hosts: HostsFixture;
  let training: TrainingFixture;
  let agent: LyingAgent;
  let clock: VirtualClock;
  let ticks: NodeJS.Timeout;
  /** The command that the agent does not answer, nor any later one. Of a task that runs, it sends no output, whatever is asked. */
  let hangsAt: string;
  let isHung: boolean;
  beforeEach(async () => {
    hosts = new HostsFixture();
    isHung = false;
    clock = new VirtualClock(Date.now());
    ticks = setInterval(() => clock.advance(100), 5);
    const home = await hosts.openHome();
    agent = await LyingAgent.link(home, { isolation: 'none', architecture: process.arch, pythons: [], runsTasks: true });
    agent.tasks([]);
    agent.onCommand = ({ method, id = '', call }) => {
      isHung ||= method === hangsAt;
      if (isHung) return;
      if (method === 'task-output' && hangsAt === 'task-files') return agent.sendBytes(call, Buffer.alloc(0));
      if (!['task-prepare', 'task-folders', 'task-start'].includes(method)) return;
      if (method === 'task-start') agent.task(id, hangsAt === 'task-files' ? { state: 'ended', end } : {});
      agent.done(call, { paths: { ml: '/opt/ml', temporary: '/tmp' }, python: null });
    };
    const directory = mkdtempSync(join(tmpdir(), 'penstock-hung-'));
    training = await TrainingFixture.open({ directory, tasks: home.tasks, clock });
  });
  afterEach(async () => {
    agent.close();
    await training.end();
    clearInterval(ticks);
    await hosts.close();
  });

  const commands = (method: string): string[] =>
    agent.received
      .map(({ message }) => message as { method?: string; id?: string } | null)
      .filter((message) => message?.method === method)
      .map((message) => message?.id ?? '');
  const create = (retries: number): Promise<TrainingJob> => {
    return training.training.create(
      training.spec('j', 'echo m >$ML/model/model.onnx; sleep 60', { retries, maxRuntimeMs: limitMs, group: 'j' }),
      'tester',
    );
  };
  const wait = (ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));

  test('is lost when its time and an hour are over, is attempted elsewhere, and what the host reports later changes nothing', async () => {
    hangsAt = 'task-output';
    await create(1);
    await training.until('j', ({ secondaryStatus, host }) => secondaryStatus === 'Training' && host === 'liar');
    const [first] = commands('task-start');
    assert(first !== undefined);
    clock.advance(limitMs + hourMs - 120_000);
    await wait(60_000);
    assert.equal((await training.training.get('j')).attempt, 1, 'it may still be handed over');
    clock.advance(300_000);
    const again = await training.until('j', ({ attempt, secondaryStatus }) => attempt === 2 && secondaryStatus === 'Training');
    assert.equal(again.host, 'home', 'the host that hangs is passed over');
    assert.ok(again.transitions.some(({ message }) => message === 'Restarting training: the task was lost (attempt 2 of 2)'));
    agent.task(first, { state: 'ended', end });
    const { status, secondaryStatus, attempt, version } = await training.over('j');
    // The job has used its time, so that the second attempt had a second.
    assert.deepEqual([status, secondaryStatus, attempt, version], ['Stopped', 'MaxRuntimeExceeded', 2, null]);
    await until(() => commands('task-discard').includes(first), 'the first task is to end on its host');
    assert.deepEqual(await training.control.registry.versions('j').catch(() => []), []);
  });

  for (const { at, status: before, what } of [
    { at: 'task-prepare', status: 'Downloading', what: 'it is never prepared' },
    { at: 'task-folders', status: 'Downloading', what: 'it never has its inputs' },
    { at: 'task-start', status: 'Downloading', what: 'it never starts' },
    { at: 'task-output', status: 'Training', what: 'it never ends' },
    { at: 'task-files', status: 'Uploading', what: 'its results are never read' },
  ]) {
    test(`fails without retries when its time and an hour are over: ${what}`, async () => {
      hangsAt = at;
      await create(0);
      await training.until('j', ({ secondaryStatus }) => secondaryStatus === before);
      await until(() => commands(at).length > 0, 'the host has the command');
      clock.advance(limitMs + hourMs + 60_000);
      const { status, failureReason } = await training.over('j');
      assert.equal(status, 'Failed');
      assert.match(
        failureReason ?? '',
        /^InternalServerError: the task was lost once: (?:its host|host liar) did not end the task in its time\.$/,
      );
    });
  }

  test('is stopped within an hour of the request, even if the host does not stop it', async () => {
    hangsAt = 'task-output';
    await create(1);
    await training.until('j', ({ secondaryStatus }) => secondaryStatus === 'Training');
    await training.training.stop('j', 'tester');
    clock.advance(hourMs + 60_000);
    const { status, secondaryStatus } = await training.over('j');
    assert.deepEqual([status, secondaryStatus], ['Stopped', 'Stopped']);
  });
});
