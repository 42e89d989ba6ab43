/** The life of a serverless endpoint: cold start, load, scale to zero, and kills. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { EndpointBody, VariantBody } from '../../src/api/index.ts';
import { startTicks } from '../../src/providers/processes/process-facts.ts';
import { assertSameTensors, modelPath, sample } from '../models/index.ts';
import { Load } from './load.ts';
import { infer } from './oip-client.ts';
import { until } from './poll.ts';
import { isRunning, type ProcessName, penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const digits = sample('digits_mlp');

async function callDigits(server: Server, endpoint = 'digits'): Promise<void> {
  const { status, error, outputs } = await infer(server.url, endpoint, digits.inputs);
  assert.equal(status, 200, error?.error);
  assertSameTensors(outputs, digits.outputs);
}

async function cli(server: Server, ...argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const options = ['--data-dir', server.dataDir];
  const child = spawn(penstock, [...argv, ...options], { cwd: tmpdir(), env: plainEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: Number(code), stdout, stderr };
}

function only(view: EndpointBody): VariantBody {
  const [variant] = view.variants;
  assert(variant !== undefined);
  return variant;
}

async function variantOf(server: Server, endpoint = 'digits'): Promise<VariantBody> {
  return only(await server.endpoint(endpoint));
}

/** The running functions, with start times, because pids are reused. */
function functionsOf({ workers }: VariantBody): ProcessName[] {
  return workers.flatMap(({ pid }) => {
    const ticks = pid === null ? null : startTicks(pid);
    return pid === null || ticks === null || ticks === undefined ? [] : [{ pid, ticks }];
  });
}

async function scaledToZero(server: Server, endpoint = 'digits'): Promise<VariantBody> {
  return until(`${endpoint} has no functions`, async () => {
    const variant = await variantOf(server, endpoint);
    return variant.workers.length === 0 && variant;
  });
}

describe('a serverless endpoint', () => {
  let server: Server;
  before(async () => {
    server = await Server.start();
  });
  after(() => server?.end());

  test('is in service immediately, without processes or cost', async () => {
    const deploy = [
      'deploy',
      modelPath('digits_mlp'),
      'digits',
      '--approve',
      '--serverless',
      '--keep-alive',
      '500ms',
      '--max-concurrency',
      '3',
    ];
    const { code, stdout, stderr } = await cli(server, ...deploy, '--objective', 'p95<=50ms');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^digits is InService \(digits\/1, serverless, p95<=50ms\)/);
    const variant = await variantOf(server);
    assert.deepEqual([variant.workers, variant.usage.total_usd, variant.instance_count], [[], 0, 0]);
    const { batch_size_max: _, ...functions } = variant.functions ?? {};
    const requested = { memory_mib: 'auto', max_concurrency: 3, provisioned: 0, keep_alive_ms: 500, batching: 'slack' };
    assert.deepEqual(functions, requested);
  });

  test('answers its first request with a cold start', async () => {
    await callDigits(server);
    const { usage, environments, statistics } = await variantOf(server);
    assert.deepEqual([usage.cold_starts, usage.invocations, statistics?.failures], [1, 1, 0]);
    assert.ok((environments?.cold_start_ms ?? 0) > 0);
    assert.ok(usage.total_usd > 0);
  });

  test('fails no request under load, and stays within its maximum number of functions', async () => {
    const load = Load.start(8, () => callDigits(server));
    await load.more(300);
    const { workers } = await variantOf(server);
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.ok(workers.length >= 1 && workers.length <= 3, `${workers.length} functions`);
  });

  test('scales to zero without traffic: no process is left, and cost stops', async () => {
    // An idle function ends after half a second, which a busy machine may take to list it.
    const functions = await until('a function is listed', async () => {
      await callDigits(server);
      const listed = functionsOf(await variantOf(server));
      return listed.length > 0 && listed;
    });
    const { usage } = await scaledToZero(server);
    await until('their processes have ended', () => functions.filter(isRunning).length === 0);
    const { stdout } = await cli(server, 'endpoints');
    assert.match(stdout, /digits +In ?[sS]ervice.* +digits\/1 +none +function auto \(\d+ MiB\)/);
    assert.deepEqual((await variantOf(server)).usage, usage);
  });

  test('fails no request when its functions are killed', async () => {
    const load = Load.start(4, () => callDigits(server));
    await load.more(50);
    for (const { pid } of functionsOf(await variantOf(server))) process.kill(pid, 'SIGKILL');
    await load.more(200);
    await load.stop();
    assert.deepEqual(load.failures, []);
  });

  test('fails no request during updates to another version, to instances, and back', async () => {
    const next = await server.register('digits', 'digits_mlp');
    await server.approve(next);
    const load = Load.start(4, () => callDigits(server));
    await load.more(50);
    for (const variant of [
      { model: next.name, functions: { keep_alive_ms: 500 } },
      { model: next.name, functions: null },
      { model: 'digits/1', instance_count: 0, functions: { keep_alive_ms: 500, memory_mib: 1024 } },
    ]) {
      await server.callWell('PATCH', '/endpoints/digits', { variants: [variant] });
      await until('the change is in service', async () => {
        const { status, generation, served_generation: served } = await server.endpoint('digits');
        return status === 'InService' && served === generation;
      });
      await load.more(100);
    }
    await load.stop();
    assert.deepEqual(load.failures, []);
    const { functions, setting } = await variantOf(server);
    assert.deepEqual([functions?.memory_mib, setting?.memory_mib], [1024, 1024]);
  });

  test('keeps provisioned functions warm, which are billed while idle; unloaded, it has none', async () => {
    const functions = { provisioned: 1, keep_alive_ms: 0 };
    await server.callWell('POST', '/endpoints', { name: 'warm', variants: [{ model: 'digits/1', functions }] });
    const ready = await until('one function is warm', async () => {
      const variant = await variantOf(server, 'warm');
      return variant.environments?.idle === 1 && variant;
    });
    await until('the idle function is billed', async () => (await variantOf(server, 'warm')).usage.total_usd > ready.usage.total_usd);
    await callDigits(server, 'warm');
    assert.equal((await variantOf(server, 'warm')).usage.cold_starts, 0);
    await server.callWell('POST', '/endpoints/warm/unload');
    await scaledToZero(server, 'warm');
    await until('the endpoint is unloaded', async () => (await server.endpoint('warm')).status === 'Unloaded');
    assert.deepEqual(functionsOf(ready).filter(isRunning), []);
    const { usage } = await variantOf(server, 'warm');
    await server.callWell('POST', '/endpoints/warm/load');
    await callDigits(server, 'warm');
    assert.ok((await variantOf(server, 'warm')).usage.total_usd > usage.total_usd);
  });

  test('is deleted with all its functions', async () => {
    await callDigits(server);
    const functions = functionsOf(await variantOf(server));
    const { code, stderr } = await cli(server, 'delete', 'digits');
    assert.equal(code, 0, stderr);
    await until('the endpoint is deleted', async () => (await server.call('GET', '/endpoints/digits')).status === 404);
    assert.deepEqual(functions.filter(isRunning), []);
    assert.equal((await infer(server.url, 'digits', digits.inputs)).status, 404);
  });
});

describe('a server that is killed while functions run', () => {
  const dataDir = temporaryDirectory();
  const servers: Server[] = [];
  after(async () => {
    for (const server of servers) await server.end();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test('leaves no functions behind, and serves again with a cold start', async () => {
    const first = await Server.start({ dataDir });
    servers.push(first);
    const version = await first.register('digits', 'digits_mlp');
    await first.approve(version);
    await first.callWell('POST', '/endpoints', { name: 'digits', variants: [{ model: version.name, functions: {} }] });
    await callDigits(first);
    const functions = functionsOf(await variantOf(first));
    assert.notEqual(functions.length, 0);
    first.signal('SIGKILL');
    await first.ended;
    const second = await Server.start({ dataDir });
    servers.push(second);
    await until('the earlier functions have ended', () => functions.filter(isRunning).length === 0);
    assert.equal((await second.endpoint('digits')).status, 'InService');
    assert.deepEqual((await variantOf(second)).workers, []);
    await callDigits(second);
    assert.equal((await variantOf(second)).usage.cold_starts, 1);
  });
});
