import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type TrainingJob, trainingDefaults } from '../../../training/index.ts';
import { describeTraining, searchedTraining, summarizeTraining } from './training-description.ts';

const awsLocation = { account: '000000000000', region: 'us-east-1' };
const at = (seconds: number): number => Date.UTC(2026, 10, 28, 15, 50, seconds);
const document = {
  TrainingJobName: 'Digits-7',
  HyperParameters: { C: '0.5', sagemaker_program: '"train.py"' },
  AlgorithmSpecification: {
    TrainingImage: '683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3',
    TrainingInputMode: 'File',
    MetricDefinitions: [{ Name: 'accuracy', Regex: 'validation-accuracy=([0-9.]+)' }],
  },
  RoleArn: 'arn:aws:iam::000000000000:role/any',
  OutputDataConfig: { S3OutputPath: 's3://team/out' },
  ResourceConfig: { InstanceType: 'ml.m5.large', InstanceCount: 1, VolumeSizeInGB: 30 },
  StoppingCondition: { MaxRuntimeInSeconds: 86400 },
  DebugHookConfig: { S3OutputPath: 's3://team/', CollectionConfigurations: [] },
};
const completed: TrainingJob = {
  spec: {
    ...trainingDefaults,
    name: 'Digits-7',
    environment: 'sklearn',
    hyperparameters: document.HyperParameters,
    output: { bucket: 'team', prefix: 'out', isPacked: true },
    metrics: [{ name: 'accuracy', regex: 'validation-accuracy=([0-9.]+)' }],
    instanceType: 'local.2',
    image: document.AlgorithmSpecification.TrainingImage,
  },
  status: 'Completed',
  secondaryStatus: 'Completed',
  transitions: [
    { status: 'Starting', startedAtMs: at(2), endedAtMs: at(3), message: 'Preparing the instances for training' },
    { status: 'Completed', startedAtMs: at(9), endedAtMs: at(9), message: 'Training job completed' },
  ],
  attempt: 1,
  host: null,
  placedBecause: null,
  exitMessage: null,
  createdAtMs: at(2),
  updatedAtMs: at(9),
  startedAtMs: at(3),
  endedAtMs: at(9),
  failureReason: null,
  metrics: [{ name: 'accuracy', value: 0.9533, atMs: at(8) }],
  artifactUri: 's3://team/out/Digits-7/output/model.tar.gz',
  usage: { seconds: 7, billableSeconds: 7, usd: 0.0004, peakMiB: 100 },
  version: 'Digits/7',
  notes: [],
  data: {},
  document,
  createdBy: 'AKIA',
};
const started: TrainingJob = {
  ...completed,
  status: 'InProgress',
  secondaryStatus: 'Starting',
  transitions: [{ status: 'Starting', startedAtMs: at(2), endedAtMs: null, message: 'Starting the training job' }],
  updatedAtMs: at(2),
  startedAtMs: null,
  endedAtMs: null,
  metrics: [],
  artifactUri: null,
  usage: null,
  version: null,
};
const arn = 'arn:aws:sagemaker:us-east-1:000000000000:training-job/digits-7';

const heading = { TrainingJobName: 'Digits-7', TrainingJobArn: arn };
const lasting = {
  ...heading,
  HyperParameters: document.HyperParameters,
  AlgorithmSpecification: { ...document.AlgorithmSpecification, EnableSageMakerMetricsTimeSeries: false },
  RoleArn: document.RoleArn,
  OutputDataConfig: { S3OutputPath: 's3://team/out', KmsKeyId: '', CompressionType: 'GZIP' },
  ResourceConfig: document.ResourceConfig,
  StoppingCondition: document.StoppingCondition,
  DebugHookConfig: document.DebugHookConfig,
  EnableNetworkIsolation: false,
  EnableInterContainerTrafficEncryption: false,
  EnableManagedSpotTraining: false,
  ProfilingStatus: 'Disabled',
};

describe('a training job is described', () => {
  test('when it is completed', () => {
    assert.deepEqual(describeTraining(awsLocation, completed), {
      ...lasting,
      TrainingJobStatus: 'Completed',
      SecondaryStatus: 'Completed',
      ModelArtifacts: { S3ModelArtifacts: 's3://team/out/Digits-7/output/model.tar.gz' },
      CreationTime: new Date(at(2)),
      TrainingStartTime: new Date(at(3)),
      TrainingEndTime: new Date(at(9)),
      LastModifiedTime: new Date(at(9)),
      SecondaryStatusTransitions: [
        {
          Status: 'Starting',
          StartTime: new Date(at(2)),
          EndTime: new Date(at(3)),
          StatusMessage: 'Preparing the instances for training',
        },
        { Status: 'Completed', StartTime: new Date(at(9)), EndTime: new Date(at(9)), StatusMessage: 'Training job completed' },
      ],
      FinalMetricDataList: [{ MetricName: 'accuracy', Value: 0.9533, Timestamp: new Date(at(8)) }],
      TrainingTimeInSeconds: 7,
      BillableTimeInSeconds: 7,
      OutputModelPackageArn: 'arn:aws:sagemaker:us-east-1:000000000000:model-package/digits/7',
    });
  });

  test('when it has just started, without members that have no value yet', () => {
    assert.deepEqual(describeTraining(awsLocation, started), {
      ...lasting,
      TrainingJobStatus: 'InProgress',
      SecondaryStatus: 'Starting',
      CreationTime: new Date(at(2)),
      LastModifiedTime: new Date(at(2)),
      SecondaryStatusTransitions: [{ Status: 'Starting', StartTime: new Date(at(2)), StatusMessage: 'Starting the training job' }],
    });
  });

  test('when it has failed', () => {
    const failed = { ...completed, status: 'Failed', secondaryStatus: 'Failed', failureReason: 'AlgorithmError: x, exit code: 1' } as const;
    const { FailureReason, TrainingJobStatus } = describeTraining(awsLocation, failed);
    assert.deepEqual([TrainingJobStatus, FailureReason], ['Failed', 'AlgorithmError: x, exit code: 1']);
  });

  test('with a warm pool only if it asked for one', () => {
    const ResourceConfig = { ...document.ResourceConfig, KeepAlivePeriodInSeconds: 600 };
    const { WarmPoolStatus } = describeTraining(awsLocation, { ...completed, document: { ...document, ResourceConfig } });
    assert.deepEqual(WarmPoolStatus, { Status: 'Terminated', ResourceRetainedBillableTimeInSeconds: 0 });
  });

  test('when another API created it, with members derived from its spec', () => {
    const spec = { ...completed.spec, image: null, isSpot: true, group: 'Digits', maxRuntimeMs: 3600_000, maxWaitMs: 7200_000 };
    const described = describeTraining(awsLocation, { ...completed, spec, document: null });
    assert.deepEqual(described['AlgorithmSpecification'], {
      EnableSageMakerMetricsTimeSeries: false,
      TrainingImage: 'penstock/python:sklearn',
      TrainingInputMode: 'File',
      MetricDefinitions: document.AlgorithmSpecification.MetricDefinitions,
    });
    assert.deepEqual(described['StoppingCondition'], { MaxRuntimeInSeconds: 3600, MaxWaitTimeInSeconds: 7200 });
    assert.equal(described['EnableManagedSpotTraining'], true);
    const group = 'arn:aws:sagemaker:us-east-1:000000000000:model-package-group/digits';
    assert.deepEqual(described['ModelPackageConfig'], { ModelPackageGroupArn: group });
  });

  test('never with null or undefined', () => {
    for (const job of [completed, started, { ...started, document: null }]) {
      for (const output of [describeTraining(awsLocation, job), summarizeTraining(awsLocation, job), searchedTraining(awsLocation, job)])
        assert.deepEqual(
          Object.entries(output).filter(([, value]) => value === null || value === undefined),
          [],
        );
    }
  });
});

test('a summary has its times and statuses', () => {
  assert.deepEqual(summarizeTraining(awsLocation, completed), {
    ...heading,
    CreationTime: new Date(at(2)),
    TrainingEndTime: new Date(at(9)),
    LastModifiedTime: new Date(at(9)),
    TrainingJobStatus: 'Completed',
    SecondaryStatus: 'Completed',
  });
});
