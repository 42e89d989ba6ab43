/** The conformance suite against a real Penstock server, plus random bytes and cancelled requests. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { outputOf } from '../../../packages/conformance/src/assertions.ts';
import { slowLoop } from '../../../packages/conformance/src/cases/slow-loop.ts';
import { Wire, type WireReply } from '../../../packages/conformance/src/client/wire.ts';
import { affine, fixtures } from '../../../packages/conformance/src/fixtures.ts';
import { cases, runSuite, type SuiteReport } from '../../../packages/conformance/src/index.ts';
import { SystemClock } from '../../../src/clock.ts';
import { SeededRandom } from '../../../src/random.ts';
import { until } from '../../end-to-end/poll.ts';
import type { Server } from '../../end-to-end/server.ts';
import { OipFixture } from './oip-fixture.ts';

const bodyLimitBytes = 20 * 1024 * 1024;
const clock = new SystemClock();
const input = { name: 'x', datatype: 'FP32', shape: [2, 3] };
const plain = { inputs: [{ ...input, data: affine.elements }] };

describe('Open Inference Protocol', { timeout: 500_000 }, () => {
  let fixture: OipFixture;
  let server: Server;
  let wire: Wire;
  let report: SuiteReport;

  before(async () => {
    fixture = await OipFixture.open(['--body-limit', String(bodyLimitBytes)]);
    ({ server } = fixture);
    wire = new Wire({ url: server.url, token: undefined, clock, replyTimeoutMs: 30_000 });
    report = await runSuite({
      url: server.url,
      grpc: fixture.grpc,
      only: [],
      bodyLimitBytes,
      mayReload: true,
      replyTimeoutMs: 30_000,
      limitMs: 120_000,
      clock,
      interrupted: new AbortController().signal,
    });
  });

  after(async () => {
    wire?.close();
    await fixture?.close();
  });

  for (const { id, promise } of cases) {
    test(`${id}: ${promise}`, () => {
      const result = report.cases.find((each) => each.id === id);
      assert.equal(result?.outcome, 'passed', result?.reason);
    });
  }

  const infer = (model: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<WireReply> =>
    wire.send(`/v2/models/${model}/infer`, { body: Buffer.isBuffer(body) ? body : JSON.stringify(body), headers });

  test('any bytes get an inference or a well-formed error', async () => {
    const random = new SeededRandom(20_260_101);
    const whole = Buffer.concat([
      Buffer.from(JSON.stringify({ inputs: [{ ...input, parameters: { binary_data_size: 24 } }] })),
      affine.bytes,
    ]);
    const jsonLength = whole.length - affine.bytes.length;
    const pick = (below: number): number => Math.floor(random.next() * below);
    for (let round = 0; round < 300; round++) {
      const body = Buffer.from(pick(4) === 0 ? Buffer.from(Array.from({ length: pick(200) }, () => pick(256))) : whole);
      for (let change = pick(4); change > 0 && body.length > 0; change--) body[pick(body.length)] = pick(256);
      const cut = pick(3) === 0 ? body.subarray(0, pick(body.length + 1)) : body;
      const headers: Record<string, string> = {};
      if (pick(5) > 0) headers['inference-header-content-length'] = String(pick(6) === 0 ? pick(500) - 50 : jsonLength);
      if (pick(10) === 0) headers['content-encoding'] = ['gzip', 'deflate', 'br'][pick(3)] as string;
      assertWellFormed(await infer(fixtures.affine, cut, headers));
    }
    const { json } = await infer(fixtures.affine, plain);
    assert.deepEqual(outputOf(json ?? {}, 'y')['data'], affine.answer);
  });

  test('a request cancelled while it waits is not run', async () => {
    const { slow } = fixtures;
    const cancelled = `penstock_requests_total{endpoint="${slow}",variant="AllTraffic",outcome="cancelled"}`;
    const executions = async (): Promise<number> => {
      const { json } = await wire.send(`/v2/models/${slow}/stats`);
      return (json as { model_stats: { execution_count: number }[] }).model_stats[0]?.execution_count ?? Number.NaN;
    };
    const [runsBefore, cancelledBefore] = [await executions(), await server.metric(cancelled)];
    const running = infer(slow, slowLoop(100_000));
    await server.busy(slow);
    for (const iterations of [1, 2, 3]) await wire.leave(`/v2/models/${slow}/infer`, JSON.stringify(slowLoop(iterations)));
    await until('three requests are cancelled', async () => (await server.metric(cancelled)) === cancelledBefore + 3);
    assert.equal((await running).status, 200);
    assert.equal((await infer(slow, slowLoop(4))).status, 200);
    assert.equal(await executions(), runsBefore + 2);
  });

  test('a request for timings returns them in headers or in the body', async () => {
    const { headers } = await infer(fixtures.affine, plain, { 'x-penstock-timings': 'true' });
    assert.match(
      String(headers['server-timing']),
      /^queue;dur=[\d.]+, input;dur=.*, compute;dur=.*, output;dur=.*, service;dur=.*, encode;dur=[\d.]+$/,
    );
    assert.equal(headers['x-penstock-batch-size'], '1', 'the model is not batched: one request, one row');
    assert.equal(headers['x-penstock-close-reason'], 'idle');
    const { parameters } = (await infer(fixtures.affine, { ...plain, parameters: { timings: true } })).json ?? {};
    assert.deepEqual(Object.keys(parameters as object), ['queue_ms', 'compute_ms', 'service_ms', 'batch_size', 'close_reason', 'cost_usd']);
    const usual = await infer(fixtures.affine, plain);
    assert.deepEqual([usual.status, usual.json?.['parameters']], [200, undefined]);
  });

  test('a wrong key is rejected everywhere except on health probes', async () => {
    const call = { headers: { authorization: 'Bearer AKIAWRONG:secret' } };
    for (const path of ['/v2', `/v2/models/${fixtures.affine}`, '/v2/models/unknown']) {
      const reply = await wire.send(path, call);
      assert.equal(reply.status, 401);
      assert.match(String(reply.headers['www-authenticate']), /^Bearer/);
      assertWellFormed(reply);
    }
    assert.equal((await infer(fixtures.affine, plain, call.headers)).status, 401);
    assert.equal((await wire.send('/v2/health/ready', call)).status, 200);
    const viewer = await server.callWell<{ id: string; secret: string }>('POST', '/keys', { role: 'viewer' });
    const asViewer = { headers: { authorization: `Bearer ${viewer.id}:${viewer.secret}` } };
    assert.equal((await wire.send(`/v2/models/${fixtures.affine}`, asViewer)).status, 200);
    const forbidden = await infer(fixtures.affine, plain, asViewer.headers);
    assert.equal(forbidden.status, 403);
    assert.match(String(forbidden.json?.['error']), /has the role viewer and lacks the permission invoke/);
  });
});

function assertWellFormed({ status, headers, json }: WireReply): void {
  if (status === 200) return;
  assert([400, 401, 413, 415].includes(status), `status ${status}: ${JSON.stringify(json)}`);
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(typeof json?.['error'], 'string');
  assert.equal(typeof json?.['code'], 'string');
  assert.equal(json?.['request_id'], headers['x-request-id']);
}
