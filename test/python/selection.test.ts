/** Selections of Python models: a ladder of two in one worker, another runtime alone, and what cannot be a candidate. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { EndpointBody } from '../../src/api/index.ts';
import { pythonEnvironment } from '../compat/python-environment.ts';
import { until } from '../end-to-end/poll.ts';
import { zipOf } from '../models/zip.ts';
import { type ServerAnswer, TestServer } from '../processes/server.ts';

const environment = await pythonEnvironment('penstock-python', join(import.meta.dirname, 'requirements-sklearn.txt'));
const holdout = join(import.meta.dirname, '../../assets/catalogue/digits_test.csv');
/** Far from what a busy machine takes: the choice must not depend on its speed. */
const objective = 'p95<=60s';
const floor = 0.94;

/** A forest that takes row by row, so that a batch costs as much as its rows: then a cascade pays. */
const byRows = `
import joblib, numpy
def load(folder):
    return joblib.load(folder / "forest.joblib")
def predict(model, input: "float64[n,64]") -> {"label": "int64[n]", "probabilities": "float64[n,10]"}:
    scores = numpy.concatenate([model.predict_proba(row[None]) for row in input])
    return {"label": scores.argmax(axis=1), "probabilities": scores}
`;
/** The signature of the catalogue's digits-logreg. */
const asOnnx = `
import joblib
def load(folder):
    return joblib.load(folder / "forest.joblib")
def predict(model, pixels: "float32[n,64]") -> {"label": "int64[n]", "probabilities": "float32[n,10]"}:
    scores = model.predict_proba(pixels)
    return {"label": scores.argmax(axis=1), "probabilities": scores.astype("f4")}
`;
const others = {
  answers: 'def predict(item: dict):\n    return item\n',
  bodies: 'def predict(body: bytes):\n    return body\n',
  words: 'def predict(text: str):\n    yield text\n',
};

describe('a selection of Python models', { skip: typeof environment === 'string' && environment, timeout: 300_000 }, () => {
  const bin = typeof environment === 'string' ? '' : environment.bin;
  const server = new TestServer([], { environments: { default: { python: join(bin, 'python') } } });
  const folder = mkdtempSync(join(tmpdir(), 'penstock-python-selection-'));
  const lines = readFileSync(holdout, 'utf8').trim().split('\n').slice(1);
  const rows = lines.map((line) => line.split(',').map(Number));
  const file = (name: string): Buffer => readFileSync(join(folder, name));

  const archiveWith = (code: string): Buffer =>
    zipOf([
      { path: 'model.py', bytes: Buffer.from(code) },
      { path: 'forest.joblib', bytes: file('forest.joblib') },
    ]);

  before(async () => {
    chmodSync(join(realpathSync(bin), '..'), 0o755); // workers have users of their own
    const made = spawnSync(join(bin, 'python'), [join(import.meta.dirname, 'digits.py'), folder, holdout], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    await server.start();
    for (const [group, name, body] of [
      ['logistic', 'logistic.joblib', file('logistic.joblib')],
      ['forest', 'forest.zip', archiveWith(byRows)],
      ['onnx', 'model.onnx', readFileSync(join(holdout, '../digits_logreg.onnx'))],
      ['own', 'own.zip', archiveWith(asOnnx)],
    ] as const)
      await approved(group, name, body);
    const set = await server.call('PUT', '/evaluation-sets/holdout?label=label', readFileSync(holdout), { 'content-type': 'text/csv' });
    assert.equal(set.status, 200, set.text);
    await evaluated('logistic', 'forest', 'onnx', 'own');
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  async function approved(group: string, name: string, body: Uint8Array | string): Promise<void> {
    const registered = await server.call('POST', `/groups/${group}/versions?name=${name}`, body);
    assert.equal(registered.status, 201, registered.text);
    await server.call('POST', `/groups/${group}/versions/1/approval`, { approval: 'Approved' });
    const version = await until(`${group} is opened`, async () => {
      const answer = await server.call('GET', `/groups/${group}/versions/1`);
      return answer.at('python.state') !== 'opening' && answer;
    });
    assert.equal(version.at('approval'), 'Approved', version.text);
  }

  async function evaluated(...models: readonly string[]): Promise<void> {
    const created = await server.call('POST', '/evaluations', { set: 'holdout', models });
    assert.equal(created.status, 202, created.text);
    const ended = await until('the evaluation ends', async () => {
      const answer = await server.call('GET', `/evaluations/${created.at('id') as string}`);
      return answer.at('state') !== 'InProgress' && answer;
    });
    assert.equal(ended.at('state'), 'Completed', ended.text);
  }

  const deploy = (name: string, candidates: readonly string[], more: object = {}): Promise<ServerAnswer> =>
    server.call('POST', '/endpoints', {
      name,
      objective,
      selection: { candidates, evaluation: 'holdout', floor, ...more },
      variants: [{}],
    });

  async function selectionOf(name: string): Promise<NonNullable<EndpointBody['selection']>> {
    const answer = await server.until(name, 'InService', 60);
    return answer.at('selection') as NonNullable<EndpointBody['selection']>;
  }

  /** The labels of all rows, and which model answered how many of them. */
  async function answersOf(endpoint: string, input: object, headers: Record<string, string> = {}) {
    const labels: number[] = [];
    const byModel = new Map<string, number>();
    for (let from = 0; from < rows.length; from += 32) {
      const some = rows.slice(from, from + 32).map((row) => row.slice(0, 64));
      const response = await fetch(`${server.url}/v2/models/${endpoint}/infer`, {
        method: 'POST',
        headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ inputs: [{ ...input, shape: [some.length, 64], data: some }] }),
      });
      const body = (await response.json()) as { outputs: { name: string; data: number[] }[] };
      assert.equal(response.status, 200, JSON.stringify(body));
      labels.push(...(body.outputs.find(({ name }) => name === 'label')?.data ?? []));
      for (const part of (response.headers.get('x-penstock-model') ?? '').split(',')) {
        const [model = '', count] = part.split(':');
        byModel.set(model, (byModel.get(model) ?? 0) + Number(count));
      }
    }
    const errors = labels.filter((label, i) => label !== rows[i]?.[64]).length;
    return { errors, byModel };
  }

  test('loads both in one worker, keeps the certified floor, and says which of them answered', async () => {
    // At this rate the forest alone needs several instances.
    const created = await deploy('digits', ['logistic', 'forest'], { rate: 200_000 });
    assert.equal(created.status, 202, created.text);
    const selection = await selectionOf('digits');
    assert.deepEqual(
      [selection.state, selection.contract, [...selection.loaded].sort()],
      ['certified', 'logistic/1', ['forest/1', 'logistic/1']],
    );
    assert.match(selection.floor_plan, /^logistic\/1>forest\/1@/);
    const wanted = selection.ladder.find(({ plan }) => plan === selection.floor_plan);
    assert(wanted?.certified && wanted.accuracy >= floor);
    const input = { name: 'x', datatype: 'FP64' };
    const cheap = await answersOf('digits', input, { 'x-penstock-prefer': 'cost' });
    assert.equal(cheap.errors, Math.round((1 - wanted.accuracy) * rows.length), 'as evaluated');
    assert.equal(cheap.byModel.get('forest/1'), Math.round(wanted.escalated * rows.length));
    assert.equal((cheap.byModel.get('logistic/1') ?? 0) + (cheap.byModel.get('forest/1') ?? 0), rows.length);
    const best = await answersOf('digits', input, { 'x-penstock-prefer': 'accuracy' });
    assert(best.errors <= cheap.errors);

    const { models } = await selectionOf('digits');
    assert.deepEqual(models.map(({ model }) => model).sort(), ['forest/1', 'logistic/1']);
    assert(models.every(({ rows: count, usd }) => count > 0 && usd > 0));
    assert.equal(
      models.reduce((sum, each) => sum + each.rows, 0),
      2 * rows.length,
    );
  });

  test('chooses a Python model alone under the signature of an ONNX model, as they share no worker', async () => {
    const created = await deploy('mixed', ['onnx', 'own']);
    assert.equal(created.status, 202, created.text);
    const selection = await selectionOf('mixed');
    assert.deepEqual([selection.contract, selection.loaded, selection.floor_plan], ['onnx/1', ['own/1'], 'own/1']);
    const { errors, byModel } = await answersOf('mixed', { name: 'pixels', datatype: 'FP32' });
    assert.deepEqual([[...byModel], errors <= (1 - floor) * rows.length], [[['own/1', rows.length]], true]);
  });

  test('leaves out what takes no tensors, by name', async () => {
    for (const [group, code] of Object.entries(others)) await approved(group, 'model.py', code);
    const expected = [
      ['answers', /answers\/1 takes and returns JSON: expected a model with tensors/],
      ['bodies', /bodies\/1 takes bytes: expected a model with tensors/],
      ['words', /words\/1 takes stream: expected a model with tensors/],
    ] as const;
    for (const [group, reason] of expected) {
      const refused = await server.call('POST', '/evaluations', { set: 'holdout', models: [group] });
      assert.match(refused.text, reason);
      assert.match((await deploy('refused', [group])).text, reason);
    }
    const created = await deploy('rest', ['logistic', 'forest', ...Object.keys(others)]);
    assert.equal(created.status, 202, created.text);
    const { left_out: leftOut } = await selectionOf('rest');
    assert.deepEqual(leftOut.map(({ model }) => model).sort(), ['answers/1', 'bodies/1', 'words/1']);
  });
});
