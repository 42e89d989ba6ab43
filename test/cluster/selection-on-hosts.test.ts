/** An endpoint whose model Penstock chooses, with instances on two hosts: each worker has the models of all plans. One host is killed. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { EndpointBody, VersionBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { penstock, plainEnvironment } from '../end-to-end/server.ts';
import { serviceTimesSql } from '../end-to-end/stored-service-times.ts';
import { whyNoPostgres } from '../postgres-server.ts';
import { HostProcesses } from './host-processes.ts';
import { ended, Load, NodesFixture } from './nodes-fixture.ts';

const catalogue = join(import.meta.dirname, '../../assets/catalogue');
const groups = ['digits-logreg', 'digits-cnn'];
const dataPath = join(catalogue, 'digits_test.csv');

describe('a selection on two hosts', { skip: whyNoPostgres(), timeout: 240_000 }, () => {
  const hosts = new HostProcesses();
  let nodes: NodesFixture;
  let load: Load;

  const cli = async (...args: readonly string[]): Promise<void> => {
    const env = { ...plainEnvironment(), PENSTOCK_URL: nodes.node('a').url, PENSTOCK_KEY: nodes.key };
    await promisify(execFile)(penstock, [...args], { env });
  };
  const described = (): Promise<EndpointBody> => nodes.call<EndpointBody>('a', 'GET', '/endpoints/digits');
  const readyOn = async (): Promise<string[]> => {
    const workers = (await described()).variants.flatMap((variant) => variant.workers);
    return workers.flatMap(({ state, host }) => (state === 'ready' ? [host ?? 'none'] : [])).sort();
  };
  const selected = async (): Promise<NonNullable<EndpointBody['selection']>> => {
    const { selection } = await described();
    assert(selection !== null);
    return selection;
  };
  const [row = []] = readFileSync(dataPath, 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number));
  const body = JSON.stringify({ inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, 64], data: row.slice(0, 64) }] });

  before(async () => {
    nodes = await NodesFixture.create();
    nodes.environments.set('a', { PENSTOCK_LOCAL_WORKERS: 'when-needed' });
    await nodes.start('a');
    await nodes.takeKey('a');
    for (const group of groups) {
      const file = readFileSync(join(catalogue, `${group.replace('-', '_')}.onnx`));
      const { version } = await nodes.call<{ version: VersionBody }>('a', 'POST', `/groups/${group}/versions?name=${group}.onnx`, file);
      await nodes.call('a', 'POST', `/groups/${group}/versions/${version.version}/approval`, { approval: 'Approved' });
    }
    await cli('evaluate', ...groups, '--data', dataPath, '--label', 'label', '--name', 'holdout');
    nodes.node('a').child.kill('SIGTERM');
    await ended(nodes.node('a'));
    await nodes.postgres.psql(serviceTimesSql(groups), 'penstock');
    await nodes.start('a');
    await nodes.start('b');
    await hosts.join(nodes, 'a', 'h1', 'h2');
    const selection = { candidates: groups, evaluation: 'holdout', floor: 0.97, degrade_to: 0.9 };
    await nodes.call('a', 'POST', '/endpoints', { name: 'digits', objective: 'p95<=60s', selection, variants: [{ instance_count: 2 }] });
    await until('an instance serves on each host', async () => (await readyOn()).join() === 'h1,h2');
    load = new Load(nodes, { path: '/v2/models/digits/infer', body, expected: `"data":[${row.at(-1)}]`, perNode: 4 });
  });
  after(async () => {
    await load?.use();
    await nodes?.close();
    hosts.close();
  });

  test('serves its plans on both, and a killed host fails no request and changes no plan', async (t) => {
    const earlier = await selected();
    assert(earlier.ladder.length >= 2, 'there are plans to choose from');
    assert.deepEqual([...earlier.loaded].sort(), ['digits-cnn/1', 'digits-logreg/1'], 'each worker has the models of all plans');
    const authorization = `Bearer ${nodes.key}`;
    const headers = { 'content-type': 'application/json', authorization };
    const response = await fetch(`${nodes.node('b').url}/v2/models/digits/infer`, { method: 'POST', headers, body });
    const plans = earlier.ladder.map(({ plan }) => plan);
    assert(plans.includes(response.headers.get('x-penstock-plan') ?? ''), `${response.status} ${await response.text()}`);
    await load.use('a', 'b');
    await until('requests are answered', () => load.answered > 50);
    load.reset();
    hosts.child('h1').kill('SIGKILL');
    await until('both instances serve again, one of them elsewhere', async () => {
      const places = await readyOn();
      return places.length === 2 && !places.includes('h1');
    });
    const { answered } = load;
    await until('requests are answered', () => load.answered > answered + 50);
    const { failed, gapMs } = load.report();
    assert.deepEqual(failed, []);
    const now = await selected();
    assert.deepEqual([now.state, now.loaded, now.unloaded, now.ladder.map(({ plan }) => plan)], [earlier.state, earlier.loaded, [], plans]);
    t.diagnostic(`without an answer for ${gapMs} ms`);
  });
});
