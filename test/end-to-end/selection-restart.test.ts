/** What a selection keeps over a restart of the server. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { EndpointBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';
import { storeServiceTimes } from './stored-service-times.ts';

const catalogue = join(import.meta.dirname, '../../assets/catalogue');
const groups = ['digits-logreg', 'digits-cnn'];
const rows = readFileSync(join(catalogue, 'digits_test.csv'), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(',').map(Number));

describe('a selection over restarts', { timeout: 160_000 }, () => {
  const dataDir = temporaryDirectory();
  let server: Server;
  before(async () => {
    server = await Server.start({ dataDir });
    for (const group of groups) await server.approve(await server.register(group, group.replace('-', '_')));
    const data = ['--data', join(catalogue, 'digits_test.csv'), '--label', 'label', '--name', 'holdout'];
    await cli('evaluate', ...groups, ...data);
    await server.end();
    storeServiceTimes(dataDir, groups);
    server = await Server.start({ dataDir });
    const options = ['--select', groups.join(','), '--evaluation', 'holdout', '--accuracy', '>=0.97', '--degrade-to', '>=0.9'];
    await cli('deploy', 'digits', ...options, '--objective', 'p95<=60s', '--shadow', '20%');
  });
  after(async () => {
    await server?.end();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const cli = async (...args: readonly string[]): Promise<string> => {
    const options = { env: { ...plainEnvironment(), PENSTOCK_URL: server.url } };
    return (await promisify(execFile)(penstock, [...args], options)).stdout;
  };
  const restart = async (): Promise<void> => {
    await server.end();
    server = await Server.start({ dataDir });
    await until('the endpoint is served', async () => (await described()).status === 'InService');
  };
  const described = () => server.callWell<EndpointBody>('GET', '/endpoints/digits');
  const selected = async () => {
    const { selection } = await described();
    assert(selection !== null);
    return selection;
  };
  const infer = async (row: number): Promise<void> => {
    const data = (rows[row % rows.length] as number[]).slice(0, 64);
    const response = await fetch(`${server.url}/v2/models/digits/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, 64], data }] }),
    });
    assert.equal(response.status, 200, await response.text());
  };
  const comparedByAlarm = () =>
    until('the alarm counts compared rows', async () => {
      const { body } = await server.call<{ readonly reason?: string; readonly state_reason?: string }>(
        'GET',
        '/alarms/penstock%2Fdigits%2Fagreement',
      );
      return Number(/of ([\d,]+) compared rows/.exec(JSON.stringify(body))?.[1]?.replaceAll(',', '') ?? 0);
    });

  test('its plans, their decision and what was counted stay', async () => {
    assert((await selected()).ladder.length >= 2);
    for (let row = 0; row < 200; row++) await infer(row);
    const before = await until('answers were compared', async () => {
      const selection = await selected();
      return selection.ladder.reduce((sum, { compared }) => sum + compared, 0) >= 10 && selection;
    });
    const counted = await comparedByAlarm();
    await restart();
    const now = await selected();
    assert.deepEqual([now.decided_at, now.loaded], [before.decided_at, before.loaded]);
    assert.deepEqual(
      now.ladder.map(({ plan }) => plan),
      before.ladder.map(({ plan }) => plan),
    );
    assert((await comparedByAlarm()) >= counted, 'compared rows are not forgotten');
    assert.equal(now.credit_rows, 0, 'credit begins again, on the safe side');
  });

  test('no request fails while its worker is killed, and the plans stay', async () => {
    const { ladder } = await selected();
    for (let kill = 0; kill < 3; kill++) {
      const [worker] = (await described()).variants[0]?.workers ?? [];
      assert(typeof worker?.pid === 'number');
      const answers = Promise.all(Array.from({ length: 40 }, (_, row) => infer(row)));
      process.kill(worker.pid, 'SIGKILL');
      await answers;
      await until('another worker serves', async () => {
        const [now] = (await described()).variants[0]?.workers ?? [];
        return now?.state === 'ready' && now.pid !== worker.pid;
      });
    }
    const now = await selected();
    assert.deepEqual(
      now.ladder.map(({ plan }) => plan),
      ladder.map(({ plan }) => plan),
    );
  });

  test('a model that it loads cannot be deleted', async () => {
    const { loaded } = await selected();
    for (const model of loaded) {
      const [group, version] = model.split('/');
      const { status, body } = await server.call('DELETE', `/groups/${group}/versions/${version}`);
      assert.equal(status, 409);
      assert.match(JSON.stringify(body), /digits/);
    }
  });

  test('a model that no worker can load takes its plans with it: the endpoint says which and why, and serves on', async () => {
    const { ladder, contract } = await selected();
    const sha256 = createHash('sha256')
      .update(readFileSync(join(catalogue, 'digits_logreg.onnx')))
      .digest('hex');
    const found = readdirSync(join(dataDir, 'objects/sha256'), { recursive: true }).find((path) => String(path).endsWith(sha256));
    const path = join(dataDir, 'objects/sha256', String(found));
    const bytes = readFileSync(path);
    chmodSync(path, 0o600);
    writeFileSync(path, Buffer.from(bytes).fill(0, bytes.length >> 1));
    await restart();
    const { reason } = await until('the endpoint says what is missing', async () => {
      const now = await described();
      return now.reason !== null && now;
    });
    assert.match(String(reason), /^digits-logreg\/1 could not be loaded, plans without it serve: .* is damaged/);
    const now = await selected();
    assert.deepEqual(
      [now.contract, now.ladder.map(({ plan }) => plan), now.unloaded.map(({ model }) => model)],
      [contract, ladder.map(({ plan }) => plan), ['digits-logreg/1']],
    );
    await infer(0);
    assert.match(await cli('select', 'digits'), /not loaded +digits-logreg\/1 \(1 worker\): .* is damaged/);
  });
});
