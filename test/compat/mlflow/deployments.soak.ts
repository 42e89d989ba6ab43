/** `mlflow deployments -t penstock`, with MLflow's own command line: all verbs, and what goes wrong. Installs MLflow and the plugin. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { TestServer } from '../../processes/server.ts';
import { createPythonEnvironment } from '../../python-packages.ts';
import { quiet } from './environment.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'penstock-mlflow-plugin-'));
const environment = join(folder, 'environment');
const model = join(folder, 'iris');
const script = 'exec mlflow models serve -m "$SM_MODEL_DIR" -h 127.0.0.1 -p "$SAGEMAKER_BIND_TO_PORT" --env-manager local';
let server: TestServer;

before(async () => {
  cpSync(join(import.meta.dirname, '../../../python/penstock_mlflow'), join(folder, 'plugin'), { recursive: true });
  const requirements = join(folder, 'requirements.txt');
  writeFileSync(requirements, `${readFileSync(join(import.meta.dirname, 'requirements.txt'), 'utf8')}\n${join(folder, 'plugin')}\n`);
  await createPythonEnvironment(environment, requirements);
  await run(join(environment, 'bin/python'), [join(import.meta.dirname, 'train.py'), model], { env: { ...process.env, ...quiet } });
  const env = { ...quiet, PATH: `${join(environment, 'bin')}:${process.env['PATH']}` };
  const base = dirname(dirname(realpathSync(join(environment, 'bin/python'))));
  const paths = base === '/usr' ? [environment] : [environment, base];
  chmodSync(folder, 0o755); // mkdtemp creates folders that only the owner can read
  server = new TestServer([{ match: 'mlflow', runtime: 'process', command: ['sh', '-c', script], env, paths }], {
    environments: { default: { python: join(environment, 'bin/python') } },
  });
  await server.start();
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

interface Ended {
  readonly code: number;
  readonly text: string;
}

/** Runs a verb of `mlflow deployments`. */
async function deployments(verb: string, ...args: readonly string[]): Promise<Ended> {
  const env = { ...process.env, ...quiet, PENSTOCK_KEY: server.key };
  try {
    const { stdout } = await run(join(environment, 'bin/mlflow'), ['deployments', verb, '-t', `penstock:${server.url}`, ...args], { env });
    return { code: 0, text: stdout };
  } catch (error) {
    const { code, stderr, stdout } = error as { code: number; stderr: string; stdout: string };
    return { code, text: stdout + stderr };
  }
}

async function succeeds(verb: string, ...args: readonly string[]): Promise<string> {
  const { code, text } = await deployments(verb, ...args);
  assert.equal(code, 0, text);
  return text;
}

const image = ['-C', 'image=mlflow'];

test('a folder of MLflow is created, listed, described, updated, asked and deleted', async () => {
  const created = await succeeds('create', '-m', model, '--name', 'iris', '-C', 'objective=p95<=500ms', ...image);
  assert.match(created, /iris is created/);
  assert.match(await succeeds('list'), /iris/);
  const described = await succeeds('get', '--name', 'iris');
  assert.match(described, /status: InService/);
  assert.match(described, /model: iris\/1/);

  const rows = join(folder, 'rows.json');
  writeFileSync(
    rows,
    JSON.stringify([
      { a: 5.1, b: 3.5, c: 1.4, d: 0.2 },
      { a: 6.7, b: 3, c: 5.2, d: 2.3 },
    ]),
  );
  assert.deepEqual(JSON.parse(await succeeds('predict', '--name', 'iris', '-I', rows)), { predictions: [0, 2] });

  // The same files are the same version; another objective alone changes nothing else.
  await succeeds('update', '--name', 'iris', '-m', model, '-C', 'objective=p95<=400ms', ...image);
  const updated = await server.call('GET', '/endpoints/iris');
  assert.deepEqual([updated.at('variants.0.model'), updated.at('objective')], ['iris/1', 'p95<=400ms']);
  writeFileSync(join(model, 'NOTES.md'), 'another version');
  await succeeds('update', '--name', 'iris', '-m', model, ...image);
  const replaced = await server.call('GET', '/endpoints/iris');
  assert.deepEqual([replaced.at('variants.0.model'), replaced.at('objective')], ['iris/2', 'p95<=400ms']);

  await succeeds('delete', '--name', 'iris');
  await succeeds('delete', '--name', 'iris');
  assert.match((await deployments('get', '--name', 'iris')).text, /there is no deployment 'iris'/);
});

test('without an image, Penstock opens the folder itself, with a sample where MLmodel has no signature', async () => {
  const sample = join(folder, 'sample.csv');
  writeFileSync(sample, 'a,b,c,d\n5.1,3.5,1.4,0.2\n6.7,3.0,5.2,2.3\n');
  await succeeds(
    'create',
    '-m',
    model,
    '--name',
    'opened',
    '-C',
    'objective=p95<=500ms',
    '-C',
    'accept_imports=true',
    '-C',
    `sample=${sample}`,
  );
  const version = await server.call('GET', '/groups/opened/versions/1');
  assert.deepEqual([version.at('runtime.flavour'), version.at('batchable')], ['mlflow', true], version.text);

  const script =
    'import sys, pandas, mlflow.deployments\n' +
    'frame = pandas.read_csv(sys.argv[2])\n' +
    'print(mlflow.deployments.get_deploy_client(sys.argv[1]).predict("opened", frame)["predictions"])';
  const env = { ...process.env, ...quiet, PENSTOCK_KEY: server.key };
  const target = `penstock:${server.url}`;
  const { stdout } = await run(join(environment, 'bin/python'), ['-c', script, target, sample], { env, timeout: 120_000 });
  assert.equal(stdout, '[0, 2]\n');
  assert.match(
    (await deployments('explain', '--name', 'opened', '-I', join(folder, 'rows.json'))).text,
    /does not explain predictions: use predict/,
  );
  await succeeds('delete', '--name', 'opened');
});

test('mistakes are explained', async () => {
  assert.match(
    (await deployments('create', '-m', model, '--name', 'x', '-C', 'speed=fast')).text,
    /unknown option speed: expected one of objective/,
  );
  assert.match(
    (await deployments('create', '-m', model, '--name', 'x', '-C', 'instances=many')).text,
    /instances is 'many': expected a number/,
  );
  assert.match(
    (await deployments('update', '--name', 'nothing', '-C', 'instances=2')).text,
    /there is no deployment 'nothing': use create/,
  );
  assert.match((await deployments('help')).text, /PENSTOCK_KEY[\s\S]*objective/);
  // MLflow passes the name of the target without its URL.
  const elsewhere = { ...process.env, ...quiet, PENSTOCK_URL: 'http://127.0.0.1:9' };
  const local = run(
    join(environment, 'bin/mlflow'),
    ['deployments', 'run-local', '-t', `penstock:${server.url}`, '--name', 'x', '-m', model],
    {
      env: elsewhere,
    },
  );
  await assert.rejects(local, { stderr: /no answer from http:\/\/127\.0\.0\.1:9.*PENSTOCK_URL/s });
  const env = { ...process.env, ...quiet };
  const nowhere = run(join(environment, 'bin/mlflow'), ['deployments', 'list', '-t', 'penstock:http://127.0.0.1:9'], { env });
  await assert.rejects(nowhere, { stderr: /no answer from http:\/\/127\.0\.0\.1:9/ });
});
