/** `penstock why` and `penstock logs`: explanations of requests, and logs of workers. */
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { RequestBody } from '../../src/api/index.ts';
import { scorerBundle, scorerCommand, scorerPaths, skip } from '../processes/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const run = promisify(execFile);
const noLimit = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not installed';
const row = Array.from({ length: 64 }, (_, i) => i % 16);

describe('a running server', () => {
  const dataDir = temporaryDirectory();
  let server: Server;
  before(async () => {
    writeFileSync(
      join(dataDir, 'config.json'),
      JSON.stringify({ images: [{ match: 'team/*', runtime: 'process', command: scorerCommand, paths: scorerPaths }] }),
    );
    server = await Server.start({ dataDir, flags: ['--batch-period', '10s'] });
  });
  after(() => server?.end());

  const env = () => ({ ...plainEnvironment(), PENSTOCK_URL: server.url });
  const cli = (...args: string[]) => run(penstock, args, { env: env() });
  const call = async (endpoint: string, body: unknown = { instances: [row] }): Promise<string> =>
    (await server.call('POST', `/endpoints/${endpoint}/invoke`, body)).headers.get('x-request-id') ?? '';

  test('why: explains the stages, the batch and the decisions of a request', { timeout: 120_000 }, async () => {
    await cli('deploy', 'catalogue:digits-mlp', 'digits', '--serverless', '--approve', '--objective', 'p95<=500ms');
    const first = await call('digits');
    const reported = await until('the first request is known', async () => (await cli('why', first)).stdout);
    assert.match(reported, /^Request \S+ to digits \(variant AllTraffic, version 1\) was answered after \d/);
    assert.match(reported, /first in a new function environment/);
    await until(
      'a decision was made',
      async () => (await server.callWell<{ items: unknown[] }>('GET', '/endpoints/digits/decisions')).items[0],
      60_000,
    );
    let [burst, bodies]: [string[], RequestBody[]] = [[], []];
    // On a busy machine the requests of a burst may arrive one after another.
    const isQueued = (): boolean => bodies.some(({ rows_ahead: ahead }) => (ahead ?? 0) > 0);
    for (let bursts = 0; bursts < 10 && !isQueued(); bursts++) {
      burst = await Promise.all(Array.from({ length: 40 }, () => call('digits')));
      bodies = await Promise.all(burst.map((id) => server.callWell<RequestBody>('GET', `/requests/${id}`)));
    }
    for (const { timings, batch_requests: together, batch_rows: rows } of bodies) {
      const { total_ms: total, ...parts } = timings;
      const sum = Object.values(parts).reduce((all, part) => all + part, 0);
      assert(Math.abs(sum - total) < 0.01 + total / 1000, JSON.stringify(timings));
      assert.equal(together, rows);
    }
    assert(isQueued(), 'no request was queued behind another');
    const { stdout } = await cli('why', burst[39] ?? '', '--output', 'json');
    const body = JSON.parse(stdout) as RequestBody;
    assert.equal(body.executor?.startsWith('function:'), true);
    assert.deepEqual(
      body.decisions.map(({ kind }) => kind),
      ['batching'],
    );
    assert.match(
      body.explanation.join('\n'),
      /Its batch was dispatched with \d+ rows? \(1 its own, .*\) because .*\nThe last batching decision for AllTraffic before it arrived \(/s,
    );
  });

  test('why: shows the error of a failed request, and how far back the log goes for an unknown one', async () => {
    const failed = await call('digits', { instances: [[1, 2]] });
    assert.match((await cli('why', failed)).stdout, /^Request .* failed after .*: invalid_request, /);
    await assert.rejects(
      cli('why', 'missing'),
      ({ code, stderr }) =>
        code === 1 && /request missing is not in the log, which goes back to \d{4}-.* penstock async status ID$/m.test(String(stderr)),
    );
  });

  test('logs: shows the output of a process model, and its failed requests apart from it', { skip, timeout: 120_000 }, async () => {
    const bundle = await scorerBundle();
    const registered = await fetch(`${server.url}/api/v1/groups/scorer/versions?image=team/scorer:1`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Uint8Array(bundle),
    });
    assert.equal(registered.status, 201, await registered.clone().text());
    const { version } = (await registered.json()) as { version: Parameters<Server['approve']>[0] };
    await server.approve(version);
    await server.callWell('POST', '/endpoints', { name: 'scorer', variants: [{ model: version.name, instance_count: 1 }] });
    await server.inService('scorer');
    const follower = spawn(penstock, ['logs', 'scorer', '--log', 'workers', '--follow'], {
      env: env(),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let followed = '';
    follower.stdout.on('data', (chunk: Buffer) => (followed += chunk.toString()));
    try {
      await fetch(`${server.url}/api/v1/endpoints/scorer/invoke`, {
        method: 'POST',
        headers: { 'content-type': 'text/plain' },
        body: 'hello',
      });
      const failed = await fetch(`${server.url}/api/v1/endpoints/scorer/invoke`, {
        method: 'POST',
        headers: { 'content-type': 'text/plain' },
        body: 'refuse:500',
      });
      const id = failed.headers.get('x-request-id') ?? '';
      await until('both were printed', () => followed.split('POST ').length > 2);
      const record = `{ $.request = "${id}" }`;
      const { stdout } = await cli('logs', '--log', '/aws/sagemaker/Endpoints/scorer', '--filter', record, '--output', 'json');
      assert.equal((JSON.parse(stdout) as { status: string }).status, 'model_failed');
      assert.equal((await cli('logs', 'scorer', '--log', 'workers', '--filter', record)).stdout, '');
    } finally {
      follower.kill();
    }
  });

  test('with a full disk, requests are answered, and gaps in the logs are reported', {
    skip: noLimit,
    timeout: 60_000,
  }, async () => {
    const limit = (bytes: string) => assert.equal(spawnSync('prlimit', ['--pid', String(server.pid), `--fsize=${bytes}:`]).status, 0);
    limit('1024');
    const failed = await Promise.all(Array.from({ length: 50 }, () => call('digits', { instances: [[1, 2]] })));
    const well = await server.call('POST', '/endpoints/digits/invoke', { instances: [row] });
    assert.equal(well.status, 200);
    await until('a write has failed', async () => server.stderr.includes('failed to write requests.log'));
    limit('unlimited');
    await call('digits');
    await until(
      'the gap is reported in the log',
      async () => (await cli('logs', '--log', 'requests')).stdout.includes('lines are missing here'),
      10_000,
    );
    // These lines were buffered in memory.
    const { stdout } = await cli('logs', '--log', '/aws/sagemaker/Endpoints/digits', '--filter', '{ $.status = "invalid_request" }');
    assert.deepEqual(
      failed.filter((id) => !stdout.includes(`request=${id}`)),
      [],
    );
  });

  test('logs: rejects an invalid pattern and an unknown group', async () => {
    await assert.rejects(cli('logs', '--filter', '{ $.a = }'), ({ stderr }) => /Invalid filter pattern/.test(String(stderr)));
    await assert.rejects(cli('logs', '--log', '/missing'), ({ stderr }) => /there is no log group \/missing/.test(String(stderr)));
    await assert.rejects(cli('logs', '--log', 'workers'), ({ code }) => code === 2);
  });
});

describe('a server that was killed', () => {
  const dataDir = temporaryDirectory();
  let server: Server;
  after(async () => {
    await server?.end();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const why = (id: string) => run(penstock, ['why', id], { env: { ...plainEnvironment(), PENSTOCK_URL: server.url } });
  const refusalOf = (id: string): Promise<string> =>
    why(id).then(
      () => '',
      ({ stderr }) => String(stderr),
    );
  const call = async (id: string): Promise<void> => {
    const { status } = await server.call('POST', '/endpoints/digits/invoke', { instances: [row] }, { 'x-request-id': id });
    assert.equal(status, 200);
  };

  test('says that a missing request may have been answered just before the kill', { timeout: 120_000 }, async () => {
    server = await Server.start({ dataDir });
    await server.deploy('digits', 'digits_mlp');
    await call('kept');
    await until('the log line is written', async () => (await why('kept')).stdout);
    let killedAtMs = 0;
    let refused = '';
    // Lines are written every 0.2 s: on a busy machine, that of the last request may be written before the kill.
    for (let attempt = 0; refused === '' && attempt < 5; attempt++) {
      if (attempt > 0) await server.inService('digits');
      await call(`lost-${attempt}`);
      killedAtMs = Date.now();
      server.signal('SIGKILL');
      await server.ended;
      server = await Server.start({ dataDir });
      refused = await refusalOf(`lost-${attempt}`);
    }
    assert.match((await why('kept')).stdout, /^Request kept to digits/);
    const expected =
      /request lost-\d is not in the log, .* was answered in the last 0\.3 s before the server ended abruptly \(kill -9 or a crash\), between (\S+) and (\S+) before its line was written, or has another id/;
    const [, lastSign = '', found = ''] = expected.exec(refused) ?? [];
    assert(Date.parse(lastSign) <= killedAtMs && killedAtMs <= Date.parse(found), refused);
    assert(killedAtMs - Date.parse(lastSign) < 60_000, 'metrics are written every ten seconds');
    assert.match(server.stderr, /warn {2}the previous server ended abruptly/);
  });

  test('does not say so after a normal shutdown', async () => {
    await server.end();
    rmSync(join(dataDir, 'logs'), { recursive: true });
    server = await Server.start({ dataDir });
    await server.inService('digits');
    await call('after');
    await until('the log line is written', async () => (await why('after')).stdout);
    const refused = await refusalOf('missing');
    assert.match(refused, /request missing is not in the log, which goes back to \S+: it is older, (?!.*abruptly)/);
    assert.doesNotMatch(server.stderr, /abruptly/);
  });
});
