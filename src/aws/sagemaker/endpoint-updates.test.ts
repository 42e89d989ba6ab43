import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Aws, arn, blueGreen, capture, deployed, instances, openAws, refusal, serverless } from '../../../test/aws-endpoint-house.ts';
import { settle } from '../../../test/deployment-house.ts';
import { AwsError } from '../service.ts';

describe('waiters', () => {
  test('are told of a new endpoint at the first asking', async () => {
    const { ask, house } = await openAws();
    house.provider.isPrompt = false;
    await ask('CreateEndpointConfig', { EndpointConfigName: 'c', ProductionVariants: [instances] });
    let isCreated = false;
    const creating = ask('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' }).then(() => (isCreated = true));
    await settle();
    assert.equal(house.deployments.get('prod').status, 'Creating');
    assert(!isCreated);
    const describing = ask('DescribeEndpoint', { EndpointName: 'prod' });
    house.provider.ready('prod.alltraffic.1.0');
    await creating;
    assert.equal((await describing).EndpointStatus, 'InService');
  });

  test('are told what is after two seconds, and no sooner unless they leave', async () => {
    const { ask, house } = await openAws();
    house.provider.isPrompt = false;
    await ask('CreateEndpointConfig', { EndpointConfigName: 'c', ProductionVariants: [instances] });
    const creating = ask('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' });
    await settle();
    house.clock.advance(2000);
    assert.deepEqual(await creating, { EndpointArn: arn('endpoint/prod') });
    const gone = new AbortController();
    const describing = ask('DescribeEndpoint', { EndpointName: 'prod' }, gone.signal);
    await settle();
    gone.abort();
    const { EndpointStatus, ProductionVariants } = await describing;
    assert.equal(EndpointStatus, 'Creating');
    const [{ CurrentInstanceCount, CurrentWeight, VariantStatus }] = ProductionVariants;
    assert.deepEqual([CurrentInstanceCount, CurrentWeight], [0, 0]);
    assert.deepEqual([VariantStatus[0].Status, VariantStatus[0].StatusMessage], ['Creating', 'Launching 1 instance(s).']);
  });

  test('are told why an endpoint failed, which may then be updated or deleted', async () => {
    const { ask, house } = await openAws();
    house.provider.isPrompt = false;
    await ask('CreateEndpointConfig', { EndpointConfigName: 'c', ProductionVariants: [instances] });
    const creating = ask('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' });
    await settle();
    house.provider.crash('prod.alltraffic.1.0', { state: 'failed', reason: `exit code 1: ${'no such file '.repeat(200)}` });
    await creating;
    const { EndpointStatus, FailureReason } = await ask('DescribeEndpoint', { EndpointName: 'prod' });
    assert.equal(EndpointStatus, 'Failed');
    assert.match(
      FailureReason,
      /^The primary container for production variant AllTraffic did not pass the ping health check\..*exit code 1/,
    );
    assert.equal(FailureReason.length, 1024);
    house.provider.isPrompt = true;
    await ask('CreateEndpointConfig', { EndpointConfigName: 'd', ProductionVariants: [{ ...instances, ModelName: 'digits-two' }] });
    await ask('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'd' });
    await settle();
    assert.equal((await ask('DescribeEndpoint', { EndpointName: 'prod' })).EndpointStatus, 'InService');
  });

  test('need not wait to delete an endpoint that is being made', async () => {
    const { ask, house } = await openAws();
    house.provider.isPrompt = false;
    await ask('CreateEndpointConfig', { EndpointConfigName: 'c', ProductionVariants: [instances] });
    const creating = ask('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' });
    await settle();
    await ask('DeleteEndpoint', { EndpointName: 'prod' });
    await creating;
    await assert.rejects(ask('DescribeEndpoint', { EndpointName: 'prod' }), refusal(/Could not find endpoint/));
  });

  test('are told of an endpoint that is gone', async () => {
    const { ask, house } = await deployed(await openAws());
    house.serving.holdsDrains = true;
    assert.deepEqual(await ask('DeleteEndpoint', { EndpointName: 'prod' }), {});
    await settle();
    assert.deepEqual(await ask('DeleteEndpoint', { EndpointName: 'prod' }), {});
    const describing = ask('DescribeEndpoint', { EndpointName: 'prod' });
    const answer = assert.rejects(describing, refusal(`Could not find endpoint "${arn('endpoint/prod')}".`));
    await settle();
    house.serving.holdsDrains = false;
    for (const release of house.serving.held.values()) release();
    await answer;
    await assert.rejects(ask('DeleteEndpoint', { EndpointName: 'prod' }), refusal(`Could not find endpoint "${arn('endpoint/prod')}".`));
  });
});

describe('an update', () => {
  async function updating(): Promise<Aws> {
    const aws = await deployed(await openAws(), [{ ...instances, InitialInstanceCount: 1 }], { DataCaptureConfig: capture });
    const next = { ...instances, ModelName: 'digits-two', InitialVariantWeight: 2 };
    await aws.ask('CreateEndpointConfig', { EndpointConfigName: 'prod-2', ProductionVariants: [next] });
    return aws;
  }

  test('shows what serves and what is to come, and no other update begins', async () => {
    const { ask, house } = await updating();
    house.provider.isPrompt = false;
    await ask('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-2' });
    await settle();
    const aborted = AbortSignal.abort();
    const during = await ask('DescribeEndpoint', { EndpointName: 'prod' }, aborted);
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
      await assert.rejects(ask(operation, input), refusal(`Cannot update in-progress endpoint "${arn('endpoint/prod')}".`));
    }
    house.provider.ready('prod.alltraffic.2.0');
    await settle();
    const after = await ask('DescribeEndpoint', { EndpointName: 'prod' });
    assert.deepEqual([after.EndpointStatus, after.EndpointConfigName, after.PendingDeploymentSummary], ['InService', 'prod-2', undefined]);
    assert.equal(after.ProductionVariants[0].DeployedImages[0].ResolvedImage, 'penstock/onnx@sha256:2');
    assert.equal(after.DataCaptureConfig, undefined);
  });

  test('that does not come about leaves what served, and says why', async () => {
    const { ask, house } = await updating();
    house.provider.isPrompt = false;
    await ask('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-2' });
    await settle();
    house.provider.crash('prod.alltraffic.2.0', { state: 'failed', reason: 'exit code 3: no such operator' });
    await settle();
    const after = await ask('DescribeEndpoint', { EndpointName: 'prod' });
    assert.deepEqual([after.EndpointStatus, after.EndpointConfigName], ['InService', 'prod-1']);
    assert.match(
      after.FailureReason,
      /^The primary container for production variant AllTraffic did not pass the ping health check\. Please check CloudWatch logs for this endpoint\. .*exit code 3: no such operator/,
    );
    await ask('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-1' });
    await settle();
    assert.equal((await ask('DescribeEndpoint', { EndpointName: 'prod' })).FailureReason, undefined);
  });

  test('keeps weight, count and capture where that is asked for, but for what is excluded', async () => {
    const { ask, house } = await updating();
    const capacities = [{ VariantName: 'AllTraffic', DesiredWeight: 7, DesiredInstanceCount: 3 }];
    await ask('UpdateEndpointWeightsAndCapacities', { EndpointName: 'prod', DesiredWeightsAndCapacities: capacities });
    await settle();
    const update = async (EndpointConfigName: string, more: object) => {
      await ask('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName, ...more });
      await settle();
      const { ProductionVariants, DataCaptureConfig, LastDeploymentConfig } = await ask('DescribeEndpoint', { EndpointName: 'prod' });
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
    assert.equal(house.deployments.get('prod').config.variants[0]?.version, 1);
  });
});

describe('weights and capacities', () => {
  test('change without another config, down to no instance', async () => {
    const { ask, house } = await deployed(await openAws(), [instances, { ...serverless, VariantName: 'blue' }]);
    const change = async (...DesiredWeightsAndCapacities: object[]) => {
      await ask('UpdateEndpointWeightsAndCapacities', { EndpointName: 'prod', DesiredWeightsAndCapacities });
      await settle();
      return ask('DescribeEndpoint', { EndpointName: 'prod' });
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
    assert.deepEqual(house.provider.ids(), []);
    const again = await change({ VariantName: 'AllTraffic', DesiredInstanceCount: 2, DesiredWeight: 0 });
    assert.deepEqual([again.ProductionVariants[0].CurrentInstanceCount, again.ProductionVariants[0].CurrentWeight], [2, 0]);
    assert.equal(house.deployments.get('prod').config.variants[0]?.scaling, undefined);
  });

  for (const [what, wish, message] of [
    ['a variant that is not there', { VariantName: 'green' }, /Variant green not found: the endpoint has AllTraffic, blue/],
    ['a count of functions', { VariantName: 'blue', DesiredInstanceCount: 1 }, /blue is serverless/],
    [
      'functions of instances',
      { VariantName: 'AllTraffic', ServerlessUpdateConfig: { MaxConcurrency: 1 } },
      /AllTraffic is not serverless/,
    ],
    ['too many provisioned', { VariantName: 'blue', ServerlessUpdateConfig: { ProvisionedConcurrency: 6 } }, /which is 5, got 6/],
  ] as const) {
    test(`refuse ${what}`, async () => {
      const { ask } = await deployed(await openAws(), [instances, { ...serverless, VariantName: 'blue' }]);
      const input = { EndpointName: 'prod', DesiredWeightsAndCapacities: [wish] };
      await assert.rejects(ask('UpdateEndpointWeightsAndCapacities', input), refusal(message));
    });
  }
});

test('more instances than a variant may have are over the quota', async () => {
  const { ask } = await deployed(await openAws());
  const over = (count: number, delta: number) => (error: unknown) => {
    const quota = `is 64 Instances, with current utilization of ${count} Instances and a request delta of ${delta} Instances.`;
    assert(error instanceof AwsError && error.code === 'ResourceLimitExceeded', String(error));
    assert.equal(error.message, `The account-level service limit 'ml.m5.large for endpoint usage' ${quota}`);
    return true;
  };
  const DesiredWeightsAndCapacities = [{ VariantName: 'AllTraffic', DesiredInstanceCount: 65 }];
  await assert.rejects(ask('UpdateEndpointWeightsAndCapacities', { EndpointName: 'prod', DesiredWeightsAndCapacities }), over(1, 64));
  await ask('CreateEndpointConfig', { EndpointConfigName: 'big', ProductionVariants: [{ ...instances, InitialInstanceCount: 70 }] });
  await assert.rejects(ask('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'big' }), over(1, 69));
  await assert.rejects(ask('CreateEndpoint', { EndpointName: 'big', EndpointConfigName: 'big' }), over(0, 70));
});
