/** A scikit-learn model from its file to its answers: registered, approved, deployed, called in every form, and killed under load. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pythonEnvironment } from '../compat/python-environment.ts';
import { Load } from '../end-to-end/load.ts';
import { until } from '../end-to-end/poll.ts';
import { type ServerAnswer, TestServer } from '../processes/server.ts';

const requirements = join(import.meta.dirname, 'requirements-sklearn.txt');
const environment = await pythonEnvironment('penstock-python', requirements);
const folder = mkdtempSync(join(tmpdir(), 'penstock-python-models-'));
const path = (name: string): string => join(folder, name);

interface Answers {
  readonly rows: readonly (readonly number[])[];
  readonly labels: readonly number[];
  readonly probabilities: readonly (readonly number[])[];
}

describe('a scikit-learn model', { skip: typeof environment === 'string' && environment }, () => {
  const bin = typeof environment === 'string' ? '' : environment.bin;
  const server = new TestServer([], { environments: { default: { python: join(bin, 'python') } } });
  let answers: Answers;
  const version = (): Promise<ServerAnswer> => server.call('GET', '/groups/forest/versions/1');
  const register = (group: string, file: string): Promise<ServerAnswer> =>
    server.call('POST', `/groups/${group}/versions?name=${file}`, readFileSync(path(file)));

  before(async () => {
    chmodSync(join(realpathSync(bin), '..'), 0o755); // workers have users of their own
    const made = spawnSync(join(bin, 'python'), [join(import.meta.dirname, 'models.py'), folder], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    answers = JSON.parse(readFileSync(path('answers.json'), 'utf8')) as Answers;
    await server.start();
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  /** Polls until the opening of a version has ended. */
  async function settled(group: string): Promise<ServerAnswer> {
    for (let tries = 0; ; tries++) {
      const answer = await server.call('GET', `/groups/${group}/versions/1`);
      if (answer.at('python.state') !== 'opening') return answer;
      assert(tries < 1200, answer.text);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  test('is registered without running any of its code, and shows what opening it would import', async () => {
    const registered = await register('forest', 'forest.joblib');
    assert.equal(registered.status, 201, registered.text);
    assert.equal(registered.at('version.approval'), 'PendingManualApproval');
    assert.deepEqual(registered.at('version.signature'), { inputs: [], outputs: [] });
    assert.equal(registered.at('version.python.state'), 'registered');
    assert.deepEqual(registered.at('version.python.imports.outside'), []);
    assert.equal(registered.at('version.runtime.flavour'), 'sklearn');
    const marks = await register('marks', 'marks.pkl');
    assert.equal(marks.status, 201, marks.text);
    assert.deepEqual(marks.at('version.python.imports.outside'), ['posix.system']);
    assert(!existsSync(path('marker')), 'the registration ran code of the model');
  });

  test('that names other imports is opened only if the approver accepts them, and its failure leaves it pending', async () => {
    const approve = (body: object): Promise<ServerAnswer> => server.call('POST', '/groups/marks/versions/1/approval', body);
    const refused = await approve({ approval: 'Approved' });
    assert.deepEqual([refused.status, refused.at('code')], [409, 'wrong_state'], refused.text);
    assert.match(refused.text, /posix\.system/);
    assert.equal((await approve({ approval: 'Approved', accept_imports: true })).at('python.state'), 'opening');
    const failed = await settled('marks');
    assert.deepEqual([failed.at('approval'), failed.at('python.state')], ['PendingManualApproval', 'failed']);
    assert.match(failed.at('python.reason') as string, /int|model/);
    assert(!existsSync(path('marker')), 'its code ran outside of its isolation');
  });

  test('is not run by a key that may register but not approve, whatever it calls', async () => {
    const key = await server.call('POST', '/keys', { role: 'deployer' });
    const as = { authorization: `Bearer ${String(key.at('id'))}:${String(key.at('secret'))}` };
    const registered = await server.call('POST', '/groups/sleeps/versions?name=sleeps.pkl', readFileSync(path('sleeps.pkl')), as);
    assert.equal(registered.status, 201, registered.text);
    /** A note for each process of a worker. */
    const workers = (): string[] => readdirSync(join(server.directory, 'workers')).filter((name) => /^\d/.test(name));
    const before = workers();
    const version1 = '/groups/sleeps/versions/1';
    for (const [route, body] of [
      [`${version1}/approval`, { approval: 'Approved', accept_imports: true }],
      [`${version1}/profile`, {}],
      [`${version1}/profile/functions`, {}],
      ['/endpoints', { name: 'sleeps', variants: [{ model: 'sleeps/1' }] }],
    ] as const) {
      const refused = await server.call('POST', route, body, as);
      assert([403, 409].includes(refused.status), `${route}: ${refused.status} ${refused.text}`);
    }
    assert.deepEqual(
      workers().filter((name) => !before.includes(name)),
      [],
      'no worker was started',
    );
    const approved = await server.call('POST', `${version1}/approval`, { approval: 'Approved', accept_imports: true });
    assert.equal(approved.at('python.state'), 'opening', approved.text);
    await until('a worker opens it for who may approve', () => workers().some((name) => !before.includes(name)));
    assert.equal((await server.call('DELETE', `${version1}/opening`)).at('python.state'), 'registered');
  });

  test('is opened at its approval, under the name of the approver', async () => {
    const approved = await server.call('POST', '/groups/forest/versions/1/approval', { approval: 'Approved', note: 'reviewed' });
    assert.equal(approved.at('python.state'), 'opening');
    assert.equal(approved.at('approval'), 'PendingManualApproval');
    const opened = await settled('forest');
    assert.equal(opened.at('approval'), 'Approved', opened.text);
    assert.equal(opened.at('approval_note'), 'reviewed');
    assert.equal(opened.at('approval_changed_by'), opened.at('python.requested_by'));
    assert.equal(opened.at('batchable'), true, opened.text);
    assert.deepEqual(opened.at('signature.inputs.0.shape'), [-1, 30]);
    assert.match(opened.at('python.libraries.scikit-learn') as string, /^\d/);
    const audit = await server.call('GET', '/audit?action=SetApproval');
    const entry = (audit.at('items') as { target: string; detail: { opened?: { flavour: string; files: unknown[] } } }[]).find(
      ({ target }) => target === 'forest/1',
    );
    assert.equal(entry?.detail.opened?.flavour, 'sklearn');
    assert.equal(entry.detail.opened.files.length, 1);
  });

  test('answers CSV, JSON and the Open Inference Protocol as scikit-learn itself, bit for bit', async () => {
    const variants = [{ model: 'forest/1' }];
    const created = await server.call('POST', '/endpoints', { name: 'forest', variants, objective: 'p95<=500ms' });
    assert.equal(created.status, 202, created.text);
    await server.until('forest', 'InService', 60);
    const expected = answers.labels.map((label, row) => ({ label, probabilities: answers.probabilities[row] }));
    const csv = await server.invoke('forest', readFileSync(path('rows.csv'), 'utf8'), { 'content-type': 'text/csv' });
    assert.deepEqual(csv.at('predictions'), expected);
    const json = await server.invoke('forest', JSON.stringify({ instances: answers.rows }), { 'content-type': 'application/json' });
    assert.deepEqual(json.at('predictions'), expected);
    const body = { inputs: [{ name: 'x', datatype: 'FP64', shape: [6, 30], data: answers.rows.flat() }] };
    const response = await fetch(`${server.url}/v2/models/forest/infer`, { method: 'POST', body: JSON.stringify(body) });
    const { outputs } = (await response.json()) as { outputs: { data: number[] }[] };
    assert.deepEqual(outputs[0]?.data, answers.labels);
    assert.deepEqual(outputs[1]?.data, answers.probabilities.flat());
  });

  test('counts its cold start, and shows the memory of its fork server, for Prometheus', async () => {
    const status = await server.call('GET', '/status');
    const forkServers = status.at('fork_servers') as {
      interpreter: string;
      threads: number;
      rss_bytes: number | null;
      worker_count: number;
    }[];
    const page = await (await fetch(`${server.url}/metrics`)).text();
    const valueOf = (line: string): number =>
      Number(
        page
          .split('\n')
          .find((text) => text.startsWith(`${line} `))
          ?.slice(line.length),
      );
    const how = forkServers.length > 0 ? 'fork' : 'spawn';
    assert.equal(valueOf(`penstock_python_start_seconds_count{how="${how}"}`), 1);
    assert(valueOf(`penstock_python_start_seconds_sum{how="${how}"}`) > 0.001, 'seconds, until the first inference');
    for (const { interpreter, threads, worker_count: workers } of forkServers) {
      assert.equal(workers, 1);
      const bytes = valueOf(`penstock_fork_server_memory_bytes{interpreter="${interpreter}",threads="${threads}"}`);
      assert(bytes > 2 ** 25 && bytes < 2 ** 32, `${bytes} bytes hold scikit-learn`);
    }
  });

  test('finds its columns by their names, in CSV, rows and forms of MLflow', async () => {
    const [header = '', ...lines] = readFileSync(path('rows.csv'), 'utf8').trim().split('\n');
    const columns = header.trim().split(',');
    assert.deepEqual((await version()).at('signature.inputs.0.columns'), columns);
    const reversed = (cells: readonly unknown[]): unknown[] => [...cells].reverse();
    const csv = [columns, ...lines.map((line) => line.trim().split(','))].map((cells) => reversed(cells).join(',')).join('\n');
    const records = answers.rows.map((row) =>
      Object.fromEntries(reversed(row.map((value, at) => [columns[at], value])) as [string, number][]),
    );
    const json = { 'content-type': 'application/json' };
    for (const answer of [
      await server.invoke('forest', csv, { 'content-type': 'text/csv' }),
      await server.invoke('forest', JSON.stringify({ instances: records }), json),
      await server.invoke(
        'forest',
        JSON.stringify({ dataframe_split: { columns: reversed(columns), data: answers.rows.map(reversed) } }),
        json,
      ),
    ]) {
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(
        (answer.at('predictions') as { label: number }[]).map(({ label }) => label),
        answers.labels,
      );
    }
    const { [columns[3] as string]: _, ...lacking } = records[0] as Record<string, number>;
    const refused = await server.invoke('forest', JSON.stringify({ instances: [lacking] }), json);
    assert.deepEqual([refused.status, refused.at('code')], [400, 'invalid_request']);
    assert.match(refused.at('error') as string, new RegExp(`lacks the column '${columns[3]}'`));
  });

  test('loses no request when its worker is killed under load', async () => {
    const rows = JSON.stringify({ instances: answers.rows.slice(0, 1) });
    const statuses: number[] = [];
    const headers = { 'content-type': 'application/json' };
    const load = Load.start(4, async () => void statuses.push((await server.invoke('forest', rows, headers)).status));
    for (let kills = 0; kills < 3; kills++) {
      const answer = await server.until('forest', 'InService');
      const pid = answer.at('variants.0.workers.0.pid');
      if (typeof pid === 'number') process.kill(pid, 'SIGKILL');
      await load.more(20);
    }
    await load.stop();
    assert.deepEqual([load.failures, [...new Set(statuses)]], [[], [200]]);
  });

  test('is there after a restart of the server, with its worker', async () => {
    await server.kill('SIGKILL');
    await server.start();
    await server.until('forest', 'InService', 60);
    assert.equal((await version()).at('approval'), 'Approved');
    const json = await server.invoke('forest', JSON.stringify({ instances: answers.rows }), { 'content-type': 'application/json' });
    assert.equal((json.at('predictions') as unknown[]).length, 6);
  });
});
