/** A new version of a group that a selection follows: real models in real workers, real answers, and labels that decide. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { AnyDecisionBody, EndpointBody, PageBody, SelectionDecisionBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';
import { storeServiceTimes } from './stored-service-times.ts';

const catalogue = join(import.meta.dirname, '../../assets/catalogue');
const groups = ['digits-logreg', 'digits-cnn'];
const perCall = 25;
const parts = 18;
/** Challengers are judged every ten seconds, evaluated, and loaded by new workers. */
const patienceMs = 150_000;

describe('a challenger', { timeout: 400_000 }, () => {
  const dataDir = temporaryDirectory();
  let server: Server;
  before(async () => {
    server = await Server.start({ dataDir });
    for (const group of groups) await server.approve(await server.register(group, group.replace('-', '_')));
    await cli('evaluate', ...groups, '--data', join(catalogue, 'digits_test.csv'), '--label', 'label', '--name', 'holdout');
    await server.end();
    storeServiceTimes(dataDir, groups);
    server = await Server.start({ dataDir });
    const selection = { candidates: groups, evaluation: 'holdout', floor: 0.9, shadow_percent: 20 };
    await server.callWell('POST', '/endpoints', { name: 'digits', objective: 'p95<=60s', selection, capture: {}, variants: [{}] });
    await until('the plans are served', async () => (await described()).status === 'InService');
  });
  after(async () => {
    await server?.end();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const cli = async (...args: readonly string[]): Promise<string> => {
    const options = { env: { ...plainEnvironment(), PENSTOCK_URL: server.url } };
    return (await promisify(execFile)(penstock, [...args], options)).stdout;
  };
  const described = () => server.callWell<EndpointBody>('GET', '/endpoints/digits');
  const selected = async () => {
    const { selection, status } = await described();
    assert(selection !== null);
    return { ...selection, status };
  };
  const decisions = async () =>
    (await server.callWell<PageBody<AnyDecisionBody>>('GET', '/endpoints/digits/decisions?kind=selection'))
      .items as SelectionDecisionBody[];
  const rows = readFileSync(join(catalogue, 'digits_test.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number));
  /** The rows of a call: each part of the file in turn. */
  const rowsOf = (call: number): number[][] => rows.slice((call % parts) * perCall, (call % parts) * perCall + perCall);
  const infer = async (call: number): Promise<string | null> => {
    const inputs = [{ name: 'pixels', datatype: 'FP32', shape: [perCall, 64], data: rowsOf(call).map((row) => row.slice(0, 64)) }];
    const response = await fetch(`${server.url}/v2/models/digits/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-penstock-inference-id': `call-${call}` },
      body: JSON.stringify({ inputs }),
    });
    assert.equal(response.status, 200, await response.text());
    return response.headers.get('x-penstock-model');
  };
  const label = async (calls: number): Promise<void> => {
    const response = await fetch(`${server.url}/api/v1/endpoints/digits/labels`, {
      method: 'POST',
      headers: { 'content-type': 'application/jsonlines' },
      body: Array.from({ length: calls }, (_, call) =>
        JSON.stringify({ inference_id: `call-${call}`, label: rowsOf(call).map((row) => row[64]) }),
      ).join('\n'),
    });
    assert.equal(response.status, 200, await response.text());
  };

  test('answers no client, and becomes a candidate once labels show that it is right more often', async () => {
    const first = await selected();
    assert.deepEqual([first.loaded, first.challenger, first.state], [['digits-logreg/1', 'digits-cnn/1'], null, 'certified']);
    await server.approve(await server.register('digits-logreg', 'digits_mlp'));
    await until('the new version is loaded beside the others', async () => (await selected()).challenger !== null, patienceMs);
    const tried = await until('workers have loaded it', async () => {
      const selection = await selected();
      return selection.status === 'InService' && selection;
    });
    assert.deepEqual([tried.challenger?.model, tried.challenger?.incumbent], ['digits-logreg/2', 'digits-logreg/1']);
    assert.deepEqual(
      tried.ladder.map(({ plan }) => plan),
      first.ladder.map(({ plan }) => plan),
    );

    let sent = 0;
    await until(
      'it ran on answered requests in idle time',
      async () => {
        for (let part = 0; part < parts; part++)
          assert.match((await infer(sent++)) ?? '', /^digits-(?:cnn|logreg)\/1:25$/, 'clients are answered by the plans in force');
        return ((await selected()).challenger?.rows ?? 0) >= 4 * rows.length;
      },
      patienceMs,
    );
    await label(sent);
    const promoted = await until(
      'labels promote it',
      async () => (await decisions()).find(({ reason }) => reason === 'challenger-promoted'),
      patienceMs,
    );
    assert.match(promoted.explanation, /^digits-logreg\/2 is promoted: on [\d,]+ of [\d,]+ labelled rows only one of them is right/);

    const chosen = await until(
      'plans are chosen with it',
      async () => (await decisions()).find(({ trigger, reason }) => trigger === 'promote' && reason !== 'challenger-promoted'),
      patienceMs,
    );
    assert.deepEqual(chosen.inputs.profiles.map(({ model }) => model).sort(), ['digits-cnn/1', 'digits-logreg/2']);
    assert.deepEqual(chosen.inputs.left_out, []);
    const last = await until('the plans are served', async () => {
      const selection = await selected();
      return selection.status === 'InService' && selection.challenger === null && selection;
    });
    assert(
      last.ladder.every(({ certified, plan }) => certified && !plan.includes('digits-logreg/1')),
      JSON.stringify(last.ladder),
    );
    assert.match((await infer(sent)) ?? '', /^digits-(?:cnn\/1|logreg\/2):/);
    const card = await cli('card', 'digits-logreg/2');
    assert.match(card, /evaluated on holdout: 450 rows/);
    const plans = last.ladder.filter(({ plan }) => plan.includes('digits-logreg/2')).length;
    if (plans > 0) assert.match(card, new RegExp(`^serves +digits in ${plans} plans?`, 'm'));
  });
});
