/** A training job on a host, as real processes: the home is killed while it runs, then the agent of the host. And one in an environment. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { skipPython } from '../hosts-python.ts';
import { whyNoPostgres } from '../postgres-server.ts';
import { installedUv } from '../python-packages.ts';
import { writeWheel } from '../wheel-fixture.ts';
import { ClusterJobs, handModelOver } from './cluster-jobs.ts';
import { HostProcesses } from './host-processes.ts';
import { ended, NodesFixture } from './nodes-fixture.ts';

const lines = 150;
const counting = `import os, shutil, time
for line in range(${lines}):
    print("line", line, flush=True)
    time.sleep(0.1)
${handModelOver}`;
const inEnvironment = `import os, shutil, sys, tiny
print("tiny", tiny.VERSION, "in", sys.prefix, flush=True)
${handModelOver}`;

describe('a training job on a host of a cluster', { skip: whyNoPostgres(), timeout: 240_000 }, () => {
  const hosts = new HostProcesses();
  let fixture: NodesFixture;
  let jobs: ClusterJobs;

  before(async () => {
    fixture = await NodesFixture.create();
    jobs = new ClusterJobs(fixture, async () => 'b');
    const wheels = join(jobs.folder, 'wheels');
    writeWheel(wheels, { name: 'tiny', version: '1.0' });
    const uv = await installedUv(); // a tenth of the time of pip
    for (const name of ['a', 'b']) {
      mkdirSync(fixture.dataDirectory(name), { recursive: true });
      const build = { wheels, offline: true, ...(uv === null ? {} : { tool: uv }) };
      writeFileSync(join(fixture.dataDirectory(name), 'config.json'), JSON.stringify({ environments: { build } }));
    }
    await fixture.start('a');
    await fixture.takeKey('a');
    await fixture.start('b');
    await hosts.join(fixture, 'a', 'h1');
  });
  after(async () => {
    await fixture?.close();
    hosts.close();
    jobs?.close();
  });

  /** Resolves when it prints on its host. */
  const begin = async (name: string): Promise<void> => {
    await jobs.begin(name, counting);
    await until('it prints', async () => (await jobs.printed(name)).length > 5);
    assert.equal((await jobs.job(name)).host, 'h1');
  };

  test('goes on when the home is killed: the next one has each line once, and registers its model once', async () => {
    await begin('survivor');
    fixture.node('a').child.kill('SIGKILL');
    await ended(fixture.node('a'));
    await until('b is the home', async () => (await fixture.home()) === 'b');
    await jobs.endsOnce('survivor', { attempt: 1, host: 'h1', lines });
  });

  test('goes on when the agent of its host is killed, and the next agent is linked', async () => {
    await begin('adopted');
    hosts.child('h1').kill('SIGKILL');
    await hosts.start('h1');
    await jobs.endsOnce('adopted', { attempt: 1, host: 'h1', lines });
  });

  test('runs in an environment with a lock, which its host makes from an archive of the home', { skip: skipPython }, async () => {
    await jobs.cli('environments', 'create', 'sums', '--add', 'tiny==1.0');
    await jobs.begin('locked', inEnvironment, ['--environment', 'sums']);
    await until('it has ended', async () => (await jobs.job('locked')).status !== 'InProgress', 60_000);
    const { status, reason, host } = await jobs.job('locked');
    assert.deepEqual([status, reason, host], ['Completed', null, 'h1']);
    const [line = ''] = await jobs.printed('locked');
    assert.ok(line.startsWith(`tiny 1.0 in ${join(hosts.dataDirectory('h1'), 'environments')}/`), line);
  });
});
