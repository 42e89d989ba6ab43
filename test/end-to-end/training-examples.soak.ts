/**
 * The training examples print their documented output, with scikit-learn and with torch; and an endpoint answers like the model that the
 * script trained, on all rows: `npm run test:sdk`.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { torchEnvironment } from '../compat/aws/python-archives.ts';
import { type PythonEnvironment, pythonEnvironment } from '../compat/python-environment.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const rows = join(root, 'assets/catalogue/digits_test.csv');

/** What scikit-learn itself answers to all rows: other results than the model. */
const compared = `
import json
answers = {"label": [int(each) for each in model.predict(pixels)], "scores": model.predict_proba(pixels).tolist()}
os.makedirs("/opt/ml/output/data", exist_ok=True)
with open("/opt/ml/output/data/answers.json", "w") as file:
    json.dump(answers, file)
`;

async function withServer(
  environment: PythonEnvironment,
  name: string,
  use: (server: Server, env: Record<string, string>) => Promise<void>,
) {
  chmodSync(join(realpathSync(environment.bin), '..'), 0o755); // jobs have users of their own
  const dataDir = temporaryDirectory();
  const python = join(environment.bin, 'python');
  writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ environments: { [name]: { python } } }));
  const server = await Server.start({ dataDir });
  try {
    await use(server, { ...plainEnvironment(), PENSTOCK_URL: server.url });
  } finally {
    await server.end();
    rmSync(dataDir, { recursive: true });
  }
}

for (const [name, environmentOf] of [
  ['sklearn', () => pythonEnvironment('penstock-python', join(root, 'test/python/requirements-training-sklearn.txt'))],
  ['pytorch', torchEnvironment],
] as const) {
  test(`examples/training/${name} prints its expected output`, { timeout: 580_000 }, async (t) => {
    const environment = await environmentOf();
    if (typeof environment === 'string') return t.skip(environment);
    await withServer(environment, name, async (_server, env) => {
      const { stdout } = await run('sh', [join(root, `examples/training/${name}/train.sh`)], { env, timeout: 500_000 });
      assert.equal(stdout, readFileSync(join(root, `examples/training/${name}/expected-output.txt`), 'utf8'));
    });
  });
}

test('an endpoint answers like scikit-learn on all rows', { timeout: 580_000 }, async (t) => {
  const environment = await pythonEnvironment('penstock-python', join(root, 'test/python/requirements-training-sklearn.txt'));
  if (typeof environment === 'string') return t.skip(environment);
  await withServer(environment, 'sklearn', async (server, env) => {
    const folder = temporaryDirectory();
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'train.py'), readFileSync(join(root, 'examples/training/sklearn/train.py'), 'utf8') + compared);
    const cli = (...argv: string[]) => run(penstock, argv, { env, cwd: folder, timeout: 300_000 });
    await cli('train', 'train.py', '--group', 'digits', '--data', rows, '--hyperparameter', 'max-depth=12');
    await cli('approve', 'digits/1');
    await cli('deploy', 'digits/1', 'digits', '--objective', 'p95<=50ms');
    const answers = await scikitAnswers(server, folder);
    const lines = readFileSync(rows, 'utf8').trim().split('\n').slice(1);
    let [right, heldOut, worst] = [0, 0, 0];
    for (const [at, line] of lines.entries()) {
      const values = line.split(',').map(Number);
      const label = values.pop();
      const inputs = [{ name: 'X', datatype: 'FP32', shape: [1, values.length], data: values }];
      const { outputs } = await infer(server, inputs);
      const [label0 = Number.NaN] = outputs[0]?.data ?? [];
      assert.equal(label0, answers.label[at], `row ${at}`);
      for (const [index, score] of (outputs[1]?.data ?? []).entries())
        worst = Math.max(worst, Math.abs(score - (answers.scores[at]?.[index] ?? Number.NaN)));
      if (at % 3 !== 0) continue;
      heldOut++;
      if (label0 === label) right++;
    }
    t.diagnostic(
      `${right} of ${heldOut} held-out rows are right (${((100 * right) / heldOut).toFixed(1)} %); scores differ by at most ${worst.toExponential(1)}`,
    );
    assert(worst <= 1e-5, `scores differ by ${worst}`);
    assert(right / heldOut >= 0.93);
    rmSync(folder, { recursive: true });
  });
});

interface Inferred {
  readonly outputs: readonly { readonly name: string; readonly data: readonly number[] }[];
}

async function infer(server: Server, inputs: readonly object[]): Promise<Inferred> {
  const response = await fetch(`${server.url}/v2/models/digits/infer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs }),
  });
  assert.equal(response.status, 200, response.status === 200 ? '' : await response.text());
  return (await response.json()) as Inferred;
}

/** From the archive of the job's other results. */
async function scikitAnswers(server: Server, folder: string): Promise<{ label: number[]; scores: number[][] }> {
  const [user = '', secret = ''] = server.adminKey.split(':');
  const url = `${server.url}/penstock-training/digits-1/output/output.tar.gz`;
  await run('curl', [
    '-sSf',
    '--aws-sigv4',
    'aws:amz:us-east-1:s3',
    '--user',
    `${user}:${secret}`,
    '-o',
    join(folder, 'output.tar.gz'),
    url,
  ]);
  await run('tar', ['-xzf', 'output.tar.gz'], { cwd: folder });
  return JSON.parse(readFileSync(join(folder, 'answers.json'), 'utf8')) as { label: number[]; scores: number[][] };
}
