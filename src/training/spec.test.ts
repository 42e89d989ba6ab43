import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { channelDefaults, checkTrainingSpec, type TrainingChannel, type TrainingSpec, trainingDefaults } from './spec.ts';

const spec: TrainingSpec = {
  ...trainingDefaults,
  name: 'digits-7',
  command: ['/bin/true'],
  output: { bucket: 'team', prefix: 'out', isPacked: true },
};
const channel = (name: string, source: Partial<TrainingChannel['source']> = {}): TrainingChannel =>
  ({ ...channelDefaults, name, source: { kind: 's3', bucket: 'team', prefix: 'rows/', ...source } }) as TrainingChannel;
const many = (count: number): Record<string, string> => Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, '1']));
const regex = '([0-9.]+)';

describe('the spec of a training job', () => {
  test('accepts the largest values', () => {
    checkTrainingSpec({ ...spec, hyperparameters: { ...many(99), long: 'x'.repeat(2500) }, maxRuntimeMs: 2_419_200_000 });
    checkTrainingSpec({ ...spec, channels: Array.from({ length: 20 }, (_, at) => channel(`c${at}`)) });
    checkTrainingSpec({ ...spec, isSpot: true, maxWaitMs: spec.maxRuntimeMs });
    checkTrainingSpec({ ...spec, command: null, entry: 'src/train.py', source: { sha256: 'a' } });
    checkTrainingSpec({ ...spec, command: null, hyperparameters: { sagemaker_program: '"train.py"' } });
  });

  const rows: readonly [string, Partial<TrainingSpec>, RegExp][] = [
    ['a name with a dot', { name: 'a.b' }, /invalid training job name 'a\.b': expected at most 63 letters/],
    ['a name that ends with a hyphen', { name: 'a-' }, /invalid training job name/],
    ['nothing to run', { command: null }, /nothing to run: expected a command, an entry with its source/],
    ['an empty command', { command: [] }, /command is empty/],
    ['an entry without a source', { command: null, entry: 'a.py' }, /entry 'a\.py' needs a source/],
    ['an entry outside', { command: null, entry: '../a.py', source: { sha256: 'a' } }, /'\.\.\/a\.py' is not a path inside the source/],
    [
      'a hyperparameter of 2,501 characters',
      { hyperparameters: { long: 'x'.repeat(2501) } },
      /'long' has 2501 characters: expected at most 2500/,
    ],
    ['101 hyperparameters', { hyperparameters: many(101) }, /101 hyperparameters: expected at most 100/],
    ['a name with a newline', { hyperparameters: { 'a\nb': '1' } }, /invalid name of a hyperparameter "a\\nb"/],
    ['a channel named ..', { channels: [channel('..')] }, /invalid channel name '\.\.'/],
    ['two channels of one name by case', { channels: [channel('a'), channel('A')] }, /two channels are named 'A'/],
    ['21 channels', { channels: Array.from({ length: 21 }, (_, at) => channel(`c${at}`)) }, /21 channels: expected at most 20/],
    [
      'a bucket that is none',
      { output: { bucket: 'Not_a_bucket', prefix: '', isPacked: true } },
      /output: 'Not_a_bucket' is not a name of a bucket/,
    ],
    ['a runtime of 0', { maxRuntimeMs: 0 }, /maximum runtime, ms: expected a whole number from 1000 to 2419200000, got 0/],
    [
      'a regex of 501 characters',
      { metrics: [{ name: 'a', regex: `${regex}${'x'.repeat(492)}` }] },
      /has 501 characters: expected 1 to 500/,
    ],
    [
      'two metrics of one name',
      {
        metrics: [
          { name: 'a', regex },
          { name: 'a', regex },
        ],
      },
      /two metrics are named 'a'/,
    ],
    ['spot without a maximum wait', { isSpot: true }, /^Invalid MaxWaitTimeInSeconds\. It must be present/],
    ['spot with a short wait', { isSpot: true, maxWaitMs: 1000 }, /^Invalid MaxWaitTimeInSeconds/],
    ['a variable with =', { environmentVariables: { 'A=B': '1' } }, /invalid environment variable 'A=B'/],
    ['checkpoints outside', { checkpoints: { bucket: 'team', prefix: '', path: '/tmp/c' } }, /path '\/tmp\/c' is not below \/opt\/ml/],
    ['checkpoints in the model', { checkpoints: { bucket: 'team', prefix: '', path: '/opt/ml/model' } }, /has another use/],
  ];
  for (const [what, more, message] of rows) {
    test(`rejects ${what}`, () => assert.throws(() => checkTrainingSpec({ ...spec, ...more }), { code: 'invalid_request', message }));
  }
});
