import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { arn, capture, instances, openAws, refusal, serverless } from '../../../test/aws-endpoint-house.ts';

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
