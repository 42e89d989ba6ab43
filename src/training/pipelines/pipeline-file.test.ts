import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PlatformError } from '../../errors.ts';
import { parsePipelineFile } from './pipeline-file.ts';
import { stepsOf, withParameters } from './pipeline-spec.ts';

const nowMs = Date.UTC(2026, 10, 29);
const parse = (text: string) => parsePipelineFile(text, nowMs);

const whole = `name: digits-loop
on:
  schedule: cron(0 3 ? * SUN *)
  event: {source: [penstock], detail-type: [endpoint.drifted], resources: [digits]}
  atMostEvery: 6h
parameters: {C: 0.50}
train:
  source: ./train
  entry: train.py
  environment: sklearn
  instanceType: local.2
  channels:
    train: s3://team/digits/train/
    recent: {captured: digits, labelled: true, since: 30d, rowsMax: 100000}
  hyperparameters: {C: "\${parameters.C}"}
  metrics: {accuracy: 'validation-accuracy=([0-9.]+)'}
  maxRuntime: 1h
evaluate: {data: s3://team/digits/holdout.csv, label: label, against: deployed, metric: accuracy}
register: {group: digits}
approve: {when: better, confidence: 0.95, marginMin: 0, unsure: manual}
deploy:
  endpoint: digits
  rollout: {steps: [{percent: 10, watch: 10m}, {percent: 50, watch: 10m}], alarms: [digits-late]}
notify: [https://hooks.internal/mlops]
`;

const smallest = 'name: a\ntrain: {command: [/bin/true]}\n';

describe('the file of a pipeline', () => {
  test('says all that the loop does', () => {
    const spec = parse(whole);
    assert.deepEqual(spec, {
      name: 'digits-loop',
      on: {
        schedule: 'cron(0 3 ? * SUN *)',
        event: '{"source":["penstock"],"detail-type":["endpoint.drifted"],"resources":["digits"]}',
        atMostEveryMs: 6 * 3_600_000,
      },
      parameters: { C: '0.50' },
      train: {
        source: './train',
        entry: 'train.py',
        command: null,
        environment: 'sklearn',
        instanceType: 'local.2',
        isSpot: false,
        channels: [
          { name: 'train', source: { kind: 's3', uri: 's3://team/digits/train/' } },
          { name: 'recent', source: { kind: 'captured', endpoint: 'digits', sinceMs: 30 * 86_400_000, rowsMax: 100_000 } },
        ],
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is how a file refers to a parameter
        hyperparameters: { C: '${parameters.C}' },
        metrics: [{ name: 'accuracy', regex: 'validation-accuracy=([0-9.]+)' }],
        maxRuntimeMs: 3_600_000,
        output: null,
      },
      group: 'digits',
      evaluate: { data: 's3://team/digits/holdout.csv', label: 'label', against: 'deployed', metric: 'accuracy' },
      approve: { when: 'better', confidence: 0.95, marginMin: 0, unsure: 'manual' },
      deploy: {
        endpoint: 'digits',
        steps: [
          { share: 0.1, watchMs: 600_000 },
          { share: 0.5, watchMs: 600_000 },
          { share: 1, watchMs: 600_000 },
        ],
        alarms: ['digits-late'],
      },
      notify: ['https://hooks.internal/mlops'],
    });
    assert.deepEqual(stepsOf(spec), ['train', 'register', 'evaluate', 'approve', 'deploy']);
    assert.equal(withParameters(spec.train.hyperparameters['C'] ?? '', { C: '7' }), '7');
  });

  test('may end after any step', () => {
    assert.deepEqual(stepsOf(parse(smallest)), ['train']);
    assert.deepEqual(stepsOf(parse(`${smallest}register: {group: g}\n`)), ['train', 'register']);
    assert.deepEqual(stepsOf(parse(`${smallest}register: {group: g}\napprove: {when: always}\n`)), ['train', 'register', 'approve']);
  });

  for (const { what, change, problem } of [
    {
      what: 'an unknown member',
      change: ['maxRuntime: 1h', 'maxRuntme: 1h'],
      problem: /^line 17: unknown member 'maxRuntme' of train: did you mean 'maxRuntime'\?$/,
    },
    {
      what: 'an unknown member at the top',
      change: ['notify:', 'notfy:'],
      problem: /^line 24: unknown member 'notfy': did you mean 'notify'\?$/,
    },
    {
      what: 'a word that nothing is like',
      change: ['unsure: manual', 'whatever: 1'],
      problem: /^line 20: unknown member 'whatever' of approve: expected one of when, confidence, marginMin, unsure$/,
    },
    {
      what: 'a member that is there twice',
      change: ['  maxRuntime: 1h', '  maxRuntime: 1h\n  maxRuntime: 2h'],
      problem: /^line 18: this is not YAML: Map keys must be unique/,
    },
    {
      what: 'a parameter that is not there',
      change: ['${parameters.C}', '${parameters.D}'],
      problem: /^line 15: train\.hyperparameters\.C: expected one of \$\{parameters\.C\}, got \$\{parameters\.D\}$/,
    },
    {
      what: 'a schedule that is never due',
      change: ['cron(0 3 ? * SUN *)', 'cron(0 3 ? * SUN 2020)'],
      problem: /^line 3: on\.schedule: .* is never due$/,
    },
    {
      what: 'a schedule in other words',
      change: ['cron(0 3 ? * SUN *)', 'daily'],
      problem: /^line 3: on\.schedule: expected rate\(1 day\) or cron/,
    },
    { what: 'a pattern that is none', change: ['[penstock]', '[{"like": 1}]'], problem: /^line 4: on\.event: .*like/ },
    {
      what: 'events that start runs without a pause',
      change: ['6h', '1s'],
      problem: /^line 5: on\.atMostEvery: expected at least 60s, got 1s$/,
    },
    {
      what: 'a proof that it is better than nothing',
      change: ['against: deployed', 'against: none'],
      problem: /^line 20: approve: when: better needs a version to compare with, and evaluate says against: none/,
    },
    {
      what: 'a parameter where none is replaced',
      change: ['  maxRuntime: 1h', '  output: "s3://team/${parameters.C}"'],
      problem: /^line 17: train\.output: parameters are replaced in hyperparameters and channels only/,
    },
    { what: 'a holdout without a label', change: [', label: label', ''], problem: /^line 18: evaluate\.label: it is missing/ },
    {
      what: 'a holdout that is a folder',
      change: ['holdout.csv', ''],
      problem: /^line 18: evaluate\.data: expected a \.csv or \.jsonl file/,
    },
    {
      what: 'a holdout that a parameter chooses',
      change: ['s3://team/digits/holdout.csv', '"s3://team/${parameters.C}/holdout.csv"'],
      problem: /a parameter may not choose what the model is judged by/,
    },
    { what: 'a test without data', change: [/evaluate:.*\n/, ''], problem: /^line 19: approve: when: better needs evaluate/ },
    { what: 'a deployment that nothing approves', change: [/approve:.*\n/, ''], problem: /^line 20: deploy: it needs approve/ },
    { what: 'an evaluation of no version', change: [/register:.*\n/, ''], problem: /^line 18: evaluate: it needs a version: add register/ },
    { what: 'no training', change: [/train:\n(?: .*\n)+/, ''], problem: /^line 1: train: it is missing/ },
    { what: 'steps that fall', change: ['percent: 50', 'percent: 5'], problem: /^line 23: deploy\.rollout\.steps: .* got 5 after 10$/ },
    {
      what: 'a confidence that proves nothing',
      change: ['0.95', '0.4'],
      problem: /^line 20: approve\.confidence: expected a number from 0\.5 to 0\.9999, got '0\.4'$/,
    },
    {
      what: 'captured calls without labels',
      change: ['labelled: true', 'labelled: false'],
      problem: /^line 14: train\.channels\.recent\.labelled: expected true/,
    },
    {
      what: 'a bucket without s3://',
      change: ['s3://team/digits/train/', '/etc'],
      problem: /^line 13: train\.channels\.train: expected s3:\/\/bucket\/prefix, got '\/etc'$/,
    },
    {
      what: 'an address that is not a URL',
      change: ['https://hooks.internal/mlops', 'file:///etc/passwd'],
      problem: /^line 24: notify: expected URLs/,
    },
    {
      what: 'a name that no API accepts',
      change: ['digits-loop', 'digits loop'],
      problem: /^line 1: name: pipeline name 'digits loop' is not allowed/,
    },
  ] as const) {
    test(`rejects ${what}, with its line`, () => {
      const text = whole.replace(change[0], () => change[1]);
      assert.notEqual(text, whole);
      assert.throws(
        () => parse(text),
        (error) => error instanceof PlatformError && (problem.test(error.message) || assert.fail(error.message)),
      );
    });
  }

  test('rejects aliases, tags and depth, which make much of little', () => {
    assert.throws(() => parse('a: &x [1]\nname: b\ntrain: *x\n'), /line \d: .*alias/);
    assert.throws(() => parse('name: !!js/function x\ntrain: {command: [a]}\n'), { code: 'invalid_request' });
    assert.throws(() => parse(`name: a\ntrain: ${'['.repeat(30_000)}`), /line 2: it is nested deeper/);
    assert.throws(
      () => parse(`name: a\ntrain:\n${Array.from({ length: 200 }, (_, i) => `${' '.repeat(i + 1)}a:`).join('\n')}`),
      /nested deeper/,
    );
    assert.throws(() => parse(`${'- '.repeat(20_000)}a`), /nested deeper/);
    assert.throws(() => parse('x'.repeat(70_000)), { code: 'too_large' });
  });

  test('of any bytes is a pipeline or an error of the caller, in bounded time', () => {
    const soup = fc.string({
      unit: fc.constantFrom(...'name: train{}[]-&*!|>\n\t \'"#:,?%@`${parameters.C}'.split(/(?!$)/)),
      maxLength: 400,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          soup,
          soup.map((text) => `${smallest}${text}`),
          fc.string({ unit: 'binary', maxLength: 200 }),
        ),
        (text) => {
          try {
            parse(text);
          } catch (error) {
            assert(error instanceof PlatformError && error.code === 'invalid_request', String(error));
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
