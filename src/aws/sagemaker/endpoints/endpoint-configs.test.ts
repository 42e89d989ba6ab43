import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { arn, capture, instances, openAws, refusal, serverless } from '../../../../test/aws-endpoint-fixture.ts';

const shadow = { ...instances, VariantName: 'shadow' };

describe('an endpoint config', () => {
  test('is returned as it was created, with default weights', async () => {
    const { call } = await openAws();
    const input = {
      ProductionVariants: [
        { ...instances, RoutingConfig: { RoutingStrategy: 'RANDOM' } },
        { ...serverless, VariantName: 'blue', InitialVariantWeight: 0.5 },
      ],
      DataCaptureConfig: capture,
      AsyncInferenceConfig: { OutputConfig: { S3OutputPath: 's3://out/' } },
      KmsKeyId: 'key',
    };
    const { EndpointConfigArn } = await call('CreateEndpointConfig', {
      EndpointConfigName: 'Shop-1',
      ...input,
      Tags: [{ Key: 'a', Value: 'b' }],
    });
    assert.equal(EndpointConfigArn, arn('endpoint-config/shop-1'));
    const { CreationTime, ...described } = await call('DescribeEndpointConfig', { EndpointConfigName: 'shop-1' });
    assert(CreationTime instanceof Date);
    const [first, second] = input.ProductionVariants;
    const variants = [{ ...first, InitialVariantWeight: 1 }, second];
    assert.deepEqual(described, { EndpointConfigName: 'Shop-1', EndpointConfigArn, ...input, ProductionVariants: variants });
  });

  test('has a unique name regardless of case', async () => {
    const { call } = await openAws();
    const input = { EndpointConfigName: 'shop', ProductionVariants: [instances] };
    await call('CreateEndpointConfig', input);
    const alreadyExists = `Cannot create already existing endpoint configuration "${arn('endpoint-config/shop')}".`;
    await assert.rejects(call('CreateEndpointConfig', { ...input, EndpointConfigName: 'SHOP' }), refusal(alreadyExists));
    const missing = `Could not find endpoint configuration "${arn('endpoint-config/other')}".`;
    for (const operation of ['DescribeEndpointConfig', 'DeleteEndpointConfig']) {
      await assert.rejects(call(operation, { EndpointConfigName: 'other' }), refusal(missing));
    }
  });

  test('is listed by name and time, page by page', async () => {
    const { call, fixture } = await openAws();
    for (const name of ['c', 'a', 'b']) {
      await call('CreateEndpointConfig', { EndpointConfigName: name, ProductionVariants: [instances] });
      fixture.clock.advance(1000);
    }
    const first = await call('ListEndpointConfigs', { MaxResults: 2 });
    assert.deepEqual(
      first.EndpointConfigs.map((each) => each.EndpointConfigName),
      ['b', 'a'],
    );
    const second = await call('ListEndpointConfigs', { MaxResults: 2, NextToken: first.NextToken });
    assert.deepEqual(
      second.EndpointConfigs.map((each) => each.EndpointConfigName),
      ['c'],
    );
    assert.equal(second.NextToken, undefined);
    const named = await call('ListEndpointConfigs', { SortBy: 'Name', SortOrder: 'Ascending' });
    assert.deepEqual(
      named.EndpointConfigs.map((each) => each.EndpointConfigName),
      ['a', 'b', 'c'],
    );
  });

  for (const [what, variants, message, more] of [
    ['two variants of one name', [instances, { ...instances, VariantName: 'ALLTRAFFIC' }], /must be unique, got ALLTRAFFIC twice/],
    ['neither instances nor functions', [{ VariantName: 'a', ModelName: 'digits-one' }], /either ServerlessConfig, or both/],
    ['an instance type without a count', [{ ...instances, InitialInstanceCount: undefined }], /either ServerlessConfig, or both/],
    ['both instances and functions', [{ ...instances, ...serverless }], /neither InstanceType nor InitialInstanceCount/],
    ['a missing model', [{ ...instances, ModelName: 'none' }], `Could not find model "${arn('model/none')}".`],
    [
      'an unsupported memory size',
      [{ ...serverless, ServerlessConfig: { MemorySizeInMB: 1500, MaxConcurrency: 1 } }],
      /one of 1024, 2048.*got 1500/,
    ],
    [
      'ProvisionedConcurrency above MaxConcurrency',
      [{ ...serverless, ServerlessConfig: { MemorySizeInMB: 1024, MaxConcurrency: 2, ProvisionedConcurrency: 3 } }],
      /at most MaxConcurrency \(2\), got 3/,
    ],
    ['weights that are all 0', [{ ...instances, InitialVariantWeight: 0 }], /above 0/],
    [
      'an unknown instance family',
      [{ ...instances, InstanceType: 'ml.zz.large' }],
      /has an unknown family: expected one of .*ml\.m5\.large/,
    ],
    ['an invalid instance type', [{ ...instances, InstanceType: 'big' }], /'big' is invalid: expected ml\.FAMILY\.SIZE/],
    [
      'ManagedInstanceScaling',
      [{ ...instances, ManagedInstanceScaling: { Status: 'ENABLED', MinInstanceCount: 1, MaxInstanceCount: 3 } }],
      /AllTraffic: ManagedInstanceScaling requires inference components.*RegisterScalableTarget/,
    ],
    ['an explainer', [instances], /ExplainerConfig is not supported/, { ExplainerConfig: { ClarifyExplainerConfig: {} } }],
    ['a shadow with the name of the production variant', [instances], /must be unique/, { ShadowProductionVariants: [instances] }],
    [
      'two shadow variants',
      [instances],
      /exactly 1 production variant and 1 shadow variant, got 1 and 2/,
      { ShadowProductionVariants: [shadow, { ...shadow, VariantName: 'other' }] },
    ],
    [
      'a shadow beside two production variants',
      [instances, { ...instances, VariantName: 'b' }],
      /got 2 and 1/,
      { ShadowProductionVariants: [shadow] },
    ],
    [
      'a serverless shadow',
      [instances],
      /instances, but shadow has a ServerlessConfig/,
      { ShadowProductionVariants: [{ ...serverless, VariantName: 'shadow' }] },
    ],
    [
      'a shadow of an asynchronous endpoint',
      [instances],
      /asynchronous/,
      { ShadowProductionVariants: [shadow], AsyncInferenceConfig: { OutputConfig: {} } },
    ],
    [
      'a shadow of a model that does not exist',
      [instances],
      /Could not find model.*nothing/,
      { ShadowProductionVariants: [{ ...shadow, ModelName: 'nothing' }] },
    ],
    [
      'an unknown setting',
      [instances],
      /'penstock:speed' is unknown.*penstock:objective.*penstock:overflow.*penstock:late/,
      tagged('penstock:speed', '1'),
    ],
    ['an invalid objective', [instances], /penstock:objective.*p95<=50ms/, tagged('penstock:objective', 'fast')],
    ['an invalid overflow', [instances], /'functions' or 'none', got 'lambda'/, tagged('penstock:overflow', 'lambda')],
    ['an invalid policy for late requests', [instances], /'serve' or 'shed', got 'drop'/, tagged('penstock:late', 'drop')],
  ] as const) {
    test(`rejects ${what}`, async () => {
      const { call } = await openAws();
      const input = { EndpointConfigName: 'shop', ProductionVariants: variants, ...more };
      await assert.rejects(call('CreateEndpointConfig', input), refusal(message));
      await assert.rejects(call('DescribeEndpointConfig', { EndpointConfigName: 'shop' }), refusal(/Could not find/));
    });
  }
});

function tagged(Key: string, Value: string) {
  return { Tags: [{ Key, Value }] };
}
