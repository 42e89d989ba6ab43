import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { callOf } from '../../../test/aws-endpoint-fixture.ts';
import { openRegistryFixture, type RegistryFixture } from '../../../test/aws-registry-fixture.ts';
import type { AwsOutput } from '../service.ts';
import { type Searchable, searchOperation } from './search.ts';
import { compileExpression, type SearchExpression } from './search-expression.ts';

const filter = (Name: string, Operator?: string, Value?: string) => ({
  Name,
  ...(Operator === undefined ? {} : { Operator }),
  ...(Value === undefined ? {} : { Value }),
});

describe('a condition', () => {
  const resource = {
    ModelPackageGroupName: 'digits',
    ModelPackageVersion: 12,
    CreationTime: new Date('2026-05-01T12:00:00Z'),
    CustomerMetadataProperties: { accuracy: '0.95', 'a.b': 'x' },
    InferenceSpecification: { Containers: [{ Image: 'penstock/onnx' }, { Image: 'other' }] },
    Tags: [{ Key: 'team', Value: 'vision' }],
    EnableNetworkIsolation: false,
  };
  for (const [condition, holds] of [
    [filter('ModelPackageGroupName', 'Equals', 'digits'), true],
    [filter('ModelPackageGroupName', undefined, 'Digits'), false],
    [filter('ModelPackageGroupName', 'NotEquals', 'iris'), true],
    [filter('ModelPackageGroupName', 'Contains', 'git'), true],
    [filter('ModelPackageGroupName', 'In', 'iris, digits'), true],
    [filter('ModelPackageVersion', 'GreaterThan', '9'), true],
    [filter('ModelPackageVersion', 'LessThanOrEqualTo', '11'), false],
    [filter('ModelPackageVersion', 'Equals', '12'), true],
    [filter('CustomerMetadataProperties.accuracy', 'GreaterThanOrEqualTo', '0.9'), true],
    [filter('CreationTime', 'LessThan', '2026-05-02T00:00:00Z'), true],
    [filter('CreationTime', 'GreaterThan', '1777636800'), false],
    [filter('CreationTime', 'GreaterThan', 'yesterday'), false],
    [filter('InferenceSpecification.Containers.Image', 'Equals', 'other'), true],
    [filter('InferenceSpecification.Containers.Image', 'NotEquals', 'other'), false],
    [filter('Tags.team', 'Equals', 'vision'), true],
    [filter('Tags.owner', 'NotExists'), true],
    [filter('EnableNetworkIsolation', 'Equals', 'False'), true],
    [filter('ApprovalDescription', 'Exists'), false],
    [filter('constructor.name', 'Exists'), false],
  ] as const) {
    test(`${JSON.stringify(condition)} is ${holds}`, () => {
      assert.equal(compileExpression({ Filters: [condition] })(resource), holds);
    });
  }

  test('combines filters and expressions by And or Or', () => {
    const [yes, no] = [filter('ModelPackageVersion', 'Equals', '12'), filter('ModelPackageVersion', 'Equals', '13')];
    const check = (expression: SearchExpression) => compileExpression(expression)(resource);
    assert.equal(check({ Filters: [yes, no] }), false);
    assert.equal(check({ Filters: [yes, no], Operator: 'Or' }), true);
    assert.equal(check({ Filters: [yes], SubExpressions: [{ Filters: [no, yes], Operator: 'Or' }] }), true);
    assert.equal(check({}), true);
  });

  test('is bounded, and rejects what it does not evaluate', () => {
    const many = { Filters: Array.from({ length: 20 }, () => filter('A', 'Exists')) };
    const deep = [0, 1, 2, 3, 4, 5].reduce<SearchExpression>((inner) => ({ SubExpressions: [inner] }), many);
    for (const expression of [{ SubExpressions: [many, many, many] }, deep, { NestedFilters: [] }, { Filters: [filter('A', 'Equals')] }]) {
      assert.throws(() => compileExpression(expression), { code: 'ValidationException' });
    }
  });
});

describe('Search', () => {
  let fixture: RegistryFixture;
  before(async () => {
    fixture = await openRegistryFixture();
    await fixture.put('good.onnx', 'good');
    const Containers = [{ Image: 'penstock/onnx', ModelDataUrl: 's3://models/good.onnx' }];
    for (const [group, count] of [
      ['digits', 3],
      ['iris', 1],
    ] as const) {
      await fixture.call('CreateModelPackageGroup', { ModelPackageGroupName: group });
      for (let i = 0; i < count; i++) {
        fixture.clock.advance(1000);
        const Tags = [{ Key: 'run', Value: String(i) }];
        await fixture.call('CreateModelPackage', { ModelPackageGroupName: group, InferenceSpecification: { Containers }, Tags });
      }
    }
    await fixture.registry.setApproval('digits', 2, 'Approved', { who: 'me' });
  });
  after(() => fixture.close());

  const empty: Searchable = { names: ['EndpointName'], all: async () => [] };
  const search = async (
    input: object,
  ): Promise<{ Results: readonly Record<string, AwsOutput>[]; NextToken?: string; TotalHits: AwsOutput }> => {
    const { ModelPackage, ModelPackageGroup } = fixture.services.searchable;
    const operation = searchOperation({ ModelPackage, ModelPackageGroup, Endpoint: empty, TrainingJob: empty });
    return (await operation.run(input as never, callOf('Search'))) as never;
  };
  const found = ({ Results }: Awaited<ReturnType<typeof search>>) =>
    Results.map(({ ModelPackage }) => `${String(ModelPackage?.ModelPackageGroupName)}/${String(ModelPackage?.ModelPackageVersion)}`);

  test('finds packages by group, approval and tag, the latest change first', async () => {
    const inGroup = filter('ModelPackageGroupName', 'Equals', 'digits');
    const of = (...Filters: object[]) => search({ Resource: 'ModelPackage', SearchExpression: { Filters } });
    assert.deepEqual(found(await of(inGroup)), ['digits/2', 'digits/3', 'digits/1']);
    assert.deepEqual(found(await of(inGroup, filter('ModelApprovalStatus', 'Equals', 'Approved'))), ['digits/2']);
    assert.deepEqual(found(await of(filter('Tags.run', 'Equals', '0'))), ['iris/1', 'digits/1']);
  });

  test('pages without repeating or leaving out a result', async () => {
    const request = { Resource: 'ModelPackage', SortBy: 'CreationTime', SortOrder: 'Ascending', MaxResults: 3 };
    const first = await search(request);
    const second = await search({ ...request, NextToken: first.NextToken });
    assert.deepEqual([...found(first), ...found(second)], ['digits/1', 'digits/2', 'digits/3', 'iris/1']);
    assert.deepEqual([first.TotalHits, second.NextToken], [{ Value: 4, Relation: 'EqualTo' }, undefined]);
    await assert.rejects(search({ ...request, SortOrder: 'Descending', NextToken: first.NextToken }), { code: 'ValidationException' });
  });

  test('finds groups', async () => {
    const { Results } = await search({ Resource: 'ModelPackageGroup', SortBy: 'ModelPackageGroupName', SortOrder: 'Ascending' });
    assert.deepEqual(
      Results.map(({ ModelPackageGroup }) => ModelPackageGroup?.ModelPackageGroupName),
      ['digits', 'iris'],
    );
  });

  test('rejects other resources, members to sort by, and too many candidates', async () => {
    for (const input of [{ Resource: 'Pipeline' }, { Resource: 'ModelPackage', SortBy: 'ModelApprovalStatus' }]) {
      await assert.rejects(search(input), { code: 'ValidationException' });
    }
    const many: Searchable = { names: ['EndpointName'], all: async (_call, { limit }) => Array.from({ length: limit }, () => ({})) };
    const operation = searchOperation({ ModelPackage: many, ModelPackageGroup: many, Endpoint: many, TrainingJob: many });
    await assert.rejects(async () => operation.run({ Resource: 'ModelPackage' }, callOf('Search')), /More than 2000 resources/);
  });
});
