/** Arrivals of an endpoint are recorded, survive a kill, and are replayed by simulations. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import type { ArrivalsBody } from '../../src/api/index.ts';
import type { SimulationResult } from '../../src/simulation/index.ts';
import { sample } from '../models/index.ts';
import { infer } from './oip-client.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const digits = sample('digits_mlp');
const secondMs = 1000;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Replayed {
  readonly results: readonly SimulationResult[];
  readonly replay: { readonly endpoint: string; readonly requests: number; readonly rows: number; readonly gaps: readonly unknown[] };
}

describe('the recorded arrivals of an endpoint', () => {
  const dataDir = temporaryDirectory();
  let server: Server;

  before(async () => {
    server = await Server.start({ dataDir });
    await server.deploy('digits', 'digits_mlp', { objective: 'p95<=500ms' });
    await server.callWell('POST', '/groups/digits/versions/1/profile', {});
  });
  after(async () => {
    await server?.end();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const simulate = (...argv: string[]): Promise<Ended> =>
    new Promise((resolve) => {
      const env = { ...plainEnvironment(), PENSTOCK_URL: server.url };
      execFile(penstock, ['simulate', ...argv], { env, timeout: 60_000 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  const replayed = async (...argv: string[]): Promise<Replayed> => {
    const { code, stdout, stderr } = await simulate('--replay', 'digits', '--since', '1h', '--output', 'json', ...argv);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Replayed;
  };
  const call = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) assert.equal((await infer(server.url, 'digits', digits.inputs)).status, 200);
  };
  /** The number of stored arrivals. */
  const stored = (): number => {
    const metrics = new DatabaseSync(join(dataDir, 'metrics.db'), { readOnly: true });
    try {
      return Number(metrics.prepare('select coalesce(sum(requests), 0) as requests from minute_arrivals').get()?.requests);
    } finally {
      metrics.close();
    }
  };

  test('cannot be replayed without requests, or for a missing endpoint', async () => {
    const idle = await simulate('--replay', 'digits');
    assert.deepEqual([idle.code, idle.stdout], [1, '']);
    assert.match(idle.stderr, /digits has had no requests since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: there is nothing to replay/);
    const unknown = await simulate('--replay', 'nowhere');
    assert.match(unknown.stderr, /there is no endpoint 'nowhere'; penstock endpoints lists them/);
  });

  test("are replayed with the endpoint's objective and profile, its current deployment first", async () => {
    const rows = digits.inputs[0]?.shape[0] as number;
    for (let i = 0; i < 3; i++) {
      const second = Math.floor(Date.now() / secondMs);
      await call(20);
      await until('the next second', () => Math.floor(Date.now() / secondMs) > second);
    }
    const { results, replay } = await replayed();
    assert.deepEqual([replay.endpoint, replay.requests, replay.rows, replay.gaps], ['digits', 60, 60 * rows, []]);
    assert.deepEqual(
      results.map(({ policy, requests }) => [policy, requests]),
      ['deployed: static:1', 'target-tracking', 'hpa:70', 'economic'].map((policy) => [policy, 60]),
    );
    const [deployed] = results;
    assert(deployed !== undefined && deployed.attainment > 0.9 && deployed.rows === 60 * rows);
    assert((deployed.p50Ms as number) < 500, 'its model takes a few milliseconds');
  });

  test('are reported in a table and a page, for the requested policies', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'penstock-replay-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const page = join(folder, 'report.html');
    const policies = ['--policy', 'static:2,hpa:70+overflow', '--objective', 'p99<=100ms', '--profile', 'digits/1', '--html', page];
    const { code, stdout, stderr } = await simulate('--replay', 'digits', ...policies);
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')[0]),
      ['POLICY', 'static:2', 'hpa:70+overflow'],
    );
    assert.match(stderr, /the recording of digits begins at .* UTC: it covers \d+ s instead of 24 h/);
    assert.match(readFileSync(page, 'utf8'), /digits from .* to .* UTC, p99&lt;=100ms/);
  });

  test('survive SIGKILL except for the last ten seconds, with a gap while no server was running', async () => {
    await until('the arrivals are on disk', () => stored() === 60, 20 * secondMs);
    await call(30);
    const sinceMs = Date.now() - 60 * secondMs;
    server.signal('SIGKILL');
    await server.ended;
    await server.end();
    server = await Server.start({ dataDir });
    await server.inService('digits');
    await call(10);
    const { results, replay } = await replayed('--policy', 'static:1');
    assert(replay.requests >= 70 && replay.requests <= 100, `${replay.requests} of 60 + 30 + 10`);
    assert.equal(results[0]?.requests, replay.requests);
    assert(replay.gaps.length >= 1);
    const { stderr } = await simulate('--replay', 'digits', '--policy', 'static:1');
    assert.match(stderr, /1 gap of \d+ s, during which no server was recording, is skipped/);
    const since = new Date(sinceMs).toISOString();
    const { requests, slot_s } = await server.callWell<ArrivalsBody>('GET', `/endpoints/DIGITS/arrivals?since=${since}`);
    assert.equal(slot_s, 1);
    assert(requests.includes(null) && requests.some((count) => (count ?? 0) > 0));
  });

  test('survive a normal shutdown completely', async () => {
    const { replay: before } = await replayed('--policy', 'static:1');
    await call(7);
    await server.end();
    server = await Server.start({ dataDir });
    await server.inService('digits');
    const { replay } = await replayed('--policy', 'static:1');
    assert.equal(replay.requests, before.requests + 7);
    const wrong = await server.call<{ error: string }>('GET', '/endpoints/digits/arrivals?since=1970-01-01T00:00:00Z&by=second');
    assert.equal(wrong.status, 200, 'the arrivals begin with the endpoint');
    const refused = await server.call<{ error: string }>('GET', '/endpoints/digits/arrivals?since=2090-01-01T00:00:00Z');
    assert.equal(refused.status, 400);
    assert.match(refused.body.error, /got an end that is not after the start/);
  });
});
