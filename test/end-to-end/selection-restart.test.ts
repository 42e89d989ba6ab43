/** What a selection keeps over a restart of the server. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
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
  });
});
