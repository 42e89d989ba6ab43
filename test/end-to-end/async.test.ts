/** `penstock async` as its users type it: submitted, asked after, tried again, cancelled; and requests that share batches. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import type { AsyncBody } from '../../src/api/index.ts';
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
  const verb = (...args: string[]): Promise<{ code: unknown; out: string; said: string }> =>
    new Promise((resolve) => {
      const env = { ...plainEnvironment(), PENSTOCK_URL: server.url };
      execFile(penstock, ['async', ...args], { env }, (error, out, said) => resolve({ code: error?.code ?? 0, out, said }));
    });
  const submitted = async (data: string): Promise<string> => {
    const { code, out, said } = await verb('submit', 'digits', '--data', data);
    assert.equal(code, 0, said);
    return out.trim();
  };
  const settled = (id: string, state: AsyncBody['state']): Promise<unknown> =>
    until(`${id} is ${state}`, async () => (await server.callWell<AsyncBody>('GET', `/async/${id}`)).state === state, 30_000);
  /** While nobody works on what waits. */
  const whilePaused = async (run: () => Promise<void>): Promise<void> => {
    const workers = server.workers();
    for (const { pid } of workers) process.kill(pid, 'SIGSTOP');
    try {
      await run();
    } finally {
      for (const { pid } of workers) process.kill(pid, 'SIGCONT');
    }
  };

  test('one that succeeds has its state and its answer', async () => {
    const id = await submitted(`[${row}]`);
    await settled(id, 'succeeded');
    assert.match((await verb('status', id)).out, /^state +succeeded$/m);
    const { predictions } = JSON.parse((await verb('output', id)).out) as { predictions: { probabilities: number[] }[] };
    assert.equal(predictions[0]?.probabilities.length, 10);
  });

  test('one that fails says why, in the list too, and can be tried again', async () => {
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

  test('one that waits can be cancelled, one that is over cannot', async () => {
    await whilePaused(async () => {
      const id = await submitted(`[${row}]`);
      assert.match((await verb('cancel', id)).out, /^state +cancelled$/m);
      const again = await verb('retry', 'no-such-request');
      assert.deepEqual([again.code, again.out], [1, '']);
      assert.match(again.said, /no-such-request/);
    });
    const id = await submitted(`[${row}]`);
    await settled(id, 'succeeded');
    const { code, said } = await verb('cancel', id);
    assert.equal(code, 1);
    assert.match(said, /succeeded/);
  });

  test('a body and the place of one together are refused, and so is neither', async () => {
    for (const [path, body] of [
      ['/endpoints/digits/async?input=s3://b/k', { instances: [] }],
      ['/endpoints/digits/async', undefined],
    ] as const) {
      const { status, body: refusal } = await server.call<Refusal>('POST', path, body);
      assert.deepEqual([status, refusal.code], [400, 'invalid_request']);
      assert.match(refusal.error, /expected a body, or input=.*, and not both/);
    }
  });

  test('those that wait together share batches', async () => {
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
