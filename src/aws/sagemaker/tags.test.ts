import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openRegistryFixture, type RegistryFixture } from '../../../test/aws-registry-fixture.ts';
import { AwsError } from '../service.ts';

const arn = (path: string) => `arn:aws:sagemaker:us-east-1:000000000000:${path}`;
const tag = (Key: string, Value: string) => ({ Key, Value });

function refusal(message: RegExp | string) {
  return (error: unknown) => {
    assert(error instanceof AwsError && error.code === 'ValidationException', String(error));
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}

describe('tags', () => {
  let fixture: RegistryFixture;
  const add = (ResourceArn: string, ...Tags: object[]) => fixture.call('AddTags', { ResourceArn, Tags });
  const list = async (ResourceArn: string) => (await fixture.call('ListTags', { ResourceArn })).Tags;

  before(async () => {
    fixture = await openRegistryFixture();
    await fixture.put('good.onnx', 'good');
    const container = { Image: 'penstock/onnx', ModelDataUrl: 's3://models/good.onnx' };
    await fixture.call('CreateModelPackageGroup', { ModelPackageGroupName: 'digits' });
    await fixture.call('CreateModelPackage', { ModelPackageGroupName: 'digits', InferenceSpecification: { Containers: [container] } });
    await fixture.call('CreateModel', { ModelName: 'iris', PrimaryContainer: container });
    await fixture.services.documents.add({ kind: 'endpoint-config', name: 'config', content: {} });
  });
  after(() => fixture.close());

  for (const path of ['model-package-group/digits', 'model-package/digits/1', 'model/iris', 'endpoint-config/config']) {
    test(`of ${path} are added, changed and deleted by case-sensitive key`, async () => {
      assert.deepEqual(await list(arn(path)), []);
      assert.deepEqual((await add(arn(path), tag('a', '1'), tag('A', '2'))).Tags, [tag('a', '1'), tag('A', '2')]);
      await add(arn(path), tag('a', 'ü 3'), tag('b', ''));
      assert.deepEqual(await list(arn(path)), [tag('a', 'ü 3'), tag('A', '2'), tag('b', '')]);
      await fixture.call('DeleteTags', { ResourceArn: arn(path), TagKeys: ['a', 'b', 'none'] });
      assert.deepEqual(await list(arn(path)), [tag('A', '2')]);
    });

    test(`of ${path} are limited to 50, and concurrent additions are all stored`, async () => {
      await fixture.call('DeleteTags', { ResourceArn: arn(path), TagKeys: ['A'] });
      await Promise.all(Array.from({ length: 50 }, (_, i) => add(arn(path), tag(`k${i}`, `${i}`))));
      await assert.rejects(add(arn(path), tag('one more', '')), refusal('A resource has at most 50 tags, got 51'));
      await add(arn(path), tag('k7', 'changed'));
      const { Tags } = await fixture.call('ListTags', { ResourceArn: arn(path), MaxResults: 50 });
      assert.equal((Tags as unknown[]).length, 50);
    });
  }

  test('of a group and a version are shared with other APIs', async () => {
    await fixture.registry.register({ group: 'native', source: Buffer.from('n'), sourceName: 'm', who: 'me', tags: { a: 'b' } });
    assert.deepEqual(await list(arn('model-package/native/1')), [tag('a', 'b')]);
    await add(arn('model-package/native/1'), tag('c', 'd'));
    assert.deepEqual((await fixture.registry.version('native', 1)).tags, { a: 'b', c: 'd' });
    await add(arn('model-package-group/native'), tag('e', 'f'));
    assert.deepEqual((await fixture.registry.describeGroup('native')).tags, { e: 'f' });
  });

  test('of an endpoint of another API are stored', async () => {
    await fixture.db
      .insertInto('endpoints')
      .values({ name_key: 'prod', name: 'prod', config: '{}', generation: 1, desired: 'InService', created_at: 1, updated_at: 1 })
      .execute();
    fixture.endpoints.add('prod');
    await add(arn('endpoint/prod'), tag('a', 'b'));
    assert.deepEqual(await list(arn('endpoint/prod')), [tag('a', 'b')]);
    const noEffect = refusal(
      /^tag penstock:late has no effect on an endpoint: it is a setting of the endpoint config\. Set it with CreateEndpointConfig/,
    );
    await assert.rejects(add(arn('endpoint/prod'), tag('penstock:late', 'shed')), noEffect);
    assert.deepEqual(await list(arn('endpoint/prod')), [tag('a', 'b')]);
    await fixture.db.deleteFrom('endpoints').execute();
    assert.deepEqual(await list(arn('endpoint/prod')), [], 'deleted with the endpoint');
  });

  test('of a missing resource are rejected', async () => {
    for (const path of [
      'model/none',
      'endpoint/none',
      'endpoint-config/none',
      'model-package/digits/9',
      'model-package-group/none',
      'model-package-group/iris', // the internal group of the Model
      'model-package/iris/1',
      'transform-job/none',
    ]) {
      const missing = refusal(`Could not find resource "${arn(path)}".`);
      await assert.rejects(list(arn(path)), missing);
      await assert.rejects(add(arn(path), tag('a', 'b')), missing);
      await assert.rejects(fixture.call('DeleteTags', { ResourceArn: arn(path), TagKeys: ['a'] }), missing);
    }
    await assert.rejects(list('arn:aws:sagemaker:eu-west-1:000000000000:model/iris'), refusal(/Could not find resource/));
  });

  test('with Penstock settings are validated', async () => {
    const to = arn('endpoint-config/config');
    await fixture.call('DeleteTags', { ResourceArn: to, TagKeys: ['k1', 'k2', 'k3', 'k4'] });
    await add(to, tag('penstock:objective', 'p95<=50ms'), tag('penstock:overflow', 'functions'), tag('penstock:late', 'shed'));
    await add(to, tag('penstock:objective', 'p99.9=2s'));
    await assert.rejects(add(to, tag('penstock:objective', 'quick')), refusal(/penstock:objective.*p95<=50ms/s));
    await assert.rejects(add(to, tag('penstock:speed', '1')), refusal(/'penstock:speed'/));
    await assert.rejects(add(to, tag('penstock:late', 'never')), refusal(/serve.*shed/));
  });

  test("with duplicate or AWS's reserved keys are rejected", async () => {
    await assert.rejects(add(arn('model/iris'), tag('a', '1'), tag('a', '2')), refusal(/^Duplicate tag keys found: 'a'/));
    await assert.rejects(
      add(arn('model/iris'), tag('aws:cloudformation:stack', 'x')),
      refusal(/Tag key 'aws:cloudformation:stack' is reserved/),
    );
    const token = fixture.call('ListTags', { ResourceArn: arn('model/iris'), NextToken: 'made up' });
    await assert.rejects(token, refusal(/Invalid NextToken/));
  });

  test('named like properties of Object.prototype are stored', async () => {
    await fixture.call('DeleteTags', { ResourceArn: arn('model/iris'), TagKeys: ['k1', 'k2', 'k3'] });
    await add(arn('model/iris'), tag('__proto__', 'x'), tag('constructor', 'y'));
    const Tags = (await list(arn('model/iris'))) as { Key: string }[];
    assert(Tags.some(({ Key }) => Key === '__proto__') && Tags.some(({ Key }) => Key === 'constructor'));
  });
});
