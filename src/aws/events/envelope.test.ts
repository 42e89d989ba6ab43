import assert from 'node:assert/strict';
import { test } from 'node:test';
import { envelopesOf, type Things } from './envelope.ts';

const place = { account: '000000000000', region: 'us-east-1' };
const atMs = Date.UTC(2026, 10, 24);
const summary = { VariantName: 'AllTraffic', CurrentWeight: 1, DesiredWeight: 1, CurrentInstanceCount: 1, DesiredInstanceCount: 2 };
const things: Things = {
  describe: async (operation, name) => {
    if (name === 'gone') return null;
    if (operation === 'DescribeModel')
      return { ModelName: name, PrimaryContainer: { Image: 'penstock/onnx:1', Environment: { KEY: 'secret' } }, CreationTime: new Date(1) };
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

async function told(kind: string, detail: unknown = {}, subject = 'digits') {
  return envelopesOf({ seq: 1, id: 'e1', kind, subject, detail, atMs }, place, things);
}

async function firstDetail(kind: string, detail: unknown): Promise<Record<string, unknown>> {
  return (await told(kind, detail))[0]?.detail as Record<string, unknown>;
}

for (const { kind, detail, status, failure } of [
  { kind: 'endpoint.updating', detail: { reason: 'requests under way are being finished' }, status: 'UPDATING', failure: undefined },
  { kind: 'endpoint.failed', detail: { reason: 'its workers crash' }, status: 'FAILED', failure: 'its workers crash' },
  { kind: 'endpoint.rolling-back', detail: { reason: 'alarm slow rings' }, status: 'ROLLING_BACK', failure: 'alarm slow rings' },
  { kind: 'endpoint.in-service', detail: { reason: null }, status: 'IN_SERVICE', failure: 'alarm slow rang' },
]) {
  test(`${kind} tells ${failure === undefined ? 'of no failure, for it is none' : 'why'}`, async () => {
    const { EndpointStatus, FailureReason } = await firstDetail(kind, detail);
    assert.deepEqual([EndpointStatus, FailureReason], [status, failure]);
  });
}

for (const { state, failure } of [
  { state: 'Stopped', failure: undefined },
  { state: 'Failed', failure: 'line 3 is no number' },
]) {
  test(`a transform job that is ${state} tells ${failure === undefined ? 'of no failure' : 'why'}`, async () => {
    const { TransformJobStatus, FailureReason, ModelName } = await firstDetail('transform.ended', { state, reason: 'line 3 is no number' });
    assert.deepEqual([TransformJobStatus, FailureReason, ModelName], [state, failure, 'digits-mlp']);
  });
}

test('an endpoint is told of as it is described, with its tags, and its deployment with what is pending', async () => {
  const [state, deployment] = await told('endpoint.updating');
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
  assert.deepEqual(await told('endpoint.updating'), [state, deployment]);
});

test('a step of a deployment and a rollback are changes of it at the status that the endpoint has', async () => {
  for (const kind of ['endpoint.traffic-shifted', 'endpoint.rolled-back']) {
    const [own, deployment] = await told(kind, { share: 0.2 });
    assert.deepEqual([own?.source, own?.['detail-type']], ['penstock', kind]);
    const { EndpointStatus } = (deployment?.detail ?? {}) as { EndpointStatus?: string };
    assert.equal(EndpointStatus, 'ROLLING_BACK');
  }
});

test('an endpoint that is gone is told of by its name', async () => {
  const [state, ...others] = await told('endpoint.deleted', {}, 'gone');
  const EndpointArn = 'arn:aws:sagemaker:us-east-1:000000000000:endpoint/gone';
  assert.deepEqual(state?.detail, { EndpointName: 'gone', EndpointArn, EndpointStatus: 'DELETED', LastModifiedTime: atMs, Tags: {} });
  assert.deepEqual(others, []);
});

test('a Model is told of when it is made and when it is deleted, without its environment', async () => {
  const [made] = await told('model.created');
  const ModelArn = 'arn:aws:sagemaker:us-east-1:000000000000:model/digits';
  assert.deepEqual([made?.['detail-type'], made?.resources], ['SageMaker Model State Change', [ModelArn]]);
  assert.deepEqual(made?.detail, {
    ModelName: 'digits',
    ModelArn,
    PrimaryContainer: { Image: 'penstock/onnx:1' },
    CreationTime: 1,
    Tags: { team: 'vision' },
  });
  const [deleted] = await told('model.deleted', {}, 'gone');
  assert.deepEqual(deleted?.detail, { ModelName: 'gone', ModelArn: ModelArn.replace('digits', 'gone'), Tags: {} });
});

for (const { kind, detail, status } of [
  { kind: 'version.registered', detail: { approval: 'PendingManualApproval' }, status: 'PendingManualApproval' },
  { kind: 'version.registered', detail: { approval: 'Approved' }, status: 'Approved' },
  { kind: 'version.registered', detail: {}, status: 'PendingManualApproval' }, // of a server of before
  { kind: 'version.approved', detail: { from: 'PendingManualApproval', to: 'Approved' }, status: 'Approved' },
  { kind: 'version.rejected', detail: { from: 'Approved', to: 'Rejected' }, status: 'Rejected' },
]) {
  test(`${kind} with ${JSON.stringify(detail)} tells of a package that is ${status}`, async () => {
    const [package_, ...others] = await told(kind, detail, 'digits/3');
    const { ModelApprovalStatus, ModelPackageVersion } = (package_?.detail ?? {}) as Record<string, unknown>;
    assert.deepEqual([ModelApprovalStatus, ModelPackageVersion, others], [status, 3, []]);
  });
}

test('a decision that came with its registration is no change of its own', async () => {
  const detail = { from: 'PendingManualApproval', to: 'Approved', note: null, withRegistration: true };
  assert.deepEqual(await told('version.approved', detail, 'digits/3'), []);
});
