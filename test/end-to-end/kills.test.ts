/** Killed workers and servers recover under load, without lost requests, processes or files. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { EventBody, PageBody, VersionBody } from '../../src/api/index.ts';
import { assertSameTensors, sample } from '../models/index.ts';
import { Load } from './load.ts';
import { infer, slowRun } from './oip-client.ts';
import { until } from './poll.ts';
import { isRunning, Server, temporaryDirectory } from './server.ts';

const digits = sample('digits_mlp');

/** Sends one request and checks the response. */
async function callDigits(server: Server, endpoint = 'digits'): Promise<void> {
  const { status, error, outputs } = await infer(server.url, endpoint, digits.inputs);
  assert.equal(status, 200, error?.error);
  assertSameTensors(outputs, digits.outputs);
}

describe('a worker that is killed under load', () => {
  let server: Server;
  before(async () => {
    server = await Server.start();
  });
  after(() => server?.end());

  for (const instances of [1, 2]) {
    test(`fails no request ${instances === 1 ? 'as the only worker' : 'even if all workers are killed at once'}`, async () => {
      const endpoint = `digits-${instances}`;
      await server.deploy(endpoint, 'digits_mlp', { instances });
      await server.batches(endpoint);
      const pids = (await server.endpoint(endpoint)).variants.flatMap(({ workers }) => workers.map(({ pid }) => pid ?? 0));
      assert.equal(pids.length, instances);
      const load = Load.start(8, () => callDigits(server, endpoint));
      await load.more(100);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await load.more(100);
      await until('the workers have restarted', async () => {
        const workers = (await server.endpoint(endpoint)).variants.flatMap(({ workers: all }) => all);
        return workers.every(({ pid, state, restarts }) => state === 'ready' && restarts === 1 && !pids.includes(pid ?? 0));
      });
      await load.more(100);
      await load.stop();
      assert.deepEqual(load.failures, []);
    });
  }

  test('during a long run has its run repeated by the next worker', async () => {
    await server.deploy('slow', 'test_slow_loop');
    const running = infer(server.url, 'slow', slowRun(500_000)); // about 2 s: it must be seen at work, and killed in it
    await server.busy('slow');
    const pid = (await server.endpoint('slow')).variants[0]?.workers[0]?.pid;
    assert(typeof pid === 'number');
    process.kill(pid, 'SIGKILL');
    assert.equal((await running).status, 200);
    const reported = await until('the end of the worker is an event', async () => {
      const { body } = await server.call<PageBody<EventBody>>('GET', '/events/recent?kind=worker&endpoint=slow&limit=10');
      return body.items.length > 0 && body.items;
    });
    const ends = reported.map(({ detail }) => {
      const { reason, requests, requestsRunAgain, requestsFailed, restartMs } = detail as Record<string, unknown>;
      return [reason, requests, requestsRunAgain, requestsFailed, restartMs];
    });
    assert.deepEqual(ends, [['killed by SIGKILL', 1, 1, 0, 0]]);
  });
});

describe('a server that is killed under load', () => {
  const dataDir = temporaryDirectory();
  let first: Server;
  let second: Server | undefined;
  after(async () => {
    await first?.end();
    await second?.end();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test('recovers the registry, approvals and endpoints, and leaves no processes and partial files', async () => {
    first = await Server.start({ dataDir });
    await first.deploy('digits', 'digits_mlp', { objective: 'p95<=50ms' });
    await first.deploy('slow', 'test_slow_loop');
    await first.register('digits', 'digits_logreg');
    const rejected = await first.register('digits', 'digits_rf');
    await first.callWell('POST', '/groups/digits/versions/3/approval', { approval: 'Rejected', note: 'too large' });
    assert.equal(rejected.version, 3);
    await first.callWell('POST', '/endpoints', { name: 'deleted', variants: [{ model: 'digits/1' }] });
    await first.inService('deleted');
    await first.callWell('DELETE', '/endpoints/deleted');
    const versions = await versionsOf(first, 'digits');
    const key = first.adminKey;

    const load = Load.start(4, () => callDigits(first));
    const hanging = infer(first.url, 'slow', slowRun(2 ** 40)).catch(() => 'cut off');
    const upload = halfUpload(first);
    await first.busy('slow');
    await until('a partial file exists', () => readdirSync(join(dataDir, 'objects/temporary')).length > 0);
    await load.more(50);
    const registering = first.register('late', 'loadtest_wide_mlp').catch(() => 'cut off');
    const workers = first.workers();
    assert(workers.length >= 2);
    first.signal('SIGKILL');
    assert.equal((await first.ended).signal, 'SIGKILL');
    await Promise.all([load.stop(), hanging, upload, registering]);

    second = await Server.start({ dataDir });
    assert.deepEqual(await versionsOf(second, 'digits'), versions);
    assert.equal(second.adminKey, key);
    assert.equal((await second.inService('digits')).objective, 'p95<=50ms');
    assert.equal(await second.metric('penstock_objective_budget{endpoint="digits"'), 0.05);
    await callDigits(second);
    await second.inService('slow');
    assert.equal((await infer(second.url, 'slow', slowRun(1))).status, 200);
    assert.equal((await second.call('GET', '/endpoints/deleted')).status, 404);
    await until('the old workers have ended', () => !workers.some(isRunning));
    assert.deepEqual(readdirSync(join(dataDir, 'objects/temporary')), []);
    await assertObjectsAreIntact(second);
    // The number of an interrupted registration may be used or skipped, but is never assigned twice.
    assert.equal((await second.register('digits', 'digits_cnn')).version, 4);
  });

  test('recovers from two more kills, the second while its endpoints are starting', async () => {
    assert(second !== undefined);
    second.signal('SIGKILL');
    await second.ended;
    const third = await Server.start({ dataDir });
    third.signal('SIGKILL');
    await third.end();
    const fourth = await Server.start({ dataDir });
    try {
      await fourth.inService('digits');
      await callDigits(fourth);
      assert.equal((await versionsOf(fourth, 'digits')).length, 4);
      await assertObjectsAreIntact(fourth);
    } finally {
      await fourth.end();
    }
    assert.deepEqual(fourth.workers(), []);
  });
});

describe('a server that gets SIGTERM', () => {
  test('answers requests in flight and in the queue, ends its workers, and exits with 0', async () => {
    const server = await Server.start({ flags: ['--drain', '60s'] }); // the runs take long on a busy machine
    try {
      await server.deploy('slow', 'test_slow_loop');
      const first = infer(server.url, 'slow', slowRun(400_000)); // long enough to see the others wait for it
      await server.busy('slow');
      const calls = [first, ...Array.from({ length: 3 }, () => infer(server.url, 'slow', slowRun(1000)))];
      await until('the other requests are queued', async () => (await server.metric('penstock_queue_rows{endpoint="slow"')) === 3);
      const workers = server.workers();
      server.signal('SIGTERM');
      assert.deepEqual(
        (await Promise.all(calls)).map(({ status }) => status),
        [200, 200, 200, 200],
      );
      assert.deepEqual(await server.ended, { code: 0, signal: null });
      assert.deepEqual(workers.filter(isRunning), []);
      assert(!readdirSync(server.dataDir).includes('lock'));
    } finally {
      await server.end();
    }
  });

  test('answers every accepted request under load', async () => {
    const server = await Server.start();
    try {
      await server.deploy('digits', 'digits_mlp');
      const answers: number[] = [];
      const load = Load.start(8, async () => {
        const { status } = await infer(server.url, 'digits', digits.inputs);
        answers.push(status);
        assert.equal(status, 200);
      });
      await load.more(50);
      server.signal('SIGTERM');
      assert.deepEqual(await server.ended, { code: 0, signal: null });
      await load.stop();
      assert.deepEqual(new Set(answers), new Set([200]));
      for (const failure of load.failures) assert.match(failure, /fetch failed/);
    } finally {
      await server.end();
    }
  });
});

async function versionsOf(server: Server, group: string): Promise<VersionBody[]> {
  return (await server.callWell<{ items: VersionBody[] }>('GET', `/groups/${group}/versions`)).items;
}

/** Asserts that every object matches its sha256 and belongs to a version, and that none is missing. */
async function assertObjectsAreIntact(server: Server): Promise<void> {
  const { items: groups } = await server.callWell<{ items: { name: string }[] }>('GET', '/groups');
  const versions = (await Promise.all(groups.map(({ name }) => versionsOf(server, name)))).flat();
  const folder = join(server.dataDir, 'objects/sha256');
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { parentPath, name } of files) {
    const content = readFileSync(join(parentPath, name));
    assert.equal(createHash('sha256').update(content).digest('hex'), basename(name));
  }
  const expected = [...new Set(versions.map(({ artifact }) => artifact.sha256))];
  assert.deepEqual(files.map(({ name }) => name).sort(), expected.sort());
}

/** Sends the beginning of a model file and waits until the connection is closed. */
function halfUpload(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const upload = request(`${server.url}/api/v1/groups/half/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(10 * 2 ** 20) },
    });
    upload.on('error', () => resolve());
    upload.on('close', () => resolve());
    upload.write(Buffer.alloc(2 ** 20, 1));
  });
}
