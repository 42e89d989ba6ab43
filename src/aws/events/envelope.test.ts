import assert from 'node:assert/strict';
import { test } from 'node:test';
import { envelopesOf } from './envelope.ts';
import type { ResourceReader } from './resource-reader.ts';

const place = { account: '000000000000', region: 'us-east-1' };
const atMs = Date.UTC(2026, 10, 24);
const summary = { VariantName: 'AllTraffic', CurrentWeight: 1, DesiredWeight: 1, CurrentInstanceCount: 1, DesiredInstanceCount: 2 };
const resources: ResourceReader = {
  describe: async (operation, name) => {
    if (name === 'gone') return null;
    if (operation === 'DescribeModel')
      return { ModelName: name, PrimaryContainer: { Image: 'penstock/onnx:1', Environment: { KEY: 'secret' } }, CreationTime: new Date(1) };
    if (operation === 'DescribeTrainingJob') {
      const now = { SecondaryStatusTransitions: ['later'], ModelArtifacts: { S3ModelArtifacts: 's3://later' }, FailureReason: 'later' };
      const lasting = { HyperParameters: { C: '1' }, Environment: { KEY: 'secret' }, CreationTime: new Date(1) };
      return { TrainingJobStatus: 'Completed', SecondaryStatus: 'Completed', TrainingEndTime: new Date(9), ...now, ...lasting };
    }
    if (operation === 'DescribeTransformJob') return { ModelName: 'digits-mlp', CreationTime: new Date(1) };
    return {
      EndpointName: name,
      EndpointConfigName: 'digits-2',
      EndpointStatus: 'RollingBack',
      FailureReason: 'alarm slow rang',
      ProductionVariants: [summary],
      CreationTime: new Date(atMs - 1000),
      PendingDeploymentSummary: { EndpointConfigName: 'digits-3', StartTime: new Date(atMs - 10) },
    };
  },
  tagsOf: async (arn) => (arn.includes('gone') ? {} : { team: 'vision' }),
};

async function reported(kind: string, detail: unknown = {}, subject = 'digits') {
  return envelopesOf({ seq: 1, id: 'e1', kind, subject, detail, atMs }, place, resources);
}

async function firstDetail(kind: string, detail: unknown): Promise<Record<string, unknown>> {
  return (await reported(kind, detail))[0]?.detail as Record<string, unknown>;
}

for (const { kind, detail, status, failure } of [
  { kind: 'endpoint.updating', detail: { reason: 'finishing requests in flight' }, status: 'UPDATING', failure: undefined },
  { kind: 'endpoint.failed', detail: { reason: 'its workers crash' }, status: 'FAILED', failure: 'its workers crash' },
  { kind: 'endpoint.rolling-back', detail: { reason: 'alarm slow rings' }, status: 'ROLLING_BACK', failure: 'alarm slow rings' },
  { kind: 'endpoint.in-service', detail: { reason: null }, status: 'IN_SERVICE', failure: 'alarm slow rang' },
]) {
  test(`${kind} has ${failure === undefined ? 'no failure reason' : 'a failure reason'}`, async () => {
    const { EndpointStatus, FailureReason } = await firstDetail(kind, detail);
    assert.deepEqual([EndpointStatus, FailureReason], [status, failure]);
  });
}

for (const { state, failure } of [
  { state: 'Stopped', failure: undefined },
  { state: 'Failed', failure: 'line 3 is not a number' },
]) {
  test(`a transform job that is ${state} has ${failure === undefined ? 'no failure reason' : 'a failure reason'}`, async () => {
    const { TransformJobStatus, FailureReason, ModelName } = await firstDetail('transform.ended', {
      state,
      reason: 'line 3 is not a number',
    });
    assert.deepEqual([TransformJobStatus, FailureReason, ModelName], [state, failure, 'digits-mlp']);
  });
}

test('endpoint events contain the description and tags, deployment events also the pending deployment', async () => {
  const [state, deployment] = await reported('endpoint.updating');
  const common = {
    EndpointName: 'digits',
    EndpointArn: 'arn:aws:sagemaker:us-east-1:000000000000:endpoint/digits',
    EndpointConfigName: 'digits-2',
    ProductionVariants: [summary],
    EndpointStatus: 'UPDATING',
    CreationTime: atMs - 1000,
    LastModifiedTime: atMs,
    Tags: { team: 'vision' },
  };
  assert.deepEqual([state?.['detail-type'], state?.detail], ['SageMaker Endpoint State Change', common]);
  assert.deepEqual(
    [deployment?.['detail-type'], deployment?.detail],
    [
      'SageMaker Endpoint Deployment State Change',
      { ...common, PendingDeploymentSummary: { EndpointConfigName: 'digits-3', StartTime: atMs - 10 } },
    ],
  );
  assert.equal(state?.id, 'e1');
  assert.match(deployment?.id ?? '', /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
  assert.deepEqual(await reported('endpoint.updating'), [state, deployment]);
});

test("deployment steps and rollbacks are state changes with the endpoint's current status", async () => {
  for (const kind of ['endpoint.traffic-shifted', 'endpoint.rolled-back']) {
    const [own, deployment] = await reported(kind, { share: 0.2 });
    assert.deepEqual([own?.source, own?.['detail-type']], ['penstock', kind]);
    const { EndpointStatus } = (deployment?.detail ?? {}) as { EndpointStatus?: string };
    assert.equal(EndpointStatus, 'ROLLING_BACK');
  }
});

test('events of a deleted endpoint contain its name', async () => {
  const [state, ...others] = await reported('endpoint.deleted', {}, 'gone');
  const EndpointArn = 'arn:aws:sagemaker:us-east-1:000000000000:endpoint/gone';
  assert.deepEqual(state?.detail, { EndpointName: 'gone', EndpointArn, EndpointStatus: 'DELETED', LastModifiedTime: atMs, Tags: {} });
  assert.deepEqual(others, []);
});

test('creating and deleting a model publishes an event without its environment', async () => {
  const [made] = await reported('model.created');
  const ModelArn = 'arn:aws:sagemaker:us-east-1:000000000000:model/digits';
  assert.deepEqual([made?.['detail-type'], made?.resources], ['SageMaker Model State Change', [ModelArn]]);
  assert.deepEqual(made?.detail, {
    ModelName: 'digits',
    ModelArn,
    PrimaryContainer: { Image: 'penstock/onnx:1' },
    CreationTime: 1,
    Tags: { team: 'vision' },
  });
  const [deleted] = await reported('model.deleted', {}, 'gone');
  assert.deepEqual(deleted?.detail, { ModelName: 'gone', ModelArn: ModelArn.replace('digits', 'gone'), Tags: {} });
});

for (const { kind, detail, status } of [
  { kind: 'version.registered', detail: { approval: 'PendingManualApproval' }, status: 'PendingManualApproval' },
  { kind: 'version.registered', detail: { approval: 'Approved' }, status: 'Approved' },
  { kind: 'version.registered', detail: {}, status: 'PendingManualApproval' }, // Recorded by an older server.
  { kind: 'version.approved', detail: { from: 'PendingManualApproval', to: 'Approved' }, status: 'Approved' },
  { kind: 'version.rejected', detail: { from: 'Approved', to: 'Rejected' }, status: 'Rejected' },
]) {
  test(`${kind} with ${JSON.stringify(detail)} reports a package that is ${status}`, async () => {
    const [package_, ...others] = await reported(kind, detail, 'digits/3');
    const { ModelApprovalStatus, ModelPackageVersion } = (package_?.detail ?? {}) as Record<string, unknown>;
    assert.deepEqual([ModelApprovalStatus, ModelPackageVersion, others], [status, 3, []]);
  });
}

test('an approval made with the registration is not a separate change', async () => {
  const detail = { from: 'PendingManualApproval', to: 'Approved', note: null, withRegistration: true };
  assert.deepEqual(await reported('version.approved', detail, 'digits/3'), []);
});

const started = { status: 'Starting', startedAtMs: 1, endedAtMs: null, message: 'Starting the training job' };
const starting = {
  status: 'InProgress',
  secondaryStatus: 'Starting',
  startedAtMs: null,
  endedAtMs: null,
  reason: null,
  transitions: [started],
};
const trainingArn = 'arn:aws:sagemaker:us-east-1:000000000000:training-job/digits';

test('a training job is reported as it was at the moment of the event, without its environment', async () => {
  const [envelope] = await reported('training.starting', { ...starting, metrics: [], artifactUri: null });
  assert.equal(envelope?.['detail-type'], 'SageMaker Training Job State Change');
  assert.deepEqual([envelope?.source, envelope?.resources], ['aws.sagemaker', [trainingArn]]);
  assert.deepEqual(envelope?.detail, {
    HyperParameters: { C: '1' },
    CreationTime: 1,
    TrainingJobName: 'digits',
    TrainingJobArn: trainingArn,
    TrainingJobStatus: 'InProgress',
    SecondaryStatus: 'Starting',
    LastModifiedTime: atMs,
    SecondaryStatusTransitions: [{ Status: 'Starting', StartTime: 1, StatusMessage: 'Starting the training job' }],
    Tags: { team: 'vision' },
  });
});

test('a training job that is over is reported with its artifact, its metrics and its reason', async () => {
  const over = { ...starting, status: 'Failed', secondaryStatus: 'Failed', startedAtMs: 2, endedAtMs: 3, reason: 'AlgorithmError: x' };
  const results = { metrics: [{ name: 'accuracy', value: 0.9, atMs: 2 }], artifactUri: 's3://team/model.tar.gz' };
  const detail = await firstDetail('training.failed', { ...over, ...results });
  assert.deepEqual([detail['TrainingStartTime'], detail['TrainingEndTime'], detail['FailureReason']], [2, 3, 'AlgorithmError: x']);
  assert.deepEqual(detail['ModelArtifacts'], { S3ModelArtifacts: 's3://team/model.tar.gz' });
  assert.deepEqual(detail['FinalMetricDataList'], [{ MetricName: 'accuracy', Value: 0.9, Timestamp: 2 }]);
});
