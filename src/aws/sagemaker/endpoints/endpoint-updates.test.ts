import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Aws,
  arn,
  blueGreen,
  capture,
  deployed,
  instances,
  openAws,
  refusal,
  serverless,
} from '../../../../test/aws-endpoint-fixture.ts';
import { settle } from '../../../../test/deployment-fixture.ts';
import { AwsError } from '../../service.ts';
import { checkQuota, instancesMaxOf } from './endpoint-capacities.ts';

describe('waiters', () => {
  test('see a new endpoint at their first poll', async () => {
    const { call, fixture } = await openAws();
    fixture.provider.isPrompt = false;
    await call('CreateEndpointConfig', { EndpointConfigName: 'c', ProductionVariants: [instances] });
    let isCreated = false;
    const creating = call('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' }).then(() => (isCreated = true));
    await settle();
    assert.equal(fixture.deployments.get('prod').status, 'Creating');
    assert(!isCreated);
    const describing = call('DescribeEndpoint', { EndpointName: 'prod' });
    fixture.provider.ready('prod.alltraffic.1.0');
    await creating;
    assert.equal((await describing).EndpointStatus, 'InService');
  });

  test('get the current status after two seconds, or when they disconnect', async () => {
    const { call, fixture } = await openAws();
    fixture.provider.isPrompt = false;
    await call('CreateEndpointConfig', { EndpointConfigName: 'c', ProductionVariants: [instances] });
    const creating = call('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' });
    await settle();
    fixture.clock.advance(2000);
    assert.deepEqual(await creating, { EndpointArn: arn('endpoint/prod') });
    const client = new AbortController();
    const describing = call('DescribeEndpoint', { EndpointName: 'prod' }, client.signal);
    await settle();
    client.abort();
    const { EndpointStatus, ProductionVariants } = await describing;
    assert.equal(EndpointStatus, 'Creating');
    const [{ CurrentInstanceCount, CurrentWeight, VariantStatus }] = ProductionVariants;
    assert.deepEqual([CurrentInstanceCount, CurrentWeight], [0, 0]);
    assert.deepEqual([VariantStatus[0].Status, VariantStatus[0].StatusMessage], ['Creating', 'Launching 1 instance(s).']);
  });

  test('see a time of modification that moves with the status', async () => {
    const { call, fixture } = await openAws();
    fixture.provider.isPrompt = false;
    await call('CreateEndpointConfig', { EndpointConfigName: 'c', ProductionVariants: [instances] });
    const creating = call('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' });
    await settle();
    const createdMs = fixture.clock.wallMs();
    fixture.clock.advance(1500);
    fixture.provider.ready('prod.alltraffic.1.0');
    await creating;
    await settle();
    const inService = fixture.clock.wallMs();
    fixture.clock.advance(60_000);
    const { CreationTime, LastModifiedTime } = await call('DescribeEndpoint', { EndpointName: 'prod' });
    assert.deepEqual([CreationTime, LastModifiedTime], [new Date(createdMs), new Date(inService)]);
    const { Endpoints } = await call('ListEndpoints', { LastModifiedTimeAfter: inService - 1 });
    assert.equal(Endpoints.length, 1);
  });

  test('see why an endpoint failed, which can then be updated', async () => {
    const { call, fixture } = await openAws();
    fixture.provider.isPrompt = false;
    await call('CreateEndpointConfig', { EndpointConfigName: 'c', ProductionVariants: [instances] });
    const creating = call('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' });
    await settle();
    fixture.provider.crash('prod.alltraffic.1.0', { state: 'failed', reason: `exit code 1: ${'no such file '.repeat(200)}` });
    await creating;
    const { EndpointStatus, FailureReason } = await call('DescribeEndpoint', { EndpointName: 'prod' });
    assert.equal(EndpointStatus, 'Failed');
    assert.match(
      FailureReason,
      /^The primary container for production variant AllTraffic did not pass the ping health check\..*exit code 1/,
    );
    assert.equal(FailureReason.length, 1024);
    fixture.provider.isPrompt = true;
    await call('CreateEndpointConfig', { EndpointConfigName: 'd', ProductionVariants: [{ ...instances, ModelName: 'digits-two' }] });
    await call('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'd' });
    await settle();
    assert.equal((await call('DescribeEndpoint', { EndpointName: 'prod' })).EndpointStatus, 'InService');
  });

  test('can delete an endpoint while it is being created', async () => {
    const { call, fixture } = await openAws();
    fixture.provider.isPrompt = false;
    await call('CreateEndpointConfig', { EndpointConfigName: 'c', ProductionVariants: [instances] });
    const creating = call('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' });
    await settle();
    await call('DeleteEndpoint', { EndpointName: 'prod' });
    await creating;
    await assert.rejects(call('DescribeEndpoint', { EndpointName: 'prod' }), refusal(/Could not find endpoint/));
  });

  test('see that an endpoint was deleted', async () => {
    const { call, fixture } = await deployed(await openAws());
    fixture.serving.holdsDrains = true;
    assert.deepEqual(await call('DeleteEndpoint', { EndpointName: 'prod' }), {});
    await settle();
    assert.deepEqual(await call('DeleteEndpoint', { EndpointName: 'prod' }), {});
    const describing = call('DescribeEndpoint', { EndpointName: 'prod' });
    const answer = assert.rejects(describing, refusal(`Could not find endpoint "${arn('endpoint/prod')}".`));
    await settle();
    fixture.serving.holdsDrains = false;
    for (const release of fixture.serving.held.values()) release();
    await answer;
    await assert.rejects(call('DeleteEndpoint', { EndpointName: 'prod' }), refusal(`Could not find endpoint "${arn('endpoint/prod')}".`));
  });
});

describe('an update', () => {
  async function updating(): Promise<Aws> {
    const aws = await deployed(await openAws(), [{ ...instances, InitialInstanceCount: 1 }], { DataCaptureConfig: capture });
    const next = { ...instances, ModelName: 'digits-two', InitialVariantWeight: 2 };
    await aws.call('CreateEndpointConfig', { EndpointConfigName: 'prod-2', ProductionVariants: [next] });
    return aws;
  }

  test('shows the served and the pending config, and blocks other updates', async () => {
    const { call, fixture } = await updating();
    fixture.provider.isPrompt = false;
    await call('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-2' });
    await settle();
    const aborted = AbortSignal.abort();
    const during = await call('DescribeEndpoint', { EndpointName: 'prod' }, aborted);
    assert.deepEqual([during.EndpointStatus, during.EndpointConfigName], ['Updating', 'prod-1']);
    assert.deepEqual([during.ProductionVariants[0].CurrentInstanceCount, during.ProductionVariants[0].CurrentWeight], [1, 1]);
    const { EndpointConfigName, ProductionVariants } = during.PendingDeploymentSummary;
    assert.equal(EndpointConfigName, 'prod-2');
    assert.deepEqual(
      [ProductionVariants[0].CurrentInstanceCount, ProductionVariants[0].DesiredWeight, ProductionVariants[0].InstanceType],
      [0, 2, 'ml.m5.large'],
    );
    for (const [operation, input] of [
      ['UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-1' }],
      ['UpdateEndpointWeightsAndCapacities', { EndpointName: 'prod', DesiredWeightsAndCapacities: [{ VariantName: 'AllTraffic' }] }],
    ] as const) {
      await assert.rejects(call(operation, input), refusal(`Cannot update in-progress endpoint "${arn('endpoint/prod')}".`));
    }
    fixture.provider.ready('prod.alltraffic.2.0');
    await settle();
    const after = await call('DescribeEndpoint', { EndpointName: 'prod' });
    assert.deepEqual([after.EndpointStatus, after.EndpointConfigName, after.PendingDeploymentSummary], ['InService', 'prod-2', undefined]);
    assert.equal(after.ProductionVariants[0].DeployedImages[0].ResolvedImage, 'penstock/onnx@sha256:2');
    assert.equal(after.DataCaptureConfig, undefined);
  });

  test('that fails keeps the previous version in service and reports the reason', async () => {
    const { call, fixture } = await updating();
    fixture.provider.isPrompt = false;
    await call('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-2' });
    await settle();
    fixture.provider.crash('prod.alltraffic.2.0', { state: 'failed', reason: 'exit code 3: no such operator' });
    await settle();
    const after = await call('DescribeEndpoint', { EndpointName: 'prod' });
    assert.deepEqual([after.EndpointStatus, after.EndpointConfigName], ['InService', 'prod-1']);
    assert.match(
      after.FailureReason,
      /^The primary container for production variant AllTraffic did not pass the ping health check\. Please check CloudWatch logs for this endpoint\. .*exit code 3: no such operator/,
    );
    await call('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-1' });
    await settle();
    assert.equal((await call('DescribeEndpoint', { EndpointName: 'prod' })).FailureReason, undefined);
  });

  test('retains weight, count and capture if requested, except excluded properties', async () => {
    const { call, fixture } = await updating();
    const capacities = [{ VariantName: 'AllTraffic', DesiredWeight: 7, DesiredInstanceCount: 3 }];
    await call('UpdateEndpointWeightsAndCapacities', { EndpointName: 'prod', DesiredWeightsAndCapacities: capacities });
    await settle();
    const update = async (EndpointConfigName: string, more: object) => {
      await call('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName, ...more });
      await settle();
      const { ProductionVariants, DataCaptureConfig, LastDeploymentConfig } = await call('DescribeEndpoint', { EndpointName: 'prod' });
      const [{ CurrentWeight, CurrentInstanceCount }] = ProductionVariants;
      return [
        CurrentWeight,
        CurrentInstanceCount,
        (DataCaptureConfig as { CaptureStatus: string } | undefined)?.CaptureStatus,
        LastDeploymentConfig,
      ];
    };
    const DeploymentConfig = blueGreen({ Type: 'ALL_AT_ONCE' });
    assert.deepEqual(await update('prod-2', { RetainAllVariantProperties: true, DeploymentConfig }), [7, 3, 'Started', DeploymentConfig]);
    const ExcludeRetainedVariantProperties = [{ VariantPropertyType: 'DesiredWeight' }, { VariantPropertyType: 'DataCaptureConfig' }];
    assert.deepEqual(
      await update('prod-2', { RetainAllVariantProperties: true, ExcludeRetainedVariantProperties, RetainDeploymentConfig: true }),
      [2, 3, undefined, DeploymentConfig],
    );
    assert.deepEqual(await update('prod-1', {}), [1, 1, 'Started', undefined]);
    assert.equal(fixture.deployments.get('prod').config.variants[0]?.version, 1);
  });
});

describe('weights and capacities', () => {
  test('change without a new config, down to zero instances', async () => {
    const { call, fixture } = await deployed(await openAws(), [instances, { ...serverless, VariantName: 'blue' }]);
    const change = async (...DesiredWeightsAndCapacities: object[]) => {
      await call('UpdateEndpointWeightsAndCapacities', { EndpointName: 'prod', DesiredWeightsAndCapacities });
      await settle();
      return call('DescribeEndpoint', { EndpointName: 'prod' });
    };
    const update = { MaxConcurrency: 9, ProvisionedConcurrency: 2 };
    const after = await change(
      { VariantName: 'alltraffic', DesiredInstanceCount: 0 },
      { VariantName: 'blue', ServerlessUpdateConfig: update },
    );
    assert.equal(after.EndpointConfigName, 'prod-1');
    const [first, second] = after.ProductionVariants;
    assert.deepEqual([first.CurrentInstanceCount, first.DesiredInstanceCount], [0, 0]);
    assert.deepEqual(second.CurrentServerlessConfig, { MemorySizeInMB: 2048, ...update });
    assert.deepEqual(fixture.provider.ids(), []);
    const again = await change({ VariantName: 'AllTraffic', DesiredInstanceCount: 2, DesiredWeight: 0 });
    assert.deepEqual([again.ProductionVariants[0].CurrentInstanceCount, again.ProductionVariants[0].CurrentWeight], [2, 0]);
    assert.equal(fixture.deployments.get('prod').config.variants[0]?.scaling, undefined);
  });

  for (const [what, change, message] of [
    ['a missing variant', { VariantName: 'green' }, /Variant green not found: expected one of AllTraffic, blue/],
    ['an instance count of a serverless variant', { VariantName: 'blue', DesiredInstanceCount: 1 }, /blue is serverless/],
    [
      'a serverless update of instances',
      { VariantName: 'AllTraffic', ServerlessUpdateConfig: { MaxConcurrency: 1 } },
      /AllTraffic is not serverless/,
    ],
    [
      'ProvisionedConcurrency above MaxConcurrency',
      { VariantName: 'blue', ServerlessUpdateConfig: { ProvisionedConcurrency: 6 } },
      /\(5\), got 6/,
    ],
  ] as const) {
    test(`reject ${what}`, async () => {
      const { call } = await deployed(await openAws(), [instances, { ...serverless, VariantName: 'blue' }]);
      const input = { EndpointName: 'prod', DesiredWeightsAndCapacities: [change] };
      await assert.rejects(call('UpdateEndpointWeightsAndCapacities', input), refusal(message));
    });
  }
});

test('rejects more instances than the quota of a variant', async () => {
  const { call } = await deployed(await openAws());
  const quotaError = (count: number, delta: number) => (error: unknown) => {
    const quota = `is 64 Instances, with current utilization of ${count} Instances and a request delta of ${delta} Instances.`;
    assert(error instanceof AwsError && error.code === 'ResourceLimitExceeded', String(error));
    assert.equal(error.message, `The account-level service limit 'ml.m5.large for endpoint usage' ${quota}`);
    return true;
  };
  const DesiredWeightsAndCapacities = [{ VariantName: 'AllTraffic', DesiredInstanceCount: 65 }];
  await assert.rejects(
    call('UpdateEndpointWeightsAndCapacities', { EndpointName: 'prod', DesiredWeightsAndCapacities }),
    quotaError(1, 64),
  );
  await call('CreateEndpointConfig', { EndpointConfigName: 'big', ProductionVariants: [{ ...instances, InitialInstanceCount: 70 }] });
  await assert.rejects(call('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'big' }), quotaError(1, 69));
  await assert.rejects(call('CreateEndpoint', { EndpointName: 'big', EndpointConfigName: 'big' }), quotaError(0, 70));
});

test('rejects more instances than fit into the memory of the machine, but keeps those that run', () => {
  const gibibyte = 2 ** 30;
  assert.equal(instancesMaxOf(64 * gibibyte, 1000), 64);
  assert.equal(instancesMaxOf(2 * gibibyte, 0.9 * gibibyte), 2);
  const variants = (instanceCount: number) => [
    { name: 'main', group: 'g', version: 1, weight: 1, instanceType: 'ml.m5.large', instanceCount },
  ];
  checkQuota(variants(2), [], [2]);
  checkQuota(variants(4), variants(4), [2]);
  assert.throws(() => checkQuota(variants(5), variants(4), [2]), {
    code: 'ResourceLimitExceeded',
    message: /is 2 Instances, with current utilization of 4 Instances and a request delta of 1 Instances\. More do not fit into the memory/,
  });
});
