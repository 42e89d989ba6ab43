import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { arn, blueGreen, capture, deployed, instances, openAws, refusal, serverless } from '../../../../test/aws-endpoint-fixture.ts';
import { prod, settle, variant } from '../../../../test/deployment-fixture.ts';
import type { AwsInput } from '../../service.ts';

describe('an endpoint created from a config', () => {
  test('is deployed with all settings of its config', async () => {
    const tags = {
      Tags: ['objective=p95=50ms', 'late=shed', 'overflow=functions'].map((text) => ({
        Key: `penstock:${text.split('=', 1)[0]}`,
        Value: text.replace(/^\w+=/, ''),
      })),
    };
    const variants = [
      { ...instances, InstanceType: 'ml.c7i.xlarge', InitialInstanceCount: 2, InitialVariantWeight: 3 },
      { ...serverless, VariantName: 'blue', ModelName: 'digits-two' },
    ];
    const { fixture } = await deployed(await openAws(), variants, tags);
    const { config, status } = fixture.deployments.get('prod');
    assert.equal(status, 'InService');
    assert.deepEqual(config.objective, { percentile: 95, latencyMs: 50 });
    assert.equal(config.late, 'shed');
    const [first, second] = config.variants;
    assert.deepEqual(
      [first?.instanceType, first?.instanceCount, first?.weight, first?.version, first?.functions?.memoryMiB],
      ['ml.c5.xlarge', 2, 3, 1, 'auto'],
    );
    assert.deepEqual(
      [second?.instanceCount, second?.weight, second?.version, second?.functions?.memoryMiB, second?.functions?.maxConcurrency],
      [0, 1, 2, 2048, 5],
    );
    const entries = await fixture.audit.list({ limit: 10 });
    assert(entries.some(({ action, who }) => action === 'CreateEndpoint' && who === 'AKME'));
  });

  test('rejects settings in its own tags that its config does not have', async () => {
    const aws = await openAws();
    const Tags = [{ Key: 'penstock:late', Value: 'shed' }];
    await aws.call('CreateEndpointConfig', { EndpointConfigName: 'plain', ProductionVariants: [instances] });
    await aws.call('CreateEndpointConfig', { EndpointConfigName: 'shed', ProductionVariants: [instances], Tags });
    const noEffect = refusal(/^tag penstock:late has no effect on an endpoint/);
    await assert.rejects(aws.call('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'plain', Tags }), noEffect);
    // The SageMaker Python SDK tags both.
    await aws.call('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'shed', Tags });
    assert.equal(aws.fixture.deployments.get('prod').config.late, 'shed');
  });

  test('reports a replaced instance type and an unused accelerator in its notes', async () => {
    const { call } = await deployed(await openAws(), [{ ...instances, InstanceType: 'ml.g5.xlarge' }]);
    assert.deepEqual((await call('DescribeEndpoint', { EndpointName: 'prod' })).Notes?.slice(0, 2), [
      'variant AllTraffic: ml.g5.xlarge is not configured: the most similar type, ml.g4dn.xlarge, is used instead',
      'variant AllTraffic: ml.g5.xlarge has an accelerator on AWS; here it runs on CPUs',
    ]);
  });

  test('says that a MetricsConfig has no effect', async () => {
    const MetricsConfig = { EnableEnhancedMetrics: true };
    const { call } = await deployed(await openAws(), [instances], { MetricsConfig });
    const described = await call('DescribeEndpoint', { EndpointName: 'prod' });
    assert.deepEqual(described.Notes, ['MetricsConfig has no effect: all metrics are always recorded']);
  });

  test('is described with its running variants', async () => {
    const { call } = await deployed(await openAws(), [{ ...instances, InitialInstanceCount: 2 }], { DataCaptureConfig: capture });
    const { CreationTime, LastModifiedTime, ProductionVariants, ...rest } = await call('DescribeEndpoint', { EndpointName: 'PROD' });
    assert(CreationTime instanceof Date && LastModifiedTime instanceof Date);
    assert.deepEqual(rest, {
      EndpointName: 'prod',
      EndpointArn: arn('endpoint/prod'),
      EndpointConfigName: 'prod-1',
      EndpointStatus: 'InService',
      DataCaptureConfig: {
        EnableCapture: true,
        CaptureStatus: 'Started',
        CurrentSamplingPercentage: 50,
        DestinationS3Uri: 's3://captured/here',
        KmsKeyId: '',
      },
      Notes: ['2 instances with 4 threads on 2 cores: they share the cores, so each is slower'],
    });
    const [{ DeployedImages, ...first }] = ProductionVariants;
    assert.deepEqual(first, {
      VariantName: 'AllTraffic',
      CurrentWeight: 1,
      DesiredWeight: 1,
      CurrentInstanceCount: 2,
      DesiredInstanceCount: 2,
    });
    const [{ ResolutionTime, ...image }] = DeployedImages;
    assert(ResolutionTime instanceof Date);
    assert.deepEqual(image, { SpecifiedImage: 'penstock/onnx:1', ResolvedImage: 'penstock/onnx@sha256:1' });
  });

  test('is described with memory and concurrency if it is serverless', async () => {
    const { call } = await deployed(await openAws(), [serverless]);
    const { ProductionVariants } = await call('DescribeEndpoint', { EndpointName: 'prod' });
    assert.deepEqual(ProductionVariants[0].CurrentServerlessConfig, { MemorySizeInMB: 2048, MaxConcurrency: 5 });
    assert.equal(ProductionVariants[0].DesiredInstanceCount, undefined);
  });

  test('keeps its copy of a deleted config', async () => {
    const { call } = await deployed(await openAws());
    await call('DeleteEndpointConfig', { EndpointConfigName: 'prod-1' });
    assert.equal((await call('DescribeEndpoint', { EndpointName: 'prod' })).EndpointConfigName, 'prod-1');
    await assert.rejects(
      call('DescribeEndpointConfig', { EndpointConfigName: 'prod-1' }),
      refusal(/Could not find endpoint configuration/),
    );
  });

  test('is rejected for an existing name, a missing config and a version that is not Approved', async () => {
    const { call, fixture } = await deployed(await openAws());
    const duplicate = call('CreateEndpoint', { EndpointName: 'Prod', EndpointConfigName: 'prod-1' });
    await assert.rejects(duplicate, refusal(`Cannot create already existing endpoint "${arn('endpoint/prod')}".`));
    const none = call('CreateEndpoint', { EndpointName: 'other', EndpointConfigName: 'none' });
    await assert.rejects(none, refusal(`Could not find endpoint configuration "${arn('endpoint-config/none')}".`));
    const text = (approval: string) =>
      `Model version digits/3 is ${approval}: expected Approved. Approve it with UpdateModelPackage or \`penstock approve digits/3\`.`;
    const three = { EndpointConfigName: 'three', ProductionVariants: [{ ...instances, ModelName: 'digits-three' }] };
    await assert.rejects(call('CreateEndpointConfig', three), refusal(text('PendingManualApproval')));
    await fixture.registry.setApproval('digits', 3, 'Approved', { who: 'me' });
    await call('CreateEndpointConfig', three);
    await fixture.registry.setApproval('digits', 3, 'Rejected', { who: 'me' });
    const pending = call('CreateEndpoint', { EndpointName: 'other', EndpointConfigName: 'three' });
    await assert.rejects(pending, refusal(text('Rejected')));
    const update = call('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'three' });
    await assert.rejects(update, refusal(text('Rejected')));
  });

  test('rejects an update to a version that it serves but that was rejected since', async () => {
    const { call, fixture } = await deployed(await openAws());
    await fixture.registry.setApproval('digits', 1, 'Rejected', { who: 'me' });
    const update = call('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-1' });
    await assert.rejects(update, refusal(/digits\/1 is Rejected/));
  });

  for (const [what, config, message] of [
    [
      'a canary above 50 percent',
      blueGreen({ Type: 'CANARY', CanarySize: { Type: 'CAPACITY_PERCENT', Value: 60 } }),
      /CanarySize must be 1 to 50 percent/,
    ],
    ['a canary without a size', blueGreen({ Type: 'CANARY' }), /CanarySize is required with the type CANARY/],
    [
      'linear steps below 10 percent',
      blueGreen({ Type: 'LINEAR', LinearStepSize: { Type: 'CAPACITY_PERCENT', Value: 5 } }),
      /LinearStepSize must be 10 to 50/,
    ],
    [
      'a timeout below the sum of the waits',
      blueGreen({ Type: 'ALL_AT_ONCE' }, { TerminationWaitInSeconds: 700, MaximumExecutionTimeoutInSeconds: 600 }),
      /exceed the sum of all waits \(700 s\)/,
    ],
  ] as const) {
    test(`rejects an update with ${what}`, async () => {
      const { call } = await deployed(await openAws());
      const update = call('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-1', DeploymentConfig: config });
      await assert.rejects(update, refusal(message));
    });
  }
});

describe('an endpoint of another API', () => {
  test('has a derived config, which can be described and used for another endpoint', async () => {
    const { call, fixture } = await openAws();
    const functions = { memoryMiB: 'auto', maxConcurrency: 3, provisioned: 1, keepAliveMs: 1000, batching: { kind: 'slack' } } as const;
    const variants = [variant, { ...variant, name: 'blue', version: 2, instanceCount: 0, functions }];
    await fixture.deployments.create({ ...prod, variants }, 'me');
    await settle();
    const described = await call('DescribeEndpoint', { EndpointName: 'prod' });
    assert.deepEqual([described.EndpointConfigName, described.EndpointStatus], ['prod-g1', 'InService']);
    assert.equal(described.ProductionVariants[0].DeployedImages[0].SpecifiedImage, 'penstock/onnx');
    const { ProductionVariants } = await call('DescribeEndpointConfig', { EndpointConfigName: 'PROD-g1' });
    assert.deepEqual(ProductionVariants, [
      { VariantName: 'AllTraffic', ModelName: 'digits-1', InitialVariantWeight: 1, InstanceType: 'local.1', InitialInstanceCount: 1 },
      {
        VariantName: 'blue',
        ModelName: 'digits-2',
        InitialVariantWeight: 1,
        ServerlessConfig: { MemorySizeInMB: 2048, MaxConcurrency: 3, ProvisionedConcurrency: 1 },
      },
    ]);
    await call('CreateEndpoint', { EndpointName: 'twin', EndpointConfigName: 'prod-g1' });
    await settle();
    assert.deepEqual(fixture.deployments.get('twin').config.objective, prod.objective);
    await assert.rejects(call('DeleteEndpointConfig', { EndpointConfigName: 'prod-g1' }), refusal(/deleted with the endpoint/));
    const duplicate = call('CreateEndpointConfig', { EndpointConfigName: 'prod-g1', ProductionVariants: [instances] });
    await assert.rejects(duplicate, refusal(/Cannot create already existing/));
  });

  test('that changes an endpoint of a config replaces its config by a derived one', async () => {
    const { call, fixture } = await deployed(await openAws());
    await fixture.deployments.update('prod', { late: 'shed' }, 'me');
    await settle();
    assert.equal((await call('DescribeEndpoint', { EndpointName: 'prod' })).EndpointConfigName, 'prod-g2');
    await call('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-1' });
    await settle();
    assert.equal((await call('DescribeEndpoint', { EndpointName: 'prod' })).EndpointConfigName, 'prod-1');
    await fixture.deployments.remove('prod', 'me');
    await settle();
    await fixture.deployments.create(prod, 'me');
    await settle();
    assert.equal((await call('DescribeEndpoint', { EndpointName: 'prod' })).EndpointConfigName, 'prod-g1');
  });

  test('that is unloaded is OutOfService', async () => {
    const { call, fixture } = await deployed(await openAws());
    await fixture.deployments.unload('prod', 'me');
    await settle();
    assert.equal((await call('DescribeEndpoint', { EndpointName: 'prod' })).EndpointStatus, 'OutOfService');
  });
});

test('lists endpoints of all APIs by status, time and name', async () => {
  const aws = await openAws();
  for (const name of ['b', 'a']) {
    await deployed(aws, [instances], {}, name);
    aws.fixture.clock.advance(1000);
  }
  await aws.fixture.deployments.create({ ...prod, name: 'c' }, 'me');
  await settle();
  await aws.fixture.deployments.unload('a', 'me');
  await settle();
  const names = async (input: AwsInput) => (await aws.call('ListEndpoints', input)).Endpoints.map((each) => each.EndpointName);
  assert.deepEqual(await names({}), ['c', 'a', 'b']);
  assert.deepEqual(await names({ SortBy: 'Name', SortOrder: 'Ascending' }), ['a', 'b', 'c']);
  assert.deepEqual(await names({ StatusEquals: 'OutOfService' }), ['a']);
  assert.deepEqual(await names({ SortBy: 'Status', SortOrder: 'Descending' }), ['a', 'c', 'b']);
  assert.deepEqual(await names({ NameContains: 'B' }), ['b']);
  const [{ CreationTime }] = (await aws.call('ListEndpoints', { NameContains: 'a' })).Endpoints;
  assert.deepEqual(await names({ CreationTimeAfter: CreationTime.getTime() }), ['c']);
});
