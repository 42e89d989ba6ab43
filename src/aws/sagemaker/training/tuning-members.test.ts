/** The request as HyperparameterTuner of SDK 2.257 sends it (test/aws/training-requests.jsonl), and the members that are rejected. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { priceTable } from '../../../costs/index.ts';
import { imageEntries, resolveTrainingImage } from '../../../registry/index.ts';
import { checkTuningSpec, type TuningJob } from '../../../training/index.ts';
import type { AwsInput } from '../../service.ts';
import { createdTuningMembers, describeTuning, tuningSpecOf } from './tuning-members.ts';

const awsLocation = { account: '000000000000', region: 'us-east-1' };
const deps = { prices: priceTable(null), imageOf: (image: string) => resolveTrainingImage(imageEntries([]), image) };
const captured = readFileSync(join(import.meta.dirname, '../../../../test/aws/training-requests.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { readonly operation: string; readonly input: AwsInput })
  .find(({ operation }) => operation === 'CreateHyperParameterTuningJob');
const input = captured?.input as AwsInput & {
  readonly HyperParameterTuningJobConfig: Readonly<Record<string, unknown>>;
  readonly TrainingJobDefinition: Readonly<Record<string, unknown>>;
};

const jobOf = (document: AwsInput | null): TuningJob => {
  const { spec } = tuningSpecOf(input, awsLocation, deps);
  const counts = { completed: 0, inProgress: 0, failed: 0, stopped: 0, judged: 0, unjudged: 0 };
  const times = { createdAtMs: 1000, updatedAtMs: 1000, endedAtMs: null };
  return { spec: { ...spec, seed: 7 }, status: 'InProgress', reason: null, counts, best: null, document, createdBy: 'AKIA', ...times };
};

describe('a tuning job by HyperparameterTuner of SDK 2', () => {
  test('becomes a spec', () => {
    const { spec, trainingDocument } = tuningSpecOf(input, awsLocation, deps);
    const { training, ...rest } = spec;
    checkTuningSpec({ ...spec, seed: 0 });
    assert.deepEqual(rest, {
      name: 'sagemaker-scikit-lea-261128-1540',
      strategy: 'Bayesian',
      goal: 'Maximize',
      metric: 'acc',
      ranges: [{ kind: 'continuous', name: 'lr', min: 0.01, max: 1, scaling: 'Auto' }],
      maxJobs: 4,
      maxParallel: 2,
      maxRuntimeMs: null,
      stopsEarly: false,
      resources: { min: 1, max: 27 },
      target: null,
      notImprovingMax: null,
      seed: null,
    });
    assert.deepEqual([training.environment, training.instanceType, training.volumeGb], ['sklearn', 'ml.m5.large', 30]);
    assert.equal(training.hyperparameters['sagemaker_program'], '"train.py"');
    const arn = 'arn:aws:sagemaker:us-east-1:000000000000:hyper-parameter-tuning-job/sagemaker-scikit-lea-261128-1540';
    assert.equal(trainingDocument['TuningJobArn'], arn);
    assert.deepEqual(trainingDocument['ResourceConfig'], { InstanceType: 'ml.m5.large', InstanceCount: 1, VolumeSizeInGB: 30 });
  });

  test('is described as it was created, also if another API created it', () => {
    const described = describeTuning(awsLocation, jobOf(input));
    assert.deepEqual(described['HyperParameterTuningJobConfig'], input.HyperParameterTuningJobConfig);
    const fixed = { ...(input.TrainingJobDefinition['StaticHyperParameters'] as object), _tuning_objective_metric: 'acc' };
    // The members that SDKs read.
    const ResourceConfig = { InstanceType: 'ml.m5.large', InstanceCount: 1, VolumeSizeInGB: 30 };
    assert.deepEqual(described['TrainingJobDefinition'], { ...input.TrainingJobDefinition, ResourceConfig, StaticHyperParameters: fixed });
    const derived = createdTuningMembers(jobOf(null), awsLocation)['HyperParameterTuningJobConfig'] as Readonly<Record<string, unknown>>;
    assert.deepEqual(derived, { ...input.HyperParameterTuningJobConfig, RandomSeed: 7, ParameterRanges: derived['ParameterRanges'] });
    assert.deepEqual(derived['ParameterRanges'], input.HyperParameterTuningJobConfig['ParameterRanges']);
  });
});

describe('rejects', () => {
  const config = (more: AwsInput): AwsInput => ({ HyperParameterTuningJobConfig: { ...input.HyperParameterTuningJobConfig, ...more } });
  const definition = (more: AwsInput): AwsInput => ({ TrainingJobDefinition: { ...input.TrainingJobDefinition, ...more } });
  for (const [more, message] of [
    [{ WarmStartConfig: {} }, 'WarmStartConfig is not supported here: start without it.'],
    [{ TrainingJobDefinitions: [{}] }, 'TrainingJobDefinitions is not supported here: name one TrainingJobDefinition.'],
    [{ Autotune: { Mode: 'Enabled' } }, 'Autotune is not supported here: name the ParameterRanges.'],
    [config({ ParameterRanges: { AutoParameters: [] } }), 'AutoParameters is not supported here: name their ranges.'],
    [
      config({ TuningJobCompletionCriteria: { ConvergenceDetected: { CompleteOnConvergence: 'Enabled' } } }),
      'ConvergenceDetected is not supported here: use BestObjectiveNotImproving.',
    ],
    [definition({ TuningObjective: {} }), 'TuningObjective is not supported here: use HyperParameterTuningJobObjective.'],
    [
      definition({ HyperParameterTuningResourceConfig: { InstanceConfigs: [] } }),
      'InstanceConfigs is not supported here: name one InstanceType with InstanceCount 1.',
    ],
    [
      config({ ResourceLimits: { MaxParallelTrainingJobs: 1 } }),
      'ResourceLimits.MaxNumberOfTrainingJobs is required: expected a number of training jobs',
    ],
    [
      config({ ParameterRanges: { IntegerParameterRanges: [{ Name: 'n', MinValue: '', MaxValue: '3' }] } }),
      "ParameterRanges: 'n' has the bound '': expected a number",
    ],
  ] as const) {
    test(message, () => {
      assert.throws(() => tuningSpecOf({ ...input, ...more }, awsLocation, deps), { code: 'ValidationException', message });
    });
  }
});
