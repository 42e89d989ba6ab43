/** Evaluations of real models on real rows. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { DescribeModelPackageCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import type { CardBody, EvaluationBody, EvaluationSetBody, QualityBody, SelectionPlanBody } from '../../src/api/index.ts';
import { cardText } from '../../src/cli/verbs/models/card.ts';
import { formatEvaluation } from '../../src/cli/verbs/models/evaluate.ts';
import { selectionText } from '../../src/cli/verbs/planning/select.ts';
import type { SelectionSimulationResult } from '../../src/simulation/index.ts';
import { vectors } from '../selection/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server } from './server.ts';

const catalogue = join(import.meta.dirname, '../../assets/catalogue');
const models = ['digits_logreg', 'digits_mlp', 'digits_rf', 'digits_cnn'];
const groups = models.map((name) => name.replace('_', '-'));

interface QualityDocument {
  readonly multiclass_classification_metrics: {
    readonly accuracy: { readonly value: number };
    readonly confusion_matrix: Readonly<Record<string, Readonly<Record<string, number>>>>;
  };
}

type Classes = Extract<QualityBody, { kind: 'classes' }>;

describe('evaluations', { timeout: 160_000 }, () => {
  let server: Server;
  before(async () => {
    server = await Server.start();
    for (const [i, group] of groups.entries()) await server.approve(await server.register(group, models[i] as string));
  });
  after(() => server?.end());

  /** Calls the server as AWS's clients do. */
  const sent = async <T>(call: (client: { readonly s3: S3Client; readonly sagemaker: SageMakerClient }) => Promise<T>): Promise<T> => {
    const [accessKeyId = '', secretAccessKey = ''] = server.adminKey.split(':');
    const options = { endpoint: server.url, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
    const client = { s3: new S3Client(options), sagemaker: new SageMakerClient(options) };
    try {
      return await call(client);
    } finally {
      client.s3.destroy();
      client.sagemaker.destroy();
    }
  };
  const put = (name: string, rows: string, type = 'text/csv') =>
    fetch(`${server.url}/api/v1/evaluation-sets/${name}?label=label`, {
      method: 'PUT',
      headers: { 'content-type': type },
      body: rows,
    }).then(async (response) => ({ status: response.status, body: (await response.json()) as EvaluationSetBody & { error: string } }));
  const over = (id: string): Promise<EvaluationBody> =>
    until('the evaluation is over', async () => {
      const now = await server.callWell<EvaluationBody>('GET', `/evaluations/${id}`);
      return now.state !== 'InProgress' && now;
    });
  const evaluate = (set: string, names: readonly string[]): Promise<EvaluationBody> =>
    server.callWell('POST', '/evaluations', { set, models: names });
  const digits = readFileSync(join(catalogue, 'digits_test.csv'), 'utf8');

  test('of four models by the command line agree with the vectors', async () => {
    const options = { env: { ...plainEnvironment(), PENSTOCK_URL: server.url } };
    const data = ['--data', join(catalogue, 'digits_test.csv'), '--label', 'label', '--name', 'holdout'];
    const { stdout } = await promisify(execFile)(penstock, ['evaluate', ...groups, ...data, '--output', 'json'], options);
    const { models: found, pairs } = JSON.parse(stdout) as EvaluationBody;
    for (const [i, { quality }] of found.entries()) {
      const expected = vectors.evaluation.models[models[i] as string];
      const { errors, macro_f1: f1, log_loss: loss, brier, calibration_error: calibration, low } = quality as Classes;
      assert.equal(errors, expected?.errors);
      for (const [measured, wanted] of [
        [f1, expected?.macroF1],
        [low, expected?.accuracyLow],
        [loss, expected?.logLoss],
        [brier, expected?.brier],
        [calibration, expected?.calibrationError],
      ] as const) {
        assert(Math.abs((measured ?? 0) - (wanted ?? 1)) < 1e-5, `${models[i]}: ${measured}, expected ${wanted}`);
      }
    }
    assert.equal(pairs.length, 6);
    for (const { first, second, only_first_right: left, only_second_right: right } of pairs) {
      const named = (name: string) => name.replace('-', '_').replace('/1', '');
      const pair = vectors.evaluation.pairs.find((each) => each.first === named(first) && each.second === named(second));
      if (pair !== undefined) assert.deepEqual([left, right], [pair.onlyFirstRight, pair.onlySecondRight]);
    }
    const text = formatEvaluation(JSON.parse(stdout) as EvaluationBody).split('\n');
    assert.deepEqual(
      text.slice(3, 7).map((row) => row.split(/\s+/).slice(0, 4)),
      [
        ['digits-logreg/1', '23', '0.9489', '0.9243…0.9673'],
        ['digits-rf/1', '15', '0.9667', '0.9456…0.9812'],
        ['digits-mlp/1', '10', '0.9778', '0.9595…0.9893'],
        ['digits-cnn/1', '1', '0.9978', '0.9877…0.9999'],
      ],
    );
    const { ModelMetrics: modelMetrics } = await sent((client) =>
      client.sagemaker.send(new DescribeModelPackageCommand({ ModelPackageName: 'digits-rf/1' })),
    );
    const uri = modelMetrics?.ModelQuality?.Statistics?.S3Uri ?? '';
    assert.equal(uri, 's3://penstock-evaluations/digits-rf/1/holdout.json');
    const report = await sent(async (client) => {
      const { Body } = await client.s3.send(
        new GetObjectCommand({ Bucket: 'penstock-evaluations', Key: uri.split('/').slice(3).join('/') }),
      );
      return (await Body?.transformToString()) ?? '';
    });
    const { accuracy, confusion_matrix: matrix } = (JSON.parse(report) as QualityDocument).multiclass_classification_metrics;
    assert.equal(accuracy.value, 1 - 15 / 450);
    const counts = Object.entries(matrix).flatMap(([label, row]) =>
      Object.entries(row).map(([answer, rows]) => ({ isRight: label === answer, rows })),
    );
    const sum = (isRight: boolean): number =>
      counts.filter((each) => each.isRight === isRight).reduce((total, { rows }) => total + rows, 0);
    assert.deepEqual([sum(true), sum(false)], [435, 15]);
    const card = await server.callWell<CardBody>('GET', '/groups/digits-rf/versions/1/card');
    assert.deepEqual(card.evaluations[0]?.quality, found[2]?.quality);
    assert.equal(card.evaluations[0]?.set.models, 4);
    assert.match(cardText(card, false), /accuracy +0\.9667 \(95 %: 0\.9456…0\.9812\), 15 errors/);
    assert.match(text[8] ?? '', /^digits-rf\/1 and digits-mlp\/1 cannot be told apart by these rows \(McNemar p = 0\.30\)\.$/);
  });

  test('prove which model is to serve: the best one alone at its real size, or how many rows are missing', async () => {
    const plan = (more: object) =>
      server.callWell<SelectionPlanBody>('POST', '/plan/selection', {
        models: ['digits-mlp', 'digits-cnn'],
        set: 'holdout',
        // Far from what a busy machine takes: the choice must not depend on its speed.
        objective: 'p95<=60s',
        rate_per_second: 1,
        ...more,
      });
    const certified = await plan({ floor: 0.97 });
    assert.deepEqual([certified.state, certified.floor_plan, certified.ladder], ['certified', 'digits-cnn/1', ['digits-cnn/1']]);
    assert.match(certified.explanation, /Certified for accuracy >= 0\.97 at 95 % \(1 error in 450 rows\)/);
    assert((certified.predicted?.in_time ?? 0) >= 0.95);
    assert.match(certified.plans.find(({ plan: name }) => name === 'digits-mlp/1')?.rejected ?? '', /not certified: 10 errors in 450 rows/);
    const missing = await plan({ floor: 0.99 });
    assert.deepEqual([missing.state, missing.floor_plan, missing.fallback], ['not-certified', null, 'digits-cnn/1']);
    assert.match(missing.explanation, /not certified: digits-cnn\/1 has 1 error in 450 rows; about \d+ rows are needed/);
    assert.match(selectionText(missing), /state +not-certified/);
    const estimated = await plan({ floor: 0.99, confidence: null });
    assert.deepEqual([estimated.state, estimated.floor_plan], ['estimated', 'digits-cnn/1']);
    const both = await server.call('POST', '/plan/selection', {
      models: ['digits-rf'],
      set: 'lines-missing',
      objective: 'p95<=50ms',
      floor: 0.9,
    });
    assert.equal(both.status, 404);
  });

  test('and their stored answers, with profiles, let policies of a selection be simulated', async () => {
    const options = { env: { ...plainEnvironment(), PENSTOCK_URL: server.url } };
    const simulate = (...argv: string[]) => promisify(execFile)(penstock, ['simulate', '--select', groups.join(), ...argv], options);
    // Far from what a busy machine takes, and so is the load: what is simulated are the service times that it measured.
    const ask = ['--set', 'holdout', '--accuracy', '>=0.97', '--objective', 'p95<=60s', '--load', 'poisson:20', '--slots', '1'];
    const { stdout } = await simulate(...ask, '--instances', '1', '--policy', 'always-cheapest;select', '--output', 'json');
    const { results } = JSON.parse(stdout) as { readonly results: readonly SelectionSimulationResult[] };
    assert.deepEqual(
      results.map(({ policy, attainment }) => [policy, attainment]),
      [
        ['always-cheapest', 1],
        ['select', 1],
      ],
    );
    // Of one set of rows, 449 of 450 are right.
    assert(Math.abs((results[1]?.accuracy ?? 0) - 449 / 450) < 0.005);
    const elastic = await simulate(...ask);
    assert.match(
      elastic.stdout,
      /^POLICY +COST\/M +WITHIN +ACCURACY +RIGHT IN TIME[\s\S]+\nselect\+functions .* digits-cnn\/1 100\.0 %\n$/,
    );
    await assert.rejects(
      simulate('--set', 'other', ...ask.slice(2)),
      /no evaluation of all of digits-logreg\/1, .* on the set other: run `penstock evaluate/,
    );
    await assert.rejects(simulate('--load', 'poisson:1'), /--select needs --set NAME and --accuracy/);
  });

  test('of JSON lines give the same answers; rows can be read, and known outcomes are not measured again', async () => {
    const [header = '', ...lines] = digits.trim().split('\n');
    assert(header.endsWith('label'));
    const rows = lines.map((line) => {
      const cells = line.split(',').map(Number);
      return JSON.stringify({ pixels: cells.slice(0, 64), label: `${cells[64]}.0` });
    });
    assert.equal((await put('lines', rows.join('\n'), 'application/jsonlines')).status, 200);
    const { id, models: found } = await over((await evaluate('lines', ['digits-mlp'])).id);
    assert.equal((found[0]?.quality as Classes | undefined)?.errors, 10);
    const text = await (await fetch(`${server.url}/api/v1/evaluations/${id}/rows`)).text();
    const [title, ...answers] = text.trim().split('\n');
    assert.equal(title, 'row,label,digits-mlp/1.prediction,digits-mlp/1.unsureness');
    assert.equal(answers.filter((line) => line.split(',')[1] !== line.split(',')[2]).length, 10);
    const transforms = async () => (await server.callWell<{ items: unknown[] }>('GET', '/transforms')).items.length;
    const earlier = await transforms();
    const again = await over((await evaluate('lines', ['digits-mlp/1'])).id);
    assert.equal(await transforms(), earlier, 'no model runs again');
    assert.equal(again.models[0]?.evaluated_at, found[0]?.evaluated_at);
  });

  test('of a set with more columns than the model takes fail, and say so', async () => {
    const wider = digits
      .trim()
      .split('\n')
      .map((line, i) => `${i === 0 ? 'extra' : '1'},${line}`);
    assert.equal((await put('wider', wider.join('\n'))).status, 200);
    const { state, reason, models: failed } = await over((await evaluate('wider', ['digits-mlp'])).id);
    assert.deepEqual([state, failed.map((each) => each.state)], ['Failed', ['Failed']]);
    assert.match(reason ?? '', /^digits-mlp\/1: the model has no answer to 450 of 450 rows/);
    await server.callWell('DELETE', '/evaluation-sets/wider');
  });

  test('count rows that a model cannot take as errors; can be stopped; a set that never changes can be deleted', async () => {
    const lines = digits.trim().split('\n');
    const broken = lines.map((line, i) => (i > 0 && i <= 3 ? line.replace(/^\d+/, 'x') : line)).join('\n');
    await put('broken', broken);
    const [few] = (await over((await evaluate('broken', ['digits-mlp'])).id)).models;
    assert.equal((few?.quality as Classes | undefined)?.rows_failed, 3);
    assert.match(few?.notes.join() ?? '', /3 rows failed and count as errors/);
    assert.equal((await put('broken', digits)).status, 409);
    const { id } = await evaluate('broken', groups);
    // The answers of one model are known.
    await until('one model is over', async () => {
      const { models: now } = await server.callWell<EvaluationBody>('GET', `/evaluations/${id}`);
      return now.some((each) => each.state === 'Completed');
    });
    const { state, models: stopped } = await server.callWell<EvaluationBody>('POST', `/evaluations/${id}/stop`, {});
    assert.equal(state, 'Stopped');
    assert.deepEqual(new Set(stopped.map((each) => each.state)), new Set(['Completed', 'Stopped']));
    await server.callWell('DELETE', '/evaluation-sets/broken');
    assert.equal((await server.call('GET', `/evaluations/${id}`)).status, 404);
    assert.equal((await server.call('DELETE', '/evaluation-sets/broken')).status, 404);
  });
});
