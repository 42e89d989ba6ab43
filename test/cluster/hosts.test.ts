/** Two nodes and two hosts as processes, under load: what happens to requests and workers when any of them dies. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ClusterBody, EndpointBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { skipPython } from '../hosts-python.ts';
import { node, onnxFile, tensor } from '../models/onnx-builder.ts';
import { zipOf } from '../models/zip.ts';
import { whyNoPostgres } from '../postgres-server.ts';
import { installedUv } from '../python-packages.ts';
import { writeWheel } from '../wheel-fixture.ts';
import { HostProcesses } from './host-processes.ts';
import { Load, NodesFixture, post } from './nodes-fixture.ts';

describe('hosts of a cluster', { skip: whyNoPostgres(), timeout: 240_000 }, () => {
  const hosts = new HostProcesses();
  let fixture: NodesFixture;
  let load: Load;
  const agent = new Agent();
  const wheels = mkdtempSync(join(tmpdir(), 'penstock-wheels-'));

  /** What the Python model answers. */
  const said = async (node: string): Promise<string> =>
    (await post(agent, fixture.node(node).url, '/api/v1/endpoints/words/invoke', { key: fixture.key, body: '{}' })).body;

  /** The worker of the endpoint, once it is ready, and where it runs. */
  const worker = async (node: string, endpoint = 'digits'): Promise<RunningWorker> => {
    const ready: WorkerReply[] = [];
    await until('a worker is ready', async () => {
      const { variants } = await fixture.call<EndpointReply>(node, 'GET', `/endpoints/${endpoint}`);
      ready.splice(0, ready.length, ...variants.flatMap(({ workers }) => workers).filter(({ state }) => state === 'ready'));
      return ready.length > 0;
    });
    const [{ pid, restarts, host, zone } = { pid: null, restarts: 0, host: null, zone: null }] = ready;
    assert.equal(zone, host === 'a' || host === 'b' ? 'home' : host === null ? null : `zone-${host}`);
    return { pid, restarts, host: host ?? 'none' };
  };

  before(async () => {
    fixture = await NodesFixture.create();
    const uv = await installedUv(); // a tenth of the time of pip
    writeWheel(wheels, { name: 'tiny', version: '1.0' });
    for (const name of ['a', 'b']) {
      mkdirSync(fixture.dataDirectory(name), { recursive: true });
      const build = { wheels, offline: true, ...(uv === null ? {} : { tool: uv }) };
      writeFileSync(join(fixture.dataDirectory(name), 'config.json'), JSON.stringify({ environments: { build } }));
    }
    await fixture.start('a');
    await fixture.start('b');
    await fixture.deployDigits('a');
    load = new Load(fixture, { ...fixture.digits, perNode: 2 });
    await load.use('b');
    await until('requests are answered', () => load.answered > 10);
  });
  after(async () => {
    rmSync(wheels, { recursive: true });
    await load?.use();
    await fixture?.close();
    hosts.close();
  });

  test('the worker that the home started alone moves to a host that joins, and fails no request', async () => {
    assert.equal((await worker('a')).host, 'a');
    load.reset();
    hosts.options = ['--serve', '127.0.0.1:0'];
    await hosts.join(fixture, 'a', 'h1', 'h2');
    await until('the worker runs on a host', async () => (await worker('a')).host !== 'a');
    const answered = load.report().answered;
    await until('requests are answered', () => load.report().answered > answered + 20);
    assert.deepEqual(load.report().failed, []);
  });

  test('of two hosts that start a large model, one reads it from the other', async () => {
    const weights = { shape: [1700, 1800], data: Float32Array.from({ length: 1700 * 1800 }, (_, index) => Math.sin(index * index)) };
    const [inputs, outputs] = [[tensor('x', 'FLOAT', ['N', 1700])], [tensor('y', 'FLOAT', ['N', 1800])]];
    const file = onnxFile({ inputs, outputs, nodes: [node('MatMul', ['x', 'w'], ['y'])], constants: { w: weights } });
    await fixture.call('a', 'POST', '/groups/large/versions?name=large.onnx', Buffer.from(file));
    await fixture.call('a', 'POST', '/groups/large/versions/1/approval', { approval: 'Approved' });
    await fixture.call('a', 'POST', '/endpoints', { name: 'large', variants: [{ model: 'large/1', instance_count: 3 }] });
    await until('all instances are ready', async () => {
      const { variants } = await fixture.call<EndpointReply>('a', 'GET', '/endpoints/large');
      return variants.flatMap(({ workers }) => workers).filter(({ state }) => state === 'ready').length === 3;
    });
    const readers = ['h1', 'h2'].filter((name) => hosts.log(name).includes('an object is read from other hosts'));
    assert.equal(readers.length, 1, `${hosts.log('h1')}\n${hosts.log('h2')}`);
    await fixture.call('a', 'DELETE', '/endpoints/large');
  });

  test('a Python model runs on a host, which makes its environment without a package index', { skip: skipPython }, async () => {
    const archive = zipOf([
      { path: 'model.py', bytes: Buffer.from('import tiny\ndef predict(items: list[dict]):\n    return [tiny.VERSION for _ in items]\n') },
      { path: 'requirements.txt', bytes: Buffer.from('tiny\n') },
    ]);
    await fixture.call('a', 'POST', '/groups/words/versions?name=words.zip', archive);
    await fixture.call('a', 'POST', '/groups/words/versions/1/approval', { approval: 'Approved' });
    await until('the model is opened', async () => {
      const { approval, python } = await fixture.call<PythonReply>('a', 'GET', '/groups/words/versions/1');
      assert.notEqual(python.state, 'failed', python.reason ?? '');
      return approval === 'Approved';
    });
    await fixture.call('a', 'POST', '/endpoints', { name: 'words', variants: [{ model: 'words/1' }] });
    assert.match((await worker('a', 'words')).host, /^h[12]$/);
    assert.equal(await said('a'), '"1.0"');
  });

  test('the worker of an endpoint runs on a host, and the next home adopts it without a restart', async (t) => {
    const before = await worker('a');
    assert.match(before.host, /^h[12]$/);
    const words = skipPython === false ? await worker('a', 'words') : null;
    load.reset();
    fixture.node('a').child.kill('SIGKILL');
    await until('b is the home', async () => (await fixture.home()) === 'b');
    const after = await worker('b');
    assert.deepEqual(after, before);
    if (words !== null) {
      assert.deepEqual(await worker('b', 'words'), words);
      assert.equal(await said('b'), '"1.0"');
      await fixture.call('b', 'DELETE', '/endpoints/words');
    }
    const answered = load.report().answered;
    await until('requests are answered', () => load.report().answered > answered + 20);
    assert.deepEqual(load.report().failed, []);
    t.diagnostic(`without an answer for ${load.report().gapMs} ms`);
  });

  test('a killed host fails no request: its worker starts on the other one', async () => {
    const before = await worker('b');
    load.reset();
    hosts.child(before.host).kill('SIGKILL');
    await until('the worker has moved', async () => (await worker('b')).host !== before.host);
    const answered = load.report().answered;
    await until('requests are answered', () => load.report().answered > answered + 20);
    assert.deepEqual(load.report().failed, []);
    await hosts.start(before.host); // its certificate is on its disk
  });

  test('while PostgreSQL is away, the cluster and its endpoints are shown, with the time since when, and changes are unavailable', async () => {
    await fixture.postgres.shutDown('fast');
    try {
      const cluster = await fixture.call<ClusterBody>('b', 'GET', '/cluster');
      assert.equal(cluster.nodes.find(({ name }) => name === 'b')?.state, 'serves');
      assert.ok(cluster.hosts.some(({ worker_count: count, lag_ms: lag }) => count === 1 && lag !== null));
      await until('it is noticed', async () => {
        const { database_away_since: since, notes } = await fixture.call<ClusterBody>('b', 'GET', '/cluster');
        return since !== null && notes[0]?.startsWith('PostgreSQL has not answered since') === true;
      });
      const { notes, variants } = await fixture.call<EndpointBody>('b', 'GET', '/endpoints/digits');
      assert.match(notes[0] ?? '', /^the database has not answered since 20.* \(UTC\): inference goes on, changes are rejected/);
      assert.equal(variants[0]?.workers.length, 1);
      await assert.rejects(fixture.call('b', 'POST', '/cluster/hosts/h1/cordon'), /503.*the database is unavailable/s);
    } finally {
      await fixture.postgres.start();
    }
    await until('it is back', async () => (await fixture.call<ClusterBody>('b', 'GET', '/cluster')).database_away_since === null);
  });

  test('a host that is interrupted ends once its worker runs elsewhere, and fails no request', async () => {
    const before = await worker('b');
    load.reset();
    const child = hosts.child(before.host);
    child.kill('SIGTERM');
    await once(child, 'exit');
    assert.equal(child.exitCode, 0);
    const after = await worker('b');
    assert.notEqual(after.host, before.host);
    assert.deepEqual(load.report().failed, []);
  });
});

interface RunningWorker extends Pick<WorkerReply, 'pid' | 'restarts'> {
  readonly host: string;
}

interface PythonReply {
  readonly approval: string;
  readonly python: { readonly state: string; readonly reason: string | null };
}

interface WorkerReply {
  readonly state: string;
  readonly pid: number | null;
  readonly restarts: number;
  readonly host: string | null;
  readonly zone: string | null;
}

interface EndpointReply {
  readonly variants: readonly { readonly workers: readonly WorkerReply[] }[];
}
