/** The suite against a Penstock as users have it, and what only such a server can be asked: nonsense, and clients that leave. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SeededRandom } from '../../../src/random.ts';
import { until } from '../../end-to-end/poll.ts';
import { Server } from '../../end-to-end/server.ts';
import { cases } from './cases.ts';
import { deployModels } from './deploy.ts';
import { affineAnswer, affineBinary, affineBytes, affineInput, models, outputOf, runCase, Target } from './suite.ts';
import type { Reply } from './wire.ts';

const bodyLimitBytes = 4 * 1024 * 1024;

describe('Open Inference Protocol, REST', { timeout: 120_000 }, () => {
  let server: Server;
  let target: Target;

  before(async () => {
    server = await Server.start({ flags: ['--body-limit', String(bodyLimitBytes)] });
    await deployModels(server.url);
    target = await Target.open(server.url, { bodyLimitBytes });
  });

  after(async () => {
    target?.wire.close();
    await server?.end();
  });

  for (const each of cases) {
    test(`${each.id}: ${each.promise}`, async () => {
      const { outcome, why } = await runCase(each, target);
      assert.equal(outcome, 'passed', why);
    });
  }

  test('whatever bytes come, the answer is an inference or a well-formed error', async () => {
    const random = new SeededRandom(20_260_101);
    const whole = Buffer.concat([Buffer.from(JSON.stringify({ inputs: [affineBinary] })), affineBytes]);
    const jsonLength = whole.length - affineBytes.length;
    const pick = (below: number): number => Math.floor(random.next() * below);
    for (let round = 0; round < 300; round++) {
      const body = Buffer.from(pick(4) === 0 ? Buffer.from(Array.from({ length: pick(200) }, () => pick(256))) : whole);
      for (let change = pick(4); change > 0 && body.length > 0; change--) body[pick(body.length)] = pick(256);
      const cut = pick(3) === 0 ? body.subarray(0, pick(body.length + 1)) : body;
      const headers: Record<string, string> = {};
      if (pick(5) > 0) headers['inference-header-content-length'] = String(pick(6) === 0 ? pick(500) - 50 : jsonLength);
      if (pick(10) === 0) headers['content-encoding'] = ['gzip', 'deflate', 'br'][pick(3)] as string;
      assertWellFormed(await target.infer(models.affine, cut, { headers }));
    }
    const { outputs } = await target.answer(models.affine, { inputs: [affineInput] });
    assert.deepEqual(outputOf({ outputs }, 'y')['data'], affineAnswer);
  });

  test('whoever leaves while waiting is not run', async () => {
    const { slow } = models;
    const loop = (iterations: number): string => {
      const x = { name: 'x', datatype: 'FP32', shape: [1, 256], data: new Array(256).fill(0.5) };
      return JSON.stringify({ inputs: [x, { name: 'iters', datatype: 'INT64', shape: [], data: [iterations] }] });
    };
    const cancelled = `penstock_requests_total{endpoint="${slow}",variant="AllTraffic",outcome="cancelled"}`;
    const executions = async (): Promise<number> => {
      const { json } = await target.wire.send(`/v2/models/${slow}/stats`);
      return (json as { model_stats: { execution_count: number }[] }).model_stats[0]?.execution_count ?? Number.NaN;
    };
    const [runsBefore, cancelledBefore] = [await executions(), await server.metric(cancelled)];
    const running = target.infer(slow, loop(100_000));
    await server.busy(slow);
    for (const iterations of [1, 2, 3]) await target.wire.leave(`/v2/models/${slow}/infer`, loop(iterations));
    await until('three requests are cancelled', async () => (await server.metric(cancelled)) === cancelledBefore + 3);
    assert.equal((await running).status, 200);
    assert.equal((await target.infer(slow, loop(4))).status, 200);
    assert.equal(await executions(), runsBefore + 2);
  });

  test('a request that asks for its timings gets them, in headers or in the answer', async () => {
    const body = { inputs: [affineInput] };
    const { headers } = await target.infer(models.affine, body, { headers: { 'x-penstock-timings': 'true' } });
    assert.match(
      String(headers['server-timing']),
      /^queue;dur=[\d.]+, input;dur=.*, compute;dur=.*, output;dur=.*, service;dur=.*, encode;dur=[\d.]+$/,
    );
    assert.equal(headers['x-penstock-batch-size'], '1', 'the model is not batched: one request, one row');
    assert.equal(headers['x-penstock-close-reason'], 'idle');
    const { parameters } = await target.answer(models.affine, { ...body, parameters: { timings: true } });
    assert.deepEqual(Object.keys(parameters as object), ['queue_ms', 'compute_ms', 'service_ms', 'batch_size', 'close_reason', 'cost_usd']);
    assert.equal('parameters' in (await target.answer(models.affine, body)), false);
  });

  test('a wrong key is refused everywhere but at health', async () => {
    const call = { headers: { authorization: 'Bearer AKIAWRONG:secret' } };
    for (const path of ['/v2', `/v2/models/${models.affine}`, '/v2/models/nobody']) {
      const reply = await target.wire.send(path, call);
      assert.equal(reply.status, 401);
      assert.match(String(reply.headers['www-authenticate']), /^Bearer/);
      assertWellFormed(reply);
    }
    assert.equal((await target.infer(models.affine, { inputs: [affineInput] }, call)).status, 401);
    assert.equal((await target.wire.send('/v2/health/ready', call)).status, 200);
    const viewer = await server.callWell<{ id: string; secret: string }>('POST', '/keys', { role: 'viewer' });
    const asViewer = { headers: { authorization: `Bearer ${viewer.id}:${viewer.secret}` } };
    assert.equal((await target.wire.send(`/v2/models/${models.affine}`, asViewer)).status, 200);
    const forbidden = await target.infer(models.affine, { inputs: [affineInput] }, asViewer);
    assert.equal(forbidden.status, 403);
    assert.match(String(forbidden.json?.['error']), /is viewer and may not invoke/);
  });
});

function assertWellFormed({ status, headers, json }: Reply): void {
  if (status === 200) return;
  assert([400, 401, 413, 415].includes(status), `status ${status}: ${JSON.stringify(json)}`);
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(typeof json?.['error'], 'string');
  assert.equal(typeof json?.['code'], 'string');
  assert.equal(json?.['request_id'], headers['x-request-id']);
}
