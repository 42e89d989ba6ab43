import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openRegistryHouse, type RegistryHouse } from '../../../test/aws-registry-house.ts';
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
  let house: RegistryHouse;
  const add = (ResourceArn: string, ...Tags: object[]) => house.ask('AddTags', { ResourceArn, Tags });
  const list = async (ResourceArn: string) => (await house.ask('ListTags', { ResourceArn })).Tags;

  before(async () => {
    house = await openRegistryHouse();
    await house.put('good.onnx', 'good');
    const container = { Image: 'penstock/onnx', ModelDataUrl: 's3://models/good.onnx' };
    await house.ask('CreateModelPackageGroup', { ModelPackageGroupName: 'digits' });
    await house.ask('CreateModelPackage', { ModelPackageGroupName: 'digits', InferenceSpecification: { Containers: [container] } });
    await house.ask('CreateModel', { ModelName: 'iris', PrimaryContainer: container });
    await house.side.documents.add({ kind: 'endpoint-config', name: 'config', content: {} });
  });
  after(() => house.close());

  for (const path of ['model-package-group/digits', 'model-package/digits/1', 'model/iris', 'endpoint-config/config']) {
    test(`of ${path} are added, changed and deleted one by one, and told apart by case`, async () => {
      assert.deepEqual(await list(arn(path)), []);
      assert.deepEqual((await add(arn(path), tag('a', '1'), tag('A', '2'))).Tags, [tag('a', '1'), tag('A', '2')]);
      await add(arn(path), tag('a', 'ü 3'), tag('b', ''));
      assert.deepEqual(await list(arn(path)), [tag('a', 'ü 3'), tag('A', '2'), tag('b', '')]);
      await house.ask('DeleteTags', { ResourceArn: arn(path), TagKeys: ['a', 'b', 'none'] });
      assert.deepEqual(await list(arn(path)), [tag('A', '2')]);
    });

    test(`of ${path} are 50 at most, and those that come at once all stay`, async () => {
      await house.ask('DeleteTags', { ResourceArn: arn(path), TagKeys: ['A'] });
      await Promise.all(Array.from({ length: 50 }, (_, i) => add(arn(path), tag(`k${i}`, `${i}`))));
      await assert.rejects(add(arn(path), tag('one more', '')), refusal('A resource has at most 50 tags: these would be 51'));
      await add(arn(path), tag('k7', 'changed'));
      const { Tags } = await house.ask('ListTags', { ResourceArn: arn(path), MaxResults: 50 });
      assert.equal((Tags as unknown[]).length, 50);
    });
  }

  test('of a group and a version are those of every door', async () => {
    await house.registry.register({ group: 'native', source: Buffer.from('n'), sourceName: 'm', who: 'me', tags: { a: 'b' } });
    assert.deepEqual(await list(arn('model-package/native/1')), [tag('a', 'b')]);
    await add(arn('model-package/native/1'), tag('c', 'd'));
    assert.deepEqual((await house.registry.version('native', 1)).tags, { a: 'b', c: 'd' });
    await add(arn('model-package-group/native'), tag('e', 'f'));
    assert.deepEqual((await house.registry.describeGroup('native')).tags, { e: 'f' });
  });

  test('of an endpoint need no document of it', async () => {
    await house.db
      .insertInto('endpoints')
      .values({ name_key: 'prod', name: 'prod', config: '{}', generation: 1, desired: 'InService', created_at: 1, updated_at: 1 })
      .execute();
    house.endpoints.add('prod');
    await add(arn('endpoint/prod'), tag('a', 'b'));
    assert.deepEqual(await list(arn('endpoint/prod')), [tag('a', 'b')]);
    const idle = refusal(
      /^tag penstock:late does nothing on an endpoint: it is a setting of its endpoint config\. Give it to CreateEndpointConfig/,
    );
    await assert.rejects(add(arn('endpoint/prod'), tag('penstock:late', 'shed')), idle);
    assert.deepEqual(await list(arn('endpoint/prod')), [tag('a', 'b')]);
    await house.db.deleteFrom('endpoints').execute();
    assert.deepEqual(await list(arn('endpoint/prod')), [], 'they went with it');
  });

  test('of what is not there are refused', async () => {
    for (const path of [
      'model/none',
      'endpoint/none',
      'endpoint-config/none',
      'model-package/digits/9',
      'model-package-group/none',
      'model-package-group/iris', // made for the Model of that name
      'model-package/iris/1',
      'transform-job/none',
    ]) {
      const missing = refusal(`Could not find resource "${arn(path)}".`);
      await assert.rejects(list(arn(path)), missing);
      await assert.rejects(add(arn(path), tag('a', 'b')), missing);
      await assert.rejects(house.ask('DeleteTags', { ResourceArn: arn(path), TagKeys: ['a'] }), missing);
    }
    await assert.rejects(list('arn:aws:sagemaker:eu-west-1:000000000000:model/iris'), refusal(/Could not find resource/));
  });

  test('that say what Penstock should do are checked, whatever they are put on', async () => {
    const to = arn('endpoint-config/config');
    await house.ask('DeleteTags', { ResourceArn: to, TagKeys: ['k1', 'k2', 'k3', 'k4'] });
    await add(to, tag('penstock:objective', 'p95<=50ms'), tag('penstock:overflow', 'functions'), tag('penstock:late', 'shed'));
    await add(to, tag('penstock:objective', 'p99.9=2s'));
    await assert.rejects(add(to, tag('penstock:objective', 'quick')), refusal(/penstock:objective.*p95<=50ms/s));
    await assert.rejects(add(to, tag('penstock:speed', '1')), refusal(/'penstock:speed'/));
    await assert.rejects(add(to, tag('penstock:late', 'never')), refusal(/serve.*shed/));
  });

  test("that come twice, or are AWS's own, are refused", async () => {
    await assert.rejects(add(arn('model/iris'), tag('a', '1'), tag('a', '2')), refusal(/^Duplicate tag keys found: 'a'/));
    await assert.rejects(add(arn('model/iris'), tag('aws:cloudformation:stack', 'x')), refusal(/begin with aws: are reserved/));
    const token = house.ask('ListTags', { ResourceArn: arn('model/iris'), NextToken: 'made up' });
    await assert.rejects(token, refusal(/Invalid NextToken/));
  });

  test('named like what every object has are tags like others', async () => {
    await house.ask('DeleteTags', { ResourceArn: arn('model/iris'), TagKeys: ['k1', 'k2', 'k3'] });
    await add(arn('model/iris'), tag('__proto__', 'x'), tag('constructor', 'y'));
    const Tags = (await list(arn('model/iris'))) as { Key: string }[];
    assert(Tags.some(({ Key }) => Key === '__proto__') && Tags.some(({ Key }) => Key === 'constructor'));
  });
});
