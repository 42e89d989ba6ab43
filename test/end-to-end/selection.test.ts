/** An endpoint whose plans were chosen by an evaluation: real models, real workers. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { EndpointBody } from '../../src/api/index.ts';
import { penstock, plainEnvironment, Server } from './server.ts';

const catalogue = join(import.meta.dirname, '../../assets/catalogue');
const models = ['digits_logreg', 'digits_mlp', 'digits_rf', 'digits_cnn'];
const groups = models.map((name) => name.replace('_', '-'));
/** Far from what a busy machine takes: the choice must not depend on its speed. */
const objective = 'p95<=60s';

describe('a selection', { timeout: 160_000 }, () => {
  let server: Server;
  before(async () => {
    server = await Server.start();
    for (const [i, group] of groups.entries()) await server.approve(await server.register(group, models[i] as string));
    const data = ['--data', join(catalogue, 'digits_test.csv'), '--label', 'label', '--name', 'holdout'];
    await cli('evaluate', ...groups, ...data);
  });
  after(() => server?.end());

  const cli = async (...args: readonly string[]): Promise<string> => {
    const options = { env: { ...plainEnvironment(), PENSTOCK_URL: server.url } };
    return (await promisify(execFile)(penstock, [...args], options)).stdout;
  };
  const rows = readFileSync(join(catalogue, 'digits_test.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number));
  const infer = async (endpoint: string, from: number, to: number, headers: Record<string, string> = {}) => {
    const body = {
      inputs: [{ name: 'pixels', datatype: 'FP32', shape: [to - from, 64], data: rows.slice(from, to).map((row) => row.slice(0, 64)) }],
    };
    const response = await fetch(`${server.url}/v2/models/${endpoint}/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    return {
      headers: response.headers,
      status: response.status,
      body: (await response.json()) as { outputs: { name: string; data: number[] }[] },
    };
  };
  const described = (name: string) => server.callWell<EndpointBody>('GET', `/endpoints/${name}`);

  test('serves the best model alone where one suffices, under the signature of the reference', async () => {
    const options = [
      '--select',
      groups.join(','),
      '--evaluation',
      'holdout',
      '--accuracy',
      '>=0.97',
      '--objective',
      objective,
      '--reference',
      'digits-mlp',
    ];
    const text = await cli('deploy', 'digits', ...options);
    assert.match(text, /^digits is InService \(certified for accuracy >= 0\.97: digits-cnn\/1, p95<=60s\)/);
    const { selection } = await described('digits');
    assert.deepEqual(
      [selection?.state, selection?.contract, selection?.loaded, selection?.floor_plan],
      ['certified', 'digits-mlp/1', ['digits-cnn/1'], 'digits-cnn/1'],
    );
    const labels: number[] = [];
    for (let from = 0; from < rows.length; from += 32) {
      const { body } = await infer('digits', from, Math.min(from + 32, rows.length));
      assert.deepEqual(
        body.outputs.map(({ name }) => name),
        ['label', 'probabilities'],
      );
      labels.push(...(body.outputs[0]?.data ?? []));
    }
    assert.equal(labels.filter((label, i) => label !== rows[i]?.[64]).length, 1, 'digits-cnn has one error');
    const now = await described('digits');
    assert.deepEqual(
      now.selection?.models.map(({ model, rows: count }) => [model, count]),
      [['digits-cnn/1', 450]],
    );
  });

  test('answers under the floor plan or the best one, as the client prefers, and says which model answered which row', async () => {
    const options = ['--select', groups.join(','), '--evaluation', 'holdout', '--accuracy', '>=0.97', '--degrade-to', '>=0.94'];
    const text = await cli('deploy', 'elastic', ...options, '--objective', objective);
    assert.match(text, /^elastic is InService \(estimated for accuracy >= 0\.97: /);
    const { selection } = await described('elastic');
    assert(selection !== null && selection.ladder.length >= 2 && selection.credit_rows !== null);
    const best = await infer('elastic', 0, 8);
    assert.deepEqual([best.headers.get('x-penstock-model'), best.headers.get('x-penstock-plan')], ['digits-cnn/1:8', 'digits-cnn/1']);
    const cheap = await infer('elastic', 0, 8, { 'x-penstock-prefer': 'cost' });
    assert.equal(cheap.headers.get('x-penstock-plan'), selection.floor_plan);
    const exact = await infer('elastic', 0, 8, { 'x-penstock-accuracy': '>=0.99' });
    assert.equal(exact.headers.get('x-penstock-plan'), 'digits-cnn/1');
    const page = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(page, /penstock_plan_rows_total\{endpoint="elastic",variant="AllTraffic",plan="digits-cnn\/1"\} \d+/);
    assert.match(page, /penstock_model_rows_total\{endpoint="elastic",variant="AllTraffic",model="digits-cnn\/1"\} \d+/);
    const beyond = await infer('elastic', 0, 8, { 'x-penstock-accuracy': '>=0.999' });
    assert.equal(beyond.status, 400);
    assert.match(JSON.stringify(beyond.body), /elastic reaches accuracy 0\.9978 at most, asked 0\.999/);
    assert.equal((await infer('elastic', 0, 8, { 'x-penstock-prefer': 'luck' })).status, 400);
  });

  test('is refused if nothing is proven, with the number of rows that would do, unless forced', async () => {
    const options = ['--select', groups.join(','), '--evaluation', 'holdout', '--accuracy', '>=0.99', '--objective', objective];
    await assert.rejects(
      cli('deploy', 'missing', ...options),
      /not certified: digits-cnn\/1 has 1 error in 450 rows; about \d+(,\d+)? rows would do/,
    );
    assert.match(
      await cli('deploy', 'missing', ...options, '--force'),
      /^missing is InService \(not-certified for accuracy >= 0\.99: digits-cnn\/1/,
    );
  });
});
