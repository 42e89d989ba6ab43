import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openRegistryHouse, type RegistryHouse } from '../../../test/aws-registry-house.ts';
import { openPglite } from '../../../test/pglite.ts';
import { PlatformError } from '../../errors.ts';
import type { OpenDatabase } from '../../storage/index.ts';
import { AwsError } from '../service.ts';

const arn = (path: string) => `arn:aws:sagemaker:us-east-1:000000000000:${path}`;

function refusal(message: RegExp | string, code = 'ValidationException') {
  return (error: unknown) => {
    assert(error instanceof AwsError, String(error));
    assert.equal(error.code, code);
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}

function modelsContract(name: string, open: () => Promise<OpenDatabase | undefined>): void {
  describe(`a Model on ${name}`, () => {
    let house: RegistryHouse;
    /** What endpoints are said to serve. */
    const inUse = new Set<string>();
    const primary = { Image: 'penstock/onnx:1', ModelDataUrl: 's3://models/good.onnx' };
    const create = (ModelName: string, more: object = { PrimaryContainer: primary }) => house.ask('CreateModel', { ModelName, ...more });
    const describeModel = (ModelName: string) => house.ask('DescribeModel', { ModelName });
    const remove = (ModelName: string) => house.ask('DeleteModel', { ModelName });
    const registerNatively = async (group: string, text = 'n') =>
      (await house.registry.register({ group, source: Buffer.from(text), sourceName: 'm.onnx', who: 'me' })).version;
    const isGroup = (group: string) =>
      house.registry.describeGroup(group).then(
        () => true,
        (error) => !(error instanceof PlatformError && error.code === 'not_found'),
      );

    before(async () => {
      const database = await open();
      house = await openRegistryHouse({
        ...(database === undefined ? {} : { database }),
        inUse: async (group, version) => (inUse.has(`${group}/${version}`) ? ['endpoint prod'] : []),
      });
      await house.put('good.onnx', 'good');
      await house.put('bad.onnx', 'bad');
    });
    after(() => house.close());

    test('is told of when it is made and when it is deleted', async () => {
      const before = (await house.events.since(0, 100_000)).at(-1)?.seq ?? 0;
      await create('told');
      await remove('Told');
      const since = await house.events.since(before, 1000);
      assert.deepEqual(
        since.filter(({ kind }) => kind.startsWith('model.')).map(({ kind, subject }) => [kind, subject]),
        [
          ['model.created', 'told'],
          ['model.deleted', 'told'],
        ],
      );
    });

    test('is made of a container, shown as it was given, and found without case', async () => {
      const given = {
        ExecutionRoleArn: 'arn:aws:iam::000000000000:role/any',
        VpcConfig: { SecurityGroupIds: ['sg-1'], Subnets: ['subnet-1'] },
        PrimaryContainer: { ...primary, Environment: { A: 'b' }, ContainerHostname: 'one', FutureMember: { a: 1 } },
        FutureMember: [1],
      };
      const { ModelArn } = await create('Iris', { ...given, Tags: [{ Key: 'a', Value: 'b' }] });
      assert.equal(ModelArn, arn('model/iris'));
      assert.deepEqual(await describeModel('IRIS'), {
        ...given,
        PrimaryContainer: { Mode: 'SingleModel', ...given.PrimaryContainer },
        EnableNetworkIsolation: false,
        ModelName: 'Iris',
        ModelArn,
        CreationTime: new Date(house.clock.wallMs()),
      });
      await assert.rejects(create('iris'), refusal(`Cannot create already existing model "${ModelArn}".`));
      const { group, version, ...found } = (await house.side.models.findModel('iris')) ?? assert.fail();
      const registered = await house.registry.version(group, version);
      assert.deepEqual([group, version, registered.approval], ['Iris', 1, 'Approved']);
      assert.deepEqual(found, {
        name: 'Iris',
        image: 'penstock/onnx:1',
        resolvedImage: `penstock/onnx:1@sha256:${registered.artifact.sha256}`,
      });
      assert.deepEqual((await house.ask('ListTags', { ResourceArn: ModelArn })).Tags, [{ Key: 'a', Value: 'b' }]);
      const groups = await house.ask('ListModelPackageGroups', {});
      assert.deepEqual(groups.ModelPackageGroupSummaryList, [], 'its group is nobody else');
    });

    test('takes its version and its group along when it is deleted', async () => {
      await create('passing');
      assert(await isGroup('passing'));
      assert.deepEqual(await remove('passing'), {});
      assert(!(await isGroup('passing')));
      const gone = refusal(`Could not find model "${arn('model/passing')}".`);
      await assert.rejects(describeModel('passing'), gone);
      await assert.rejects(remove('passing'), gone);
      assert.equal(await house.side.models.findModel('passing'), null);
    });

    test('leaves its version where an endpoint serves it, and a new one of its name goes on in that group', async () => {
      await create('busy');
      inUse.add('busy/1');
      await remove('busy');
      assert.equal((await house.registry.version('busy', 1)).approval, 'Approved');
      await create('Busy');
      assert.equal((await house.side.models.findModel('busy'))?.version, 2);
      inUse.clear();
      await remove('busy');
    });

    test('goes when its version is deleted by another door, and its tags with it', async () => {
      await create('undone', { PrimaryContainer: primary, Tags: [{ Key: 'a', Value: 'b' }] });
      await house.registry.deleteVersion('undone', 1, 'me');
      await assert.rejects(describeModel('undone'), refusal(/Could not find model/));
      const tags = await house.db.selectFrom('aws_documents').select('name').where('kind', '=', 'tags').execute();
      assert(!tags.some((each) => each.name === 'model/undone'));
    });

    test('finds another group where its name is taken, and never two the same', async () => {
      await registerNatively('Taken');
      const names = ['taken', 'taken-model'];
      await create('taken');
      assert.equal((await house.side.models.findModel('taken'))?.group, 'taken-model');
      await create('taken-model');
      assert.equal((await house.side.models.findModel('taken-model'))?.group, 'taken-model-model');
      for (const each of names) await remove(each);
      const long = 'l'.repeat(63);
      await registerNatively(long);
      await create(long);
      assert.equal((await house.side.models.findModel(long))?.group, `${'l'.repeat(57)}-model`);
    });

    test('of one name is made once, however many ask at once', async () => {
      const all = await Promise.allSettled(Array.from({ length: 6 }, () => create('crowd')));
      assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 1);
      for (const each of all) {
        if (each.status === 'rejected') assert(refusal(/^Cannot create already existing model/)(each.reason));
      }
      const left = await house.registry.versions('crowd');
      assert.deepEqual(
        left.map((version) => version.name.toLowerCase()),
        ['crowd/1'],
      );
      assert(!(await isGroup('crowd-model')));
    });

    test('may stand for a package that is Approved, and for no other', async () => {
      await house.ask('CreateModelPackageGroup', { ModelPackageGroupName: 'packed' });
      const InferenceSpecification = { Containers: [{ ...primary, Image: 'mine/penstock/onnx' }] };
      const { ModelPackageArn } = await house.ask('CreateModelPackage', { ModelPackageGroupName: 'packed', InferenceSpecification });
      const container = { ModelPackageName: ModelPackageArn };
      const pending = refusal(`ModelPackage ${ModelPackageArn} is PendingManualApproval: only an Approved one can be deployed.`);
      await assert.rejects(create('early', { PrimaryContainer: container }), pending);
      await house.ask('UpdateModelPackage', { ModelPackageArn, ModelApprovalStatus: 'Approved' });
      await create('approved', { Containers: [container], Tags: [{ Key: 'a', Value: 'b' }] });
      assert.deepEqual(await house.side.models.findModel('approved').then((found) => [found?.group, found?.version, found?.image]), [
        'packed',
        1,
        'mine/penstock/onnx',
      ]);
      await assert.rejects(create('both', { PrimaryContainer: { ...primary, ...container } }), refusal(/neither Image nor ModelDataUrl/));
      const nobody = create('nobody', { PrimaryContainer: { ModelPackageName: arn('model-package/packed/9') } });
      await assert.rejects(nobody, refusal(`ModelPackage ${arn('model-package/packed/9')} does not exist.`));
      const bad = { Containers: [{ ...primary, ModelDataUrl: 's3://models/bad.onnx' }] };
      const failed = await house.ask('CreateModelPackage', { ModelPackageGroupName: 'packed', InferenceSpecification: bad });
      const ofFailed = create('failed', { PrimaryContainer: { ModelPackageName: failed.ModelPackageArn } });
      await assert.rejects(ofFailed, refusal(/is Failed and cannot be deployed/));
      await house.ask('CreateModelPackage', { ModelPackageGroupName: 'packed', InferenceSpecification, ModelApprovalStatus: 'Approved' });
      await create('vanish', { PrimaryContainer: { ModelPackageName: arn('model-package/packed/3') } });
      await house.ask('DeleteModelPackage', { ModelPackageName: arn('model-package/packed/3') });
      const gone = 'Could not find model package "packed/3", of which model "vanish" was made: it was deleted. Delete the model,';
      await assert.rejects(house.side.models.findModel('vanish'), refusal(new RegExp(`^${gone}`)));
      await remove('vanish');
      await remove('approved');
      assert.equal((await house.registry.version('packed', 1)).approval, 'Approved', 'the package stays');
      await create('approved', { PrimaryContainer: container });
      assert.deepEqual((await house.ask('ListTags', { ResourceArn: arn('model/approved') })).Tags, [], 'a new one has no old tags');
    });

    test('is shown for a version that was registered by another door, as GROUP-N', async () => {
      const version = await registerNatively('native-one');
      const { CreationTime, ...shown } = await describeModel('native-one-1');
      assert(CreationTime instanceof Date);
      assert.deepEqual(shown, {
        ModelName: 'native-one-1',
        ModelArn: arn('model/native-one-1'),
        PrimaryContainer: {
          Image: 'penstock/onnx',
          ImageDigest: `sha256:${version.artifact.sha256}`,
          ModelDataUrl: 's3://penstock-models/native-one/1/model.onnx',
          ModelPackageName: arn('model-package/native-one/1'),
        },
        EnableNetworkIsolation: false,
      });
      assert.equal((await house.side.models.findModel('native-one-1'))?.group, 'native-one');
      await create('beside');
      assert.equal((await describeModel('beside-1')).PrimaryContainer.ModelPackageName, undefined, 'its version is no package');
      await assert.rejects(remove('native-one-1'), refusal(/goes when that is deleted/));
      await assert.rejects(describeModel('native-one-2'), refusal(/Could not find model/));
    });

    test('is not made of what cannot be served, and leaves nothing of the attempt', async () => {
      const refused: readonly (readonly [object, RegExp])[] = [
        [{}, /either PrimaryContainer or Containers/],
        [{ PrimaryContainer: primary, Containers: [primary] }, /either PrimaryContainer or Containers/],
        [{ Containers: [primary, primary] }, /Pipelines of 2 containers/],
        [{ Containers: [] }, /Containers is empty/],
        [{ PrimaryContainer: { ModelDataUrl: primary.ModelDataUrl } }, /needs an Image/],
        [{ PrimaryContainer: { ...primary, Mode: 'MultiModel' } }, /Mode MultiModel is not served/],
        [
          { PrimaryContainer: { ...primary, ModelDataUrl: 's3://models/bad.onnx' } },
          /^The model cannot be served: this is not an ONNX model$/,
        ],
        [{ PrimaryContainer: { ...primary, Environment: { A: 'x'.repeat(33_000) } } }, /33001 bytes in all, at most 32768/],
        [{ PrimaryContainer: primary, Tags: [{ Key: 'penstock:objective', Value: 'fast' }] }, /penstock:objective/],
      ];
      for (const [input, message] of refused) await assert.rejects(create('refused', input), refusal(message), message.source);
      assert(!(await isGroup('refused')));
      assert.equal(await house.side.models.findModel('refused'), null);
    });

    test('has a group that a package group of that name takes over, with the Model in it', async () => {
      await create('shared');
      await house.ask('CreateModelPackageGroup', {
        ModelPackageGroupName: 'shared',
        ModelPackageGroupDescription: 'ours',
        Tags: [{ Key: 'k', Value: 'v' }],
      });
      const group = await house.ask('DescribeModelPackageGroup', { ModelPackageGroupName: 'shared' });
      assert.equal(group.ModelPackageGroupName, 'shared');
      assert.deepEqual((await house.registry.describeGroup('shared')).tags, { k: 'v' });
      await remove('shared');
      assert(await isGroup('shared'), 'it is a group of its own now');
    });

    test('is listed the latest first, page by page', async () => {
      for (const each of ['list-a', 'list-c', 'list-b']) {
        house.clock.advance(10);
        await create(each);
      }
      const names = async (input: object) => {
        const { Models, NextToken } = await house.ask('ListModels', { NameContains: 'LIST-', ...input });
        return [Models.map(({ ModelName }) => ModelName), NextToken] as const;
      };
      const [first, NextToken] = await names({ MaxResults: 2 });
      assert.deepEqual(first, ['list-b', 'list-c']);
      assert.deepEqual(await names({ MaxResults: 2, NextToken }), [['list-a'], undefined]);
      assert.deepEqual((await names({ SortBy: 'Name', SortOrder: 'Ascending' }))[0], ['list-a', 'list-b', 'list-c']);
    });
  });
}

modelsContract('SQLite', async () => undefined);
modelsContract('PostgreSQL', openPglite);
