/** A server's metrics, alarms and audit log are correct. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { AlarmBody, AuditVerdictBody, PageBody, SeriesBody } from '../../src/api/index.ts';
import { sample } from '../models/index.ts';
import { infer } from './oip-client.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const run = promisify(execFile);
const digits = sample('digits_mlp');
const good = 37;

describe('a server', () => {
  const dataDir = temporaryDirectory();
  let server: Server;
  before(async () => {
    server = await Server.start({ dataDir });
    await server.deploy('digits', 'digits_mlp');
  });
  after(() => server?.end());

  const cli = (...args: string[]) => run(penstock, args, { env: { ...plainEnvironment(), PENSTOCK_URL: server.url } });
  const sums = async (name: string, namespace: string): Promise<number> => {
    const query = new URLSearchParams({ name, namespace, endpoint: 'digits', statistics: 'Sum' });
    const { points } = await server.callWell<SeriesBody>('GET', `/metrics/series?${query.toString()}`);
    return points.reduce((sum, { values }) => sum + (values[0] ?? 0), 0);
  };

  test('counts each request once, consistently in all APIs', async () => {
    for (let i = 0; i < good; i++) assert.equal((await infer(server.url, 'digits', digits.inputs)).status, 200);
    assert.equal((await infer(server.url, 'digits', [])).status, 400);
    assert.deepEqual(
      [await sums('Invocations', 'AWS/SageMaker'), await sums('Invocation4XXErrors', 'AWS/SageMaker'), await sums('Rows', 'Penstock')],
      [good + 1, 1, good * (digits.inputs[0]?.shape[0] ?? 0)],
    );
    const text = await (await fetch(new URL('/metrics', server.url))).text();
    assert.match(text, new RegExp(`penstock_requests_total\\{endpoint="digits",variant="AllTraffic",outcome="ok"\\} ${good}\n`));
    const { stdout } = await cli('metrics', 'digits', '--metric', 'Invocations', '--namespace', 'AWS/SageMaker', '--statistics', 'Sum');
    const shown = stdout
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => Number(line.trim().split(/ +/).at(-1)));
    assert.equal(
      shown.reduce((sum, each) => sum + each, 0),
      good + 1,
      stdout,
    );
  });

  test('retains its metrics after a kill, except for the last ten seconds', async () => {
    const sinceMs = Date.now();
    // All values until then are written together, and the server measures itself all the time.
    await until('the values of all requests are on disk', () => lastWrittenMs(join(dataDir, 'metrics.db')) > sinceMs);
    server.signal('SIGKILL');
    await server.ended;
    await server.end();
    server = await Server.start({ dataDir });
    assert.equal(await sums('Invocations', 'AWS/SageMaker'), good + 1);
    await server.inService('digits');
  });

  test('has default alarms in state OK for every endpoint', async () => {
    const { items } = await until(
      'the alarms were evaluated',
      async () => {
        const page = await server.callWell<PageBody<AlarmBody>>('GET', '/alarms?endpoint=digits');
        return page.items.length > 0 && page.items.every(({ state }) => state === 'OK') ? page : null;
      },
      40_000,
    );
    assert.deepEqual(
      items.map(({ name }) => name),
      ['penstock/digits/crash-loop', 'penstock/digits/errors'],
    );
    const all = await server.callWell<PageBody<AlarmBody>>('GET', '/alarms');
    const ofServer = all.items.map(({ name }) => name).filter((name) => !name.startsWith('penstock/digits/'));
    assert.deepEqual(ofServer, ['penstock/event-loop', 'penstock/memory']);
  });

  test('records rejected calls too, and detects a modified audit record', async () => {
    assert.equal((await server.call('DELETE', '/endpoints/missing')).status, 404);
    const verdict = await server.callWell<AuditVerdictBody>('GET', '/audit/verification');
    assert.equal(verdict.broken, null);
    const { stdout } = await cli('audit', 'list', '--limit', '1');
    assert.match(stdout, /anonymous +api 127\.0\.0\.1 +DeleteEndpoint +missing +not_found/);
    const state = new DatabaseSync(join(dataDir, 'state.db'));
    state.exec("update audit set who = 'intruder' where number = 2");
    state.close();
    await assert.rejects(
      cli('audit', 'verify'),
      ({ code, stdout: reported }) => code === 1 && /^broken at record 2 .*the record was changed/.test(String(reported)),
    );
  });
});

/** The time of the latest value. */
function lastWrittenMs(file: string): number {
  const metrics = new DatabaseSync(file, { readOnly: true });
  try {
    return Number(metrics.prepare('select max(last_at) as last from metric_groups').get()?.last);
  } finally {
    metrics.close();
  }
}
