/** What became of a single request, and what workers say: as somebody asks who wonders. */
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { RequestBody } from '../../src/api/index.ts';
import { scorerBundle, scorerCommand, skip } from '../processes/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const run = promisify(execFile);
const noLimit = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not installed here';
const row = Array.from({ length: 64 }, (_, i) => i % 16);

describe('a server that is asked', () => {
  const dataDir = temporaryDirectory();
  let server: Server;
  before(async () => {
    writeFileSync(
      join(dataDir, 'config.json'),
      JSON.stringify({ images: [{ match: 'team/*', runtime: 'process', command: scorerCommand }] }),
    );
    server = await Server.start({ dataDir, flags: ['--batch-period', '10s'] });
  });
  after(() => server?.end());

  const env = () => ({ ...plainEnvironment(), PENSTOCK_URL: server.url });
  const cli = (...args: string[]) => run(penstock, args, { env: env() });
  const ask = async (endpoint: string, body: unknown = { instances: [row] }): Promise<string> =>
    (await server.call('POST', `/endpoints/${endpoint}/invoke`, body)).headers.get('x-request-id') ?? '';

  test('why: where the time went, who rode along, what had been decided', { timeout: 120_000 }, async () => {
    await cli('deploy', 'catalogue:digits-mlp', 'digits', '--serverless', '--approve', '--objective', 'p95<=500ms');
    const first = await ask('digits');
    const told = await until('the first request is known', async () => (await cli('why', first)).stdout, 10_000);
    assert.match(told, /^Request \S+ to digits \(variant AllTraffic, version 1\) was answered after \d/);
    assert.match(told, /first of a new function environment/);
    await until(
      'something was decided',
      async () => (await server.callWell<{ items: unknown[] }>('GET', '/endpoints/digits/decisions')).items[0],
      60_000,
    );
    const burst = await Promise.all(Array.from({ length: 40 }, () => ask('digits')));
    const bodies = await Promise.all(burst.map((id) => server.callWell<RequestBody>('GET', `/requests/${id}`)));
    for (const { timings, batch_requests: together, batch_rows: rows } of bodies) {
      const { total_ms: total, ...parts } = timings;
      const sum = Object.values(parts).reduce((all, part) => all + part, 0);
      assert(Math.abs(sum - total) < 0.01 + total / 1000, JSON.stringify(timings));
      assert.equal(together, rows);
    }
    assert(
      bodies.some(({ rows_ahead: ahead }) => (ahead ?? 0) > 0),
      'nobody found somebody waiting',
    );
    const { stdout } = await cli('why', burst[39] ?? '', '--output', 'json');
    const body = JSON.parse(stdout) as RequestBody;
    assert.equal(body.executor?.startsWith('function:'), true);
    assert.deepEqual(
      body.decisions.map(({ kind }) => kind),
      ['batching'],
    );
    assert.match(
      body.explanation.join('\n'),
      /Its batch left with \d+ rows? \(1 its own, .*\), because .*\nThe last batching decision for AllTraffic before it came, of /s,
    );
  });

  test('why: of a request that failed its error, of one that nobody knows how far back the log goes', async () => {
    const failed = await ask('digits', { instances: [[1, 2]] });
    assert.match((await cli('why', failed)).stdout, /^Request .* failed after .*: invalid_request, /);
    await assert.rejects(
      cli('why', 'nobody'),
      ({ code, stderr }) =>
        code === 1 && /request nobody is not in the log, which goes back to \d{4}-.* penstock async status ID$/m.test(String(stderr)),
    );
  });

  test('logs: what the container of a model prints, and which of its requests failed', { skip, timeout: 120_000 }, async () => {
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
      await until('both are followed', () => followed.includes('POST ') && followed.includes(id), 20_000);
      const { stdout } = await cli('logs', 'scorer', '--log', 'workers', '--filter', `{ $.request = "${id}" }`, '--output', 'json');
      assert.equal((JSON.parse(stdout) as { status: string }).status, 'model_failed');
    } finally {
      follower.kill();
    }
  });

  test('a disk that takes nothing: requests are answered as ever, and what is missing of the logs is said', {
    skip: noLimit,
    timeout: 60_000,
  }, async () => {
    const limit = (bytes: string) => assert.equal(spawnSync('prlimit', ['--pid', String(server.pid), `--fsize=${bytes}:`]).status, 0);
    limit('1024');
    const failed = await Promise.all(Array.from({ length: 50 }, () => ask('digits', { instances: [[1, 2]] })));
    const well = await server.call('POST', '/endpoints/digits/invoke', { instances: [row] });
    assert.equal(well.status, 200);
    await until('the disk has refused', async () => server.stderr.includes('requests.log is not written'), 10_000);
    limit('unlimited');
    await ask('digits');
    await until(
      'the gap in the file is told',
      async () => (await cli('logs', '--log', 'requests')).stdout.includes('lines are missing here'),
      10_000,
    );
    // These waited in memory.
    const { stdout } = await cli('logs', 'digits', '--log', 'workers', '--filter', '{ $.status = "invalid_request" }');
    assert.deepEqual(
      failed.filter((id) => !stdout.includes(`request=${id}`)),
      [],
    );
  });

  test('logs: a pattern that is none is refused, a group that is none too', async () => {
    await assert.rejects(cli('logs', '--filter', '{ $.a = }'), ({ stderr }) => /Invalid filter pattern/.test(String(stderr)));
    await assert.rejects(cli('logs', '--log', '/nobody'), ({ stderr }) => /there is no log group \/nobody/.test(String(stderr)));
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
  const ask = async (id: string): Promise<void> => {
    const { status } = await server.call('POST', '/endpoints/digits/invoke', { instances: [row] }, { 'x-request-id': id });
    assert.equal(status, 200);
  };

  test('says of a request that it was answered in its last moments, where it was', { timeout: 120_000 }, async () => {
    server = await Server.start({ dataDir });
    await server.deploy('digits', 'digits_mlp');
    await ask('kept');
    await until('its line is written', async () => (await why('kept')).stdout, 10_000);
    await ask('lost');
    const killedAtMs = Date.now();
    server.signal('SIGKILL');
    await server.ended;
    server = await Server.start({ dataDir });
    assert.match((await why('kept')).stdout, /^Request kept to digits/);
    const refused = await refusalOf('lost');
    const said =
      /request lost is not in the log, .* was answered in the last 0\.3 s before the server ended abruptly \(kill -9, a crash\), which was between (\S+) and (\S+), when its line was not written yet, or its id is another/;
    const [, lastSign = '', found = ''] = said.exec(refused) ?? [];
    assert(Date.parse(lastSign) <= killedAtMs && killedAtMs <= Date.parse(found), refused);
    assert(killedAtMs - Date.parse(lastSign) < 11_000, 'what an endpoint measures is written every ten seconds');
    assert.match(server.stderr, /warn {2}the server before this one ended abruptly/);
  });

  test('and one that was asked to end does not', async () => {
    await server.end();
    rmSync(join(dataDir, 'logs'), { recursive: true });
    server = await Server.start({ dataDir });
    await server.inService('digits');
    await ask('after');
    await until('its line is written', async () => (await why('after')).stdout, 10_000);
    const refused = await refusalOf('nobody');
    assert.match(refused, /request nobody is not in the log, which goes back to \S+: it is older, (?!.*abruptly)/);
    assert.doesNotMatch(server.stderr, /abruptly/);
  });
});
