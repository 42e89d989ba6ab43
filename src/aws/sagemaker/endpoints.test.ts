import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { arn, blueGreen, capture, deployed, instances, openAws, refusal, serverless } from '../../../test/aws-endpoint-house.ts';
import { prod, settle, variant } from '../../../test/deployment-house.ts';
import type { AwsInput } from '../service.ts';

describe('an endpoint made from a config', () => {
  test('is a deployment like any other, with all its settings', async () => {
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
    const { house } = await deployed(await openAws(), variants, tags);
    const { config, status } = house.deployments.get('prod');
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
    const entries = await house.audit.list({ limit: 10 });
    assert(entries.some(({ action, who }) => action === 'CreateEndpoint' && who === 'AKME'));
  });

  test('has no settings of its own: those that its config does not have are refused', async () => {
    const aws = await openAws();
    const Tags = [{ Key: 'penstock:late', Value: 'shed' }];
    await aws.ask('CreateEndpointConfig', { EndpointConfigName: 'plain', ProductionVariants: [instances] });
    await aws.ask('CreateEndpointConfig', { EndpointConfigName: 'shed', ProductionVariants: [instances], Tags });
    const idle = refusal(/^tag penstock:late does nothing on an endpoint/);
    await assert.rejects(aws.ask('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'plain', Tags }), idle);
    // The Python SDK of SageMaker gives its tags to both.
    await aws.ask('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'shed', Tags });
    assert.equal(aws.house.deployments.get('prod').config.late, 'shed');
  });

  test('says so where another type stands for what was asked, and where that has no accelerator here', async () => {
    const { ask } = await deployed(await openAws(), [{ ...instances, InstanceType: 'ml.g5.xlarge' }]);
    assert.deepEqual((await ask('DescribeEndpoint', { EndpointName: 'prod' })).Notes?.slice(0, 2), [
      'variant AllTraffic: ml.g5.xlarge is not configured: ml.g4dn.xlarge, the nearest there is, stands for it',
      'variant AllTraffic: ml.g5.xlarge has an accelerator at AWS, here it runs on processors',
    ]);
  });

  test('is described with what runs', async () => {
    const { ask } = await deployed(await openAws(), [{ ...instances, InitialInstanceCount: 2 }], { DataCaptureConfig: capture });
    const { CreationTime, LastModifiedTime, ProductionVariants, ...rest } = await ask('DescribeEndpoint', { EndpointName: 'PROD' });
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
        DestinationS3Uri: 's3://seen/here',
        KmsKeyId: '',
      },
      Notes: ['2 instances with 4 threads on 2 cores: they take turns, so each is slower than it could be'],
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

  test('of functions is described by their size', async () => {
    const { ask } = await deployed(await openAws(), [serverless]);
    const { ProductionVariants } = await ask('DescribeEndpoint', { EndpointName: 'prod' });
    assert.deepEqual(ProductionVariants[0].CurrentServerlessConfig, { MemorySizeInMB: 2048, MaxConcurrency: 5 });
    assert.equal(ProductionVariants[0].DesiredInstanceCount, undefined);
  });

  test('keeps its copy of a config that is deleted', async () => {
    const { ask } = await deployed(await openAws());
    await ask('DeleteEndpointConfig', { EndpointConfigName: 'prod-1' });
    assert.equal((await ask('DescribeEndpoint', { EndpointName: 'prod' })).EndpointConfigName, 'prod-1');
    await assert.rejects(ask('DescribeEndpointConfig', { EndpointConfigName: 'prod-1' }), refusal(/Could not find endpoint configuration/));
  });

  test('is refused for a name that is taken, a config that is not there and a version that is not Approved', async () => {
    const { ask } = await deployed(await openAws());
    const again = ask('CreateEndpoint', { EndpointName: 'Prod', EndpointConfigName: 'prod-1' });
    await assert.rejects(again, refusal(`Cannot create already existing endpoint "${arn('endpoint/prod')}".`));
    const none = ask('CreateEndpoint', { EndpointName: 'other', EndpointConfigName: 'none' });
    await assert.rejects(none, refusal(`Could not find endpoint configuration "${arn('endpoint-config/none')}".`));
    await ask('CreateEndpointConfig', { EndpointConfigName: 'three', ProductionVariants: [{ ...instances, ModelName: 'digits-three' }] });
    const text =
      'Model package digits/3 is PendingManualApproval, and only Approved ones deploy: UpdateModelPackage with ModelApprovalStatus=Approved first.';
    const pending = ask('CreateEndpoint', { EndpointName: 'other', EndpointConfigName: 'three' });
    await assert.rejects(pending, refusal(text));
    const update = ask('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'three' });
    await assert.rejects(update, refusal(text));
  });

  test('is refused where a version that it already serves was rejected since', async () => {
    const { ask, house } = await deployed(await openAws());
    await house.registry.setApproval('digits', 1, 'Rejected', { who: 'me' });
    const update = ask('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-1' });
    await assert.rejects(update, refusal(/digits\/1 is Rejected/));
  });

  for (const [what, config, message] of [
    [
      'canary of too much',
      blueGreen({ Type: 'CANARY', CanarySize: { Type: 'CAPACITY_PERCENT', Value: 60 } }),
      /CanarySize must be 1 to 50 percent/,
    ],
    ['canary without a size', blueGreen({ Type: 'CANARY' }), /CanarySize must be given with the type CANARY/],
    [
      'steps too small',
      blueGreen({ Type: 'LINEAR', LinearStepSize: { Type: 'CAPACITY_PERCENT', Value: 5 } }),
      /LinearStepSize must be 10 to 50/,
    ],
    [
      'less time than the waits take',
      blueGreen({ Type: 'ALL_AT_ONCE' }, { TerminationWaitInSeconds: 700, MaximumExecutionTimeoutInSeconds: 600 }),
      /more than all waits together, which are 700 s/,
    ],
  ] as const) {
    test(`is refused with a deployment of ${what}`, async () => {
      const { ask } = await deployed(await openAws());
      const update = ask('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-1', DeploymentConfig: config });
      await assert.rejects(update, refusal(message));
    });
  }
});

describe('an endpoint of another door', () => {
  test('is described as if it had been made from a config, which can be asked for and made from', async () => {
    const { ask, house } = await openAws();
    const functions = { memoryMiB: 'auto', maxConcurrency: 3, provisioned: 1, keepAliveMs: 1000, batching: { kind: 'slack' } } as const;
    const variants = [variant, { ...variant, name: 'blue', version: 2, instanceCount: 0, functions }];
    await house.deployments.create({ ...prod, variants }, 'me');
    await settle();
    const shown = await ask('DescribeEndpoint', { EndpointName: 'prod' });
    assert.deepEqual([shown.EndpointConfigName, shown.EndpointStatus], ['prod-g1', 'InService']);
    assert.equal(shown.ProductionVariants[0].DeployedImages[0].SpecifiedImage, 'penstock/onnx');
    const { ProductionVariants } = await ask('DescribeEndpointConfig', { EndpointConfigName: 'PROD-g1' });
    assert.deepEqual(ProductionVariants, [
      { VariantName: 'AllTraffic', ModelName: 'digits-1', InitialVariantWeight: 1, InstanceType: 'local.1', InitialInstanceCount: 1 },
      {
        VariantName: 'blue',
        ModelName: 'digits-2',
        InitialVariantWeight: 1,
        ServerlessConfig: { MemorySizeInMB: 2048, MaxConcurrency: 3, ProvisionedConcurrency: 1 },
      },
    ]);
    await ask('CreateEndpoint', { EndpointName: 'twin', EndpointConfigName: 'prod-g1' });
    await settle();
    assert.deepEqual(house.deployments.get('twin').config.objective, prod.objective);
    await assert.rejects(ask('DeleteEndpointConfig', { EndpointConfigName: 'prod-g1' }), refusal(/goes with that/));
    const taken = ask('CreateEndpointConfig', { EndpointConfigName: 'prod-g1', ProductionVariants: [instances] });
    await assert.rejects(taken, refusal(/Cannot create already existing/));
  });

  test('that changes what a config had made is no longer made from that', async () => {
    const { ask, house } = await deployed(await openAws());
    await house.deployments.update('prod', { late: 'shed' }, 'me');
    await settle();
    assert.equal((await ask('DescribeEndpoint', { EndpointName: 'prod' })).EndpointConfigName, 'prod-g2');
    await ask('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'prod-1' });
    await settle();
    assert.equal((await ask('DescribeEndpoint', { EndpointName: 'prod' })).EndpointConfigName, 'prod-1');
    await house.deployments.remove('prod', 'me');
    await settle();
    await house.deployments.create(prod, 'me');
    await settle();
    assert.equal((await ask('DescribeEndpoint', { EndpointName: 'prod' })).EndpointConfigName, 'prod-g1');
  });

  test('that is unloaded is out of service', async () => {
    const { ask, house } = await deployed(await openAws());
    await house.deployments.unload('prod', 'me');
    await settle();
    assert.equal((await ask('DescribeEndpoint', { EndpointName: 'prod' })).EndpointStatus, 'OutOfService');
  });
});

test('endpoints list by status, time and name, whichever door made them', async () => {
  const aws = await openAws();
  for (const name of ['b', 'a']) {
    await deployed(aws, [instances], {}, name);
    aws.house.clock.advance(1000);
  }
  await aws.house.deployments.create({ ...prod, name: 'c' }, 'me');
  await settle();
  await aws.house.deployments.unload('a', 'me');
  await settle();
  const names = async (input: AwsInput) => (await aws.ask('ListEndpoints', input)).Endpoints.map((each) => each.EndpointName);
  assert.deepEqual(await names({}), ['c', 'a', 'b']);
  assert.deepEqual(await names({ SortBy: 'Name', SortOrder: 'Ascending' }), ['a', 'b', 'c']);
  assert.deepEqual(await names({ StatusEquals: 'OutOfService' }), ['a']);
  assert.deepEqual(await names({ SortBy: 'Status', SortOrder: 'Descending' }), ['a', 'c', 'b']);
  assert.deepEqual(await names({ NameContains: 'B' }), ['b']);
  const [{ CreationTime }] = (await aws.ask('ListEndpoints', { NameContains: 'a' })).Endpoints;
  assert.deepEqual(await names({ CreationTimeAfter: CreationTime.getTime() }), ['c']);
});
