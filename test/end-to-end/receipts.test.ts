/** The sum of all requests' receipts equals the endpoint's bill. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { CostsBody, PredictionsBody, ReceiptBody } from '../../src/api/index.ts';
import { Load } from './load.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server } from './server.ts';

const run = promisify(execFile);
const pixels = 64;

describe('the receipts of all requests', () => {
  let server: Server;
  before(async () => {
    server = await Server.start();
  });
  after(() => server?.end());

  /** The receipts of at least `requests` requests of one to three rows, from concurrent clients. */
  async function receiptsOf(endpoint: string, clients: number, requests: number): Promise<ReceiptBody[]> {
    const receipts: ReceiptBody[] = [];
    const load = Load.start(
      clients,
      async (count) => {
        const instances = Array.from({ length: 1 + (count % 3) }, () => Array<number>(pixels).fill(count % 17));
        const { timings } = await server.callWell<PredictionsBody>('POST', `/endpoints/${endpoint}/invoke?timings=true`, { instances });
        assert(timings !== undefined);
        receipts.push(...timings.receipts);
      },
      0,
    );
    await load.more(requests);
    await load.stop();
    assert.deepEqual(load.failures, []);
    return receipts;
  }

  async function billOf(endpoint: string): Promise<CostsBody['total']> {
    const requested = ['costs', endpoint, '--output', 'json', '--data-dir', server.dataDir];
    const { stdout } = await run(penstock, requested, { env: plainEnvironment() });
    const { items, total } = JSON.parse(stdout) as CostsBody;
    assert.deepEqual(
      items.map((item) => item.endpoint),
      [endpoint],
    );
    return total;
  }

  async function deploy(name: string, variant: object): Promise<void> {
    const version = await server.register(name, 'digits_mlp');
    await server.approve(version);
    await server.callWell('POST', '/endpoints', { name, variants: [{ model: version.name, ...variant }], objective: 'p95<=100ms' });
    await until(`${name} is in service`, async () => (await server.endpoint(name)).status === 'InService', 60_000);
  }

  const sum = (receipts: readonly ReceiptBody[]): number => receipts.reduce((total, { cost_usd: usd }) => total + usd, 0);

  /** Within 1 %. */
  function assertSame(reported: number, billed: number, what: string): void {
    assert(reported > 0 && Math.abs(reported / billed - 1) <= 0.01, `${what}: the receipts sum to $${reported}, the bill is $${billed}`);
  }

  test('of functions, which are billed per call, are the whole bill, including cold starts and shared batches', async () => {
    const batching = { batching: 'fixed', batch_size_max: 8, wait_ms_max: 250 };
    await deploy('alone', { functions: { memory_mib: 1769, max_concurrency: 2, keep_alive_ms: 500, ...batching } });
    // Batches form once their service times are known.
    await until('the model is measured', async () => {
      const { items } = await server.callWell<{ items: { executor: string }[] }>('GET', '/groups/alone/versions/1/profile');
      return items.some(({ executor }) => executor === 'instance:local.1');
    });
    const receipts = await receiptsOf('alone', 12, 300);
    await until('its functions have ended', async () => (await server.endpoint('alone')).variants[0]?.workers.length === 0);
    receipts.push(...(await receiptsOf('alone', 2, 20)));
    assert(
      receipts.some(({ cold_start: isCold }) => isCold),
      'at least one request had a cold start',
    );
    assert(
      receipts.some(({ rows, batch_rows: all }) => all > rows),
      'some requests shared a batch',
    );
    const bill = await billOf('alone');
    assert.equal(bill.requests, receipts.length);
    assert(bill.cold_starts >= 2, `${bill.cold_starts} cold starts`);
    assertSame(sum(receipts), bill.total_usd, 'total');
  });

  test('of instances with overflow functions are the cost of both while they were busy', async () => {
    const functions = { memory_mib: 1769, max_concurrency: 2, provisioned: 1 };
    await deploy('both', { instance_count: 1, functions });
    const receipts = await receiptsOf('both', 12, 600);
    const bill = await billOf('both');
    assert.equal(bill.requests, receipts.length);
    assertSame(sum(receipts), bill.receipts_usd, 'total');
    assert(bill.receipts_usd <= bill.total_usd, 'idle time is billed but is not part of a receipt');
    const byFunctions = receipts.filter(({ executor }) => executor.startsWith('function:'));
    if (bill.invocations > 0) assertSame(sum(byFunctions), bill.function_usd, 'by functions');
    assert.equal(byFunctions.length > 0, bill.invocations > 0);
  });
});
