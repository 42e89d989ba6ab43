/** `penstock async` as a user runs it: submit, status, retry, cancel; and batching of asynchronous requests. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import type { AsyncBody, EndpointBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, type Refusal, Server } from './server.ts';

describe('asynchronous requests on the command line', { timeout: 160_000 }, () => {
  let server: Server;
  before(async () => {
    server = await Server.start();
    await server.deploy('digits', 'digits_mlp');
    await server.batches('digits');
  });
  after(() => server?.end());

  const row = JSON.stringify(Array.from({ length: 64 }, (_, at) => at % 17));
  const verb = (...args: string[]): Promise<{ code: unknown; out: string; err: string }> =>
    new Promise((resolve) => {
      const env = { ...plainEnvironment(), PENSTOCK_URL: server.url };
      execFile(penstock, ['async', ...args], { env }, (error, out, err) => resolve({ code: error?.code ?? 0, out, err }));
    });
  const submitted = async (data: string): Promise<string> => {
    const { code, out, err } = await verb('submit', 'digits', '--data', data);
    assert.equal(code, 0, err);
    return out.trim();
  };
  const settled = (id: string, state: AsyncBody['state']): Promise<unknown> =>
    until(`${id} is ${state}`, async () => (await server.callWell<AsyncBody>('GET', `/async/${id}`)).state === state);
  /** Pauses the workers of the endpoint during `run`. */
  const whilePaused = async (run: () => Promise<void>): Promise<void> => {
    const { variants } = await server.callWell<EndpointBody>('GET', '/endpoints/digits');
    const pids = variants.flatMap(({ workers }) => workers.flatMap(({ pid }) => pid ?? []));
    assert(pids.length > 0);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    try {
      await run();
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
  };

  test('a request that succeeds has its state and its result', async () => {
    const id = await submitted(`[${row}]`);
    await settled(id, 'succeeded');
    assert.match((await verb('status', id)).out, /^state +succeeded$/m);
    const { predictions } = JSON.parse((await verb('output', id)).out) as { predictions: { probabilities: number[] }[] };
    assert.equal(predictions[0]?.probabilities.length, 10);
  });

  test('a request that fails shows its reason, also in the list, and can be retried', async () => {
    const id = await submitted('[[1, 2]]');
    await settled(id, 'failed');
    const [, reason] = /^reason +(.*)$/m.exec((await verb('status', id)).out) ?? [];
    assert.match(reason ?? '', /64/);
    const { out } = await verb('list', '--state', 'failed');
    assert(
      out.split('\n').some((line) => line.startsWith(id) && line.endsWith(reason ?? '-')),
      out,
    );
    assert.equal((await verb('retry', id)).code, 0);
    await settled(id, 'failed');
  });

  test('a queued request can be cancelled, a finished one cannot', async () => {
    await whilePaused(async () => {
      const id = await submitted(`[${row}]`);
      assert.match((await verb('cancel', id)).out, /^state +cancelled$/m);
    });
    const again = await verb('retry', 'no-such-request');
    assert.deepEqual([again.code, again.out], [1, '']);
    assert.match(again.err, /no-such-request/);
    const id = await submitted(`[${row}]`);
    await settled(id, 'succeeded');
    const { code, err } = await verb('cancel', id);
    assert.equal(code, 1);
    assert.match(err, /succeeded/);
  });

  test('rejects a request with both a body and an input URI, or with neither', async () => {
    for (const [path, body] of [
      ['/endpoints/digits/async?input=s3://b/k', { instances: [] }],
      ['/endpoints/digits/async', undefined],
    ] as const) {
      const { status, body: refusal } = await server.call<Refusal>('POST', path, body);
      assert.deepEqual([status, refusal.code], [400, 'invalid_request']);
      assert.match(refusal.error, /expected either a body or input=.*, got both or neither/);
    }
  });

  test('requests that wait together share batches', async () => {
    const rowsOf = 'penstock_batch_rows_sum{endpoint="digits",variant="AllTraffic"}';
    const batchesOf = 'penstock_batch_rows_count{endpoint="digits",variant="AllTraffic"}';
    const [rows, batches] = [await server.metric(rowsOf), await server.metric(batchesOf)];
    const count = 40;
    const ids: string[] = [];
    await whilePaused(async () => {
      const body = { instances: [JSON.parse(row)] };
      const all = await Promise.all(
        Array.from({ length: count }, () => server.callWell<AsyncBody>('POST', '/endpoints/digits/async', body)),
      );
      ids.push(...all.map(({ id }) => id));
    });
    for (const id of ids) await settled(id, 'succeeded');
    const ran = (await server.metric(rowsOf)) - rows;
    assert(ran >= count, `${ran} rows ran`);
    assert((await server.metric(batchesOf)) - batches < ran);
  });
});
