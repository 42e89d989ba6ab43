/** Requests as the SageMaker SDKs send them (test/aws/training-requests.jsonl), and what is rejected of others. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { priceTable } from '../../../costs/index.ts';
import { imageEntries, resolveTrainingImage } from '../../../registry/index.ts';
import { checkTrainingSpec, type TrainingSpec, trainingDefaults } from '../../../training/index.ts';
import type { AwsInput } from '../../service.ts';
import { createdSpecOf, trainingMembersOf } from './training-spec.ts';

interface CapturedRequest {
  readonly client: string;
  readonly operation: string;
  readonly input: AwsInput & { readonly HyperParameters?: Readonly<Record<string, string>> };
  readonly made_by: string;
}

const awsLocation = { account: '000000000000', region: 'us-east-1' };
const images = imageEntries([{ match: 'acme/trainer', runtime: 'process', command: ['loop'], env: { MODE: 'fast' } }]);
const deps = { prices: priceTable(null), imageOf: (image: string) => resolveTrainingImage(images, image) };
const specOf = (input: AwsInput, tags: Readonly<Record<string, string>> = {}): TrainingSpec => {
  const spec = createdSpecOf(input, tags, awsLocation, deps);
  checkTrainingSpec(spec);
  return spec;
};

const captured = readFileSync(join(import.meta.dirname, '../../../../test/aws/training-requests.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as CapturedRequest)
  .filter(({ operation }) => operation === 'CreateTrainingJob');
const [sklearn, pytorch, estimator, trainer] = captured as [CapturedRequest, CapturedRequest, CapturedRequest, CapturedRequest];

const channel = (bucket: string, name = 'train', prefix = 'x/') => ({
  name,
  source: { kind: 's3', bucket, prefix },
  isGzip: false,
  contentType: null,
  shuffleSeed: null,
  recordWrapper: 'None',
  distribution: 'FullyReplicated',
});

describe('a captured request becomes a spec:', () => {
  test('SKLearn.fit of SDK 2', () => {
    assert.deepEqual(specOf(sklearn.input), {
      ...trainingDefaults,
      name: 'sagemaker-scikit-learn-2026-11-28-15-40-45-770',
      environment: 'sklearn',
      hyperparameters: sklearn.input.HyperParameters,
      channels: [channel('cap2-b')],
      output: { bucket: 'cap2-b', prefix: '', isPacked: true },
      instanceType: 'ml.m5.large',
      metrics: [{ name: 'acc', regex: 'acc=([0-9.]+)' }],
      image: '683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3',
    });
  });

  test('PyTorch.fit of SDK 2, as a spot job with checkpoints', () => {
    const { environment, isSpot, maxRuntimeMs, maxWaitMs, checkpoints, command } = specOf(pytorch.input);
    assert.deepEqual([environment, isSpot, maxRuntimeMs, maxWaitMs, command], ['pytorch', true, 3_600_000, 7_200_000, null]);
    assert.deepEqual(checkpoints, { bucket: 'cap2-b', prefix: 'ck', path: '/opt/ml/checkpoints' });
  });

  test('Estimator.fit of SDK 2 without anything to run is rejected', () => {
    assert.throws(() => specOf(estimator.input), { code: 'ValidationException', message: /^nothing to run: expected ContainerEntrypoint/ });
    const HyperParameters = { ...estimator.input.HyperParameters, sagemaker_program: 'train.py' };
    assert.deepEqual(specOf({ ...estimator.input, HyperParameters }).environment, 'python');
  });

  test('ModelTrainer.train of SDK 3', () => {
    const { channels, command, output, environment } = specOf(trainer.input);
    const run = '/opt/ml/input/data/sm_drivers/sm_train.sh';
    assert.deepEqual(command, ['/bin/bash', '-c', `chmod +x ${run} && ${run}`]);
    const folder = 't/t-20261128155325/input';
    assert.deepEqual(channels, [
      channel('cap3-b'),
      channel('cap3-b', 'code', `${folder}/code`),
      channel('cap3-b', 'sm_drivers', `${folder}/sm_drivers`),
    ]);
    assert.deepEqual([output, environment], [{ bucket: 'cap3-b', prefix: 't', isPacked: true }, 'sklearn']);
  });

  for (const { input, client, made_by: maker } of captured.filter(({ input }) => input !== estimator.input)) {
    test(`${client} ${maker.slice(0, 30)}: its members are derived again from the spec`, () => {
      const spec = specOf(input);
      const again = specOf({ TrainingJobName: spec.name, RoleArn: 'r', ...trainingMembersOf(spec, awsLocation) });
      assert.deepEqual(again, spec);
    });
  }
});

const base: AwsInput = {
  ...sklearn.input,
  AlgorithmSpecification: { TrainingImage: 'penstock/python', TrainingInputMode: 'File' },
  HyperParameters: { sagemaker_program: 'train.py' },
};
const algorithm = (more: object) => ({ AlgorithmSpecification: { TrainingImage: 'penstock/python', TrainingInputMode: 'File', ...more } });
const resources = (more: object) => ({ ResourceConfig: { InstanceType: 'ml.m5.large', InstanceCount: 1, VolumeSizeInGB: 30, ...more } });
const data = (DataSource: object, more: object = {}) => ({ InputDataConfig: [{ ChannelName: 'train', DataSource, ...more }] });
const s3 = (more: object = {}) => ({ S3DataSource: { S3DataType: 'S3Prefix', S3Uri: 's3://data/x/', ...more } });

describe('settings of a request', () => {
  for (const [what, members, expected] of [
    [
      'the entrypoint comes first',
      algorithm({ ContainerEntrypoint: ['sh'], ContainerArguments: ['-c', 'x'] }),
      { command: ['sh', '-c', 'x'] },
    ],
    ['then script mode', algorithm({ TrainingImage: 'acme/trainer' }), { command: null, environmentVariables: { MODE: 'fast' } }],
    [
      "then the image's program",
      { HyperParameters: {}, ...algorithm({ TrainingImage: 'acme/trainer:2' }) },
      { command: ['loop', 'train'], environment: null },
    ],
    [
      'gzip, manifest, shuffle and type of a channel',
      data(s3({ S3DataType: 'ManifestFile' }), { CompressionType: 'Gzip', ContentType: 'text/csv', ShuffleConfig: { Seed: 7 } }),
      {
        channels: [
          {
            ...channel('data'),
            source: { kind: 's3', bucket: 'data', prefix: 'x/', isManifest: true },
            isGzip: true,
            contentType: 'text/csv',
            shuffleSeed: 7,
          },
        ],
      },
    ],
    [
      'files one by one',
      { OutputDataConfig: { S3OutputPath: 's3://out/o//', CompressionType: 'NONE' } },
      { output: { bucket: 'out', prefix: 'o', isPacked: false } },
    ],
    [
      'the variables of the request win',
      { Environment: { MODE: 'slow' }, ...algorithm({ TrainingImage: 'acme/trainer' }) },
      { environmentVariables: { MODE: 'slow' } },
    ],
    ['retries', { RetryStrategy: { MaximumRetryAttempts: 5 } }, { retries: 5 }],
    ['no network', { EnableNetworkIsolation: true }, { isIsolated: true }],
    ['FastFile is File', algorithm({ TrainingInputMode: 'FastFile' }), { environment: 'python' }],
    [
      'the model group',
      { ModelPackageConfig: { ModelPackageGroupArn: 'arn:aws:sagemaker:us-east-1:000000000000:model-package-group/digits' } },
      { group: 'digits' },
    ],
  ] as const) {
    test(what, () => {
      const spec = specOf({ ...base, ...members });
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, spec[name as keyof TrainingSpec]])), expected);
    });
  }

  test('the model group of a tag', () => assert.equal(specOf(base, { 'penstock:group': 'digits' }).group, 'digits'));

  test('are optional where AWS has a default', () => {
    const { StoppingCondition: _limit, InputDataConfig: _data, ...members } = base;
    const { maxRuntimeMs, channels, maxWaitMs } = specOf(members);
    assert.deepEqual([maxRuntimeMs, channels, maxWaitMs], [86_400_000, [], null]);
  });
});

describe('a request is rejected, by the name of what is not served:', () => {
  for (const [members, message] of [
    [algorithm({ TrainingInputMode: 'Pipe' }), 'TrainingInputMode Pipe is not supported here: use File, or FastFile, which is File here.'],
    [data(s3(), { InputMode: 'Pipe' }), 'TrainingInputMode Pipe is not supported here: use File, or FastFile, which is File here.'],
    [resources({ InstanceCount: 2 }), 'InstanceCount 2 is not supported here: a job runs on one instance; choose a larger InstanceType.'],
    [resources({ InstanceGroups: [{}] }), /^InstanceGroups is not supported here: /],
    [resources({ TrainingPlanArn: 'arn' }), /^TrainingPlanArn is not supported here: /],
    [resources({ InstanceType: undefined }), /^ResourceConfig.InstanceType is required/],
    [resources({ InstanceType: 'large' }), /^InstanceType 'large' is invalid: expected ml/],
    [algorithm({ AlgorithmName: 'xgboost' }), /^AlgorithmSpecification.AlgorithmName is not supported here: /],
    [algorithm({ TrainingImage: undefined }), /^AlgorithmSpecification.TrainingImage is required/],
    [algorithm({ TrainingImage: 'acme/none' }), /^image 'acme\/none' is not in the images table/],
    [algorithm({ TrainingImageConfig: { TrainingRepositoryAccessMode: 'Vpc' } }), /Vpc is not supported here/],
    [{ AlgorithmSpecification: undefined }, /^AlgorithmSpecification is required/],
    [{ ServerlessJobConfig: {} }, /^ServerlessJobConfig is not supported here: /],
    [{ MlflowConfig: {} }, /^MlflowConfig is not supported here: /],
    [{ DebugRuleConfigurations: [{}] }, /^DebugRuleConfigurations is not supported here: /],
    [{ ProfilerRuleConfigurations: [{}] }, /^ProfilerRuleConfigurations is not supported here: /],
    [{ RemoteDebugConfig: { EnableRemoteDebug: true } }, /^RemoteDebugConfig is not supported here: /],
    [data({ FileSystemDataSource: {} }), /^FileSystemDataSource of channel 'train' is not supported here: copy the data to S3\.$/],
    [data({ DatasetSource: {} }), /^DatasetSource of channel 'train' is not supported here/],
    [data({}), /^channel 'train' has no data source: expected S3DataSource$/],
    [data(s3({ S3DataType: 'AugmentedManifestFile' })), /^S3DataType AugmentedManifestFile of channel 'train' is not supported here/],
    [data(s3({ S3Uri: 'https://b/x' })), /^S3Uri of channel 'train' 'https:\/\/b\/x' is invalid: expected s3:\/\/BUCKET\/PREFIX$/],
    [{ OutputDataConfig: { S3OutputPath: '/tmp/out' } }, /^OutputDataConfig.S3OutputPath '\/tmp\/out' is invalid/],
    [{ CheckpointConfig: { S3Uri: 's3://' } }, /^CheckpointConfig.S3Uri 's3:\/\/' is invalid/],
    [{ ModelPackageConfig: { ModelPackageGroupArn: 'arn:aws:iam::1:role/x' } }, /is not a model-package-group of this account and region/],
    [
      { EnableManagedSpotTraining: true },
      'Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds',
    ],
    [
      { EnableManagedSpotTraining: true, StoppingCondition: { MaxRuntimeInSeconds: 100, MaxWaitTimeInSeconds: 99 } },
      'Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds',
    ],
  ] as const) {
    test(JSON.stringify(members), () => {
      assert.throws(
        () => specOf({ ...base, ...members }),
        (error: Error & { code?: string }) => {
          assert.match(error.code ?? '', /^(?:ValidationException|invalid_request)$/);
          if (typeof message === 'string') assert.equal(error.message, message);
          else assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  test('what changes nothing is accepted', () => {
    const members = {
      DebugHookConfig: { S3OutputPath: 's3://b/' },
      ProfilerConfig: { DisableProfiler: false },
      VpcConfig: { Subnets: ['s'], SecurityGroupIds: ['g'] },
      ExperimentConfig: { ExperimentName: 'e' },
      InfraCheckConfig: { EnableInfraCheck: true },
      RemoteDebugConfig: { EnableRemoteDebug: false },
      DebugRuleConfigurations: [],
    };
    assert.deepEqual(specOf({ ...base, ...members }), specOf(base));
  });
});
