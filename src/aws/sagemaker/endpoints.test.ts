import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Aws, openAws } from '../../../test/aws-endpoint-house.ts';
import { prod, settle, variant } from '../../../test/deployment-house.ts';
import { PlatformError } from '../../errors.ts';
import { AwsError, type AwsInput } from '../service.ts';

const arn = (path: string) => `arn:aws:sagemaker:us-east-1:000000000000:${path}`;

const instances = { VariantName: 'AllTraffic', ModelName: 'digits-one', InstanceType: 'ml.m5.large', InitialInstanceCount: 1 };
const serverless = { VariantName: 'AllTraffic', ModelName: 'digits-one', ServerlessConfig: { MemorySizeInMB: 2048, MaxConcurrency: 5 } };
const capture = { InitialSamplingPercentage: 50, DestinationS3Uri: 's3://seen/here', CaptureOptions: [{ CaptureMode: 'Input' }] };

async function deployed(aws: Aws, ProductionVariants: object[] = [instances], more: object = {}, name = 'prod'): Promise<Aws> {
  await aws.ask('CreateEndpointConfig', { EndpointConfigName: `${name}-1`, ProductionVariants, ...more });
  await aws.ask('CreateEndpoint', { EndpointName: name, EndpointConfigName: `${name}-1` });
  await settle();
  return aws;
}

function refusal(message: RegExp | string) {
  return (error: unknown) => {
    assert(error instanceof AwsError || error instanceof PlatformError, String(error));
    if (error instanceof AwsError) assert.equal(error.code, 'ValidationException');
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}

describe('an endpoint config', () => {
  test('is shown as it was given, with weights', async () => {
    const { ask } = await openAws();
    const given = {
      ProductionVariants: [
        { ...instances, RoutingConfig: { RoutingStrategy: 'RANDOM' } },
        { ...serverless, VariantName: 'blue', InitialVariantWeight: 0.5 },
      ],
      DataCaptureConfig: capture,
      AsyncInferenceConfig: { OutputConfig: { S3OutputPath: 's3://out/' } },
      KmsKeyId: 'key',
    };
    const { EndpointConfigArn } = await ask('CreateEndpointConfig', {
      EndpointConfigName: 'Shop-1',
      ...given,
      Tags: [{ Key: 'a', Value: 'b' }],
    });
    assert.equal(EndpointConfigArn, arn('endpoint-config/shop-1'));
    const { CreationTime, ...shown } = await ask('DescribeEndpointConfig', { EndpointConfigName: 'shop-1' });
    assert(CreationTime instanceof Date);
    const [first, second] = given.ProductionVariants;
    const variants = [{ ...first, InitialVariantWeight: 1 }, second];
    assert.deepEqual(shown, { EndpointConfigName: 'Shop-1', EndpointConfigArn, ...given, ProductionVariants: variants });
  });

  test('has a name of its own, and is not found under another', async () => {
    const { ask } = await openAws();
    const given = { EndpointConfigName: 'shop', ProductionVariants: [instances] };
    await ask('CreateEndpointConfig', given);
    const again = `Cannot create already existing endpoint configuration "${arn('endpoint-config/shop')}".`;
    await assert.rejects(ask('CreateEndpointConfig', { ...given, EndpointConfigName: 'SHOP' }), refusal(again));
    const missing = `Could not find endpoint configuration "${arn('endpoint-config/other')}".`;
    for (const operation of ['DescribeEndpointConfig', 'DeleteEndpointConfig']) {
      await assert.rejects(ask(operation, { EndpointConfigName: 'other' }), refusal(missing));
    }
  });

  test('lists by name and time, page by page', async () => {
    const { ask, house } = await openAws();
    for (const name of ['c', 'a', 'b']) {
      await ask('CreateEndpointConfig', { EndpointConfigName: name, ProductionVariants: [instances] });
      house.clock.advance(1000);
    }
    const first = await ask('ListEndpointConfigs', { MaxResults: 2 });
    assert.deepEqual(
      first.EndpointConfigs.map((each) => each.EndpointConfigName),
      ['b', 'a'],
    );
    const second = await ask('ListEndpointConfigs', { MaxResults: 2, NextToken: first.NextToken });
    assert.deepEqual(
      second.EndpointConfigs.map((each) => each.EndpointConfigName),
      ['c'],
    );
    assert.equal(second.NextToken, undefined);
    const named = await ask('ListEndpointConfigs', { SortBy: 'Name', SortOrder: 'Ascending' });
    assert.deepEqual(
      named.EndpointConfigs.map((each) => each.EndpointConfigName),
      ['a', 'b', 'c'],
    );
  });

  for (const [what, variants, message, more] of [
    ['two variants of one name', [instances, { ...instances, VariantName: 'ALLTRAFFIC' }], /must be unique: ALLTRAFFIC/],
    ['neither instances nor functions', [{ VariantName: 'a', ModelName: 'digits-one' }], /either ServerlessConfig, or both/],
    ['a type without a count', [{ ...instances, InitialInstanceCount: undefined }], /either ServerlessConfig, or both/],
    ['both instances and functions', [{ ...instances, ...serverless }], /neither InstanceType nor InitialInstanceCount/],
    ['a model that is not there', [{ ...instances, ModelName: 'none' }], `Could not find model "${arn('model/none')}".`],
    [
      'an odd memory size',
      [{ ...serverless, ServerlessConfig: { MemorySizeInMB: 1500, MaxConcurrency: 1 } }],
      /one of 1024, 2048.*got 1500/,
    ],
    [
      'more provisioned than there may be',
      [{ ...serverless, ServerlessConfig: { MemorySizeInMB: 1024, MaxConcurrency: 2, ProvisionedConcurrency: 3 } }],
      /at most MaxConcurrency, which is 2, got 3/,
    ],
    ['no weight at all', [{ ...instances, InitialVariantWeight: 0 }], /above 0/],
    ['a type of no family', [{ ...instances, InstanceType: 'ml.zz.large' }], /of no known family: configured are .*ml\.m5\.large/],
    ['a type that is none', [{ ...instances, InstanceType: 'big' }], /'big' is not understood: expected ml\.FAMILY\.SIZE/],
    [
      'scaling that is not done so',
      [{ ...instances, ManagedInstanceScaling: { Status: 'ENABLED', MinInstanceCount: 1, MaxInstanceCount: 3 } }],
      /AllTraffic: ManagedInstanceScaling is for inference components.*RegisterScalableTarget/,
    ],
    ['shadows', [instances], /Shadow/, { ShadowProductionVariants: [instances] }],
    [
      'an unknown setting',
      [instances],
      /'penstock:speed' means nothing.*penstock:objective.*penstock:overflow.*penstock:late/,
      tagged('penstock:speed', '1'),
    ],
    ['an objective that is none', [instances], /penstock:objective.*p95<=50ms/, tagged('penstock:objective', 'fast')],
    ['an overflow to nowhere', [instances], /'functions' or 'none', got 'lambda'/, tagged('penstock:overflow', 'lambda')],
    ['another lateness', [instances], /'serve' or 'shed', got 'drop'/, tagged('penstock:late', 'drop')],
  ] as const) {
    test(`refuses ${what}`, async () => {
      const { ask } = await openAws();
      const input = { EndpointConfigName: 'shop', ProductionVariants: variants, ...more };
      await assert.rejects(ask('CreateEndpointConfig', input), refusal(message));
      await assert.rejects(ask('DescribeEndpointConfig', { EndpointConfigName: 'shop' }), refusal(/Could not find/));
    });
  }
});

function tagged(Key: string, Value: string) {
  return { Tags: [{ Key, Value }] };
}

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

function blueGreen(routing: object, more: object = {}) {
  return { BlueGreenUpdatePolicy: { TrafficRoutingConfiguration: { WaitIntervalInSeconds: 0, ...routing }, ...more } };
}

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
