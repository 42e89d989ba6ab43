/** MLflow's scoring server with a scikit-learn model, deployed with the command line. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { processesWith } from '../../processes/index.ts';
import { TestServer } from '../../processes/server.ts';
import { type Mlflow, mlflow, quiet } from './environment.ts';

const nonce = `mlflow-${process.pid}`;
const script = 'exec mlflow models serve -m "$SM_MODEL_DIR" -h 127.0.0.1 -p "$SAGEMAKER_BIND_TO_PORT" --env-manager local';
let found: Mlflow | string = '';
let server: TestServer;

before(async () => {
  found = await mlflow();
  if (typeof found === 'string') return;
  const env = { ...quiet, PATH: `${found.bin}:${process.env['PATH']}`, NONCE: nonce };
  server = new TestServer([{ match: 'mlflow', runtime: 'process', command: ['sh', '-c', script], env, paths: found.paths }]);
  await server.start();
});
after(async () => {
  if (typeof found === 'string') return;
  await server.close();
  assert.deepEqual(processesWith('NONCE', nonce), [], 'no process is left');
});

async function penstock(...args: readonly string[]): Promise<string> {
  const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
  const env = { ...process.env, PENSTOCK_URL: server.url };
  return (await promisify(execFile)(process.execPath, [main, ...args], { env })).stdout;
}

test('is registered, deployed and invoked with three commands', async (context) => {
  if (typeof found === 'string') return context.skip(found);
  await penstock('register', found.model, 'iris', '--image', 'mlflow', '--approve');
  await penstock('deploy', 'iris/1', 'iris', '--timeout', '120s');
  const answer = await penstock('invoke', 'iris', '--data', '{"inputs": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}');
  assert.equal(answer, '0\n2\n');
});

test('accepts its own formats and returns its own error messages', async (context) => {
  if (typeof found === 'string') return context.skip(found);
  const csv = 'a,b,c,d\n5.1,3.5,1.4,0.2\n';
  const answer = await server.invoke('iris', csv, { 'content-type': 'text/csv', accept: 'application/json' });
  assert.deepEqual([answer.status, answer.text], [200, '{"predictions": [0]}']);
  const rejected = await server.invoke('iris', '{"rows": []}', { 'content-type': 'application/json' });
  assert.deepEqual([rejected.status, rejected.headers.get('x-penstock-error')], [400, 'model_failed']);
  assert.match(rejected.text, /exactly one of the input fields/);
});

test('serves 50 concurrent requests', async (context) => {
  if (typeof found === 'string') return context.skip(found);
  const body = '{"inputs": [[6.7, 3.0, 5.2, 2.3]]}';
  const answers = await Promise.all(Array.from({ length: 50 }, () => server.invoke('iris', body, { 'content-type': 'application/json' })));
  assert.deepEqual(new Set(answers.map(({ text }) => text)), new Set(['{"predictions": [2]}']));
});

test('ends with its endpoint', async (context) => {
  if (typeof found === 'string') return context.skip(found);
  await server.call('DELETE', '/endpoints/iris');
  await server.until('iris', 'deleted');
  assert.deepEqual(processesWith('NONCE', nonce), []);
});
