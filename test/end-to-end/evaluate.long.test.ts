/** Evaluations survive a kill of their server. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { EvaluationBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { Server, temporaryDirectory } from './server.ts';

const models = ['digits_logreg', 'digits_mlp', 'digits_rf', 'digits_cnn'];
const repeated = 20;

test('an evaluation continues after the server was killed, with the same figures', { timeout: 120_000 }, async (t) => {
  const dataDir = temporaryDirectory();
  let server = await Server.start({ dataDir });
  t.after(async () => {
    await server.end();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const groups = models.map((name) => name.replace('_', '-'));
  for (const [i, group] of groups.entries()) await server.approve(await server.register(group, models[i] as string));
  const [header = '', ...lines] = readFileSync(join(import.meta.dirname, '../../assets/catalogue/digits_test.csv'), 'utf8')
    .trim()
    .split('\n');
  const rows = [header, ...Array.from({ length: repeated }, () => lines).flat()].join('\n');
  const url = `${server.url}/api/v1/evaluation-sets/killed?label=label`;
  await fetch(url, { method: 'PUT', headers: { 'content-type': 'text/csv' }, body: rows });
  const { id } = await server.callWell<EvaluationBody>('POST', '/evaluations', { set: 'killed', models: groups });
  server.signal('SIGKILL');
  await server.ended;
  server = await Server.start({ dataDir });
  const done = await until('the evaluation is over', async () => {
    const now = await server.callWell<EvaluationBody>('GET', `/evaluations/${id}`);
    return now.state !== 'InProgress' && now;
  });
  assert.deepEqual(
    done.models.map(({ quality }) => quality?.kind === 'classes' && quality.errors),
    [23, 10, 15, 1].map((errors) => repeated * errors),
  );
});
