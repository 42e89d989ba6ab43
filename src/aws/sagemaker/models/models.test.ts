import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openRegistryFixture, type RegistryFixture } from '../../../../test/aws-registry-fixture.ts';
import { openPglite } from '../../../../test/pglite.ts';
import { PlatformError } from '../../../errors.ts';
import type { OpenDatabase } from '../../../storage/index.ts';
import { AwsError } from '../../service.ts';

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
    let fixture: RegistryFixture;
    /** Versions that count as served by an endpoint. */
    const inUse = new Set<string>();
    const primary = { Image: 'penstock/onnx:1', ModelDataUrl: 's3://models/good.onnx' };
    const create = (ModelName: string, more: object = { PrimaryContainer: primary }) => fixture.call('CreateModel', { ModelName, ...more });
    const modelOf = (ModelName: string) => fixture.call('DescribeModel', { ModelName });
    const remove = (ModelName: string) => fixture.call('DeleteModel', { ModelName });
    const registerNatively = async (group: string, text = 'n') =>
      (await fixture.registry.register({ group, source: Buffer.from(text), sourceName: 'm.onnx', who: 'me' })).version;
    const isGroup = (group: string) =>
      fixture.registry.describeGroup(group).then(
        () => true,
        (error) => !(error instanceof PlatformError && error.code === 'not_found'),
      );

    before(async () => {
      const database = await open();
      fixture = await openRegistryFixture({
        ...(database === undefined ? {} : { database }),
        inUse: async (group, version) => (inUse.has(`${group}/${version}`) ? ['endpoint prod'] : []),
      });
      await fixture.put('good.onnx', 'good');
      await fixture.put('bad.onnx', 'bad');
    });
    after(() => fixture.close());

    test('emits an event when it is created and when it is deleted', async () => {
      const before = (await fixture.events.since(0, 100_000)).at(-1)?.seq ?? 0;
      await create('observed');
      await remove('Observed');
      const since = await fixture.events.since(before, 1000);
      assert.deepEqual(
        since.filter(({ kind }) => kind.startsWith('model.')).map(({ kind, subject }) => [kind, subject]),
        [
          ['model.created', 'observed'],
          ['model.deleted', 'observed'],
        ],
      );
    });

    test('is created from a container, described as it was created, and found regardless of case', async () => {
      const input = {
        ExecutionRoleArn: 'arn:aws:iam::000000000000:role/any',
        VpcConfig: { SecurityGroupIds: ['sg-1'], Subnets: ['subnet-1'] },
        PrimaryContainer: { ...primary, Environment: { A: 'b' }, ContainerHostname: 'one', FutureMember: { a: 1 } },
        FutureMember: [1],
      };
      const { ModelArn } = await create('Iris', { ...input, Tags: [{ Key: 'a', Value: 'b' }] });
      assert.equal(ModelArn, arn('model/iris'));
      assert.deepEqual(await modelOf('IRIS'), {
        ...input,
        PrimaryContainer: { Mode: 'SingleModel', ...input.PrimaryContainer },
        EnableNetworkIsolation: false,
        ModelName: 'Iris',
        ModelArn,
        CreationTime: new Date(fixture.clock.wallMs()),
      });
      await assert.rejects(create('iris'), refusal(`Cannot create already existing model "${ModelArn}".`));
      const { group, version, ...found } = (await fixture.services.models.findModel('iris')) ?? assert.fail();
      const registered = await fixture.registry.version(group, version);
      assert.deepEqual([group, version, registered.approval], ['Iris', 1, 'Approved']);
      assert.deepEqual(found, {
        name: 'Iris',
        image: 'penstock/onnx:1',
        resolvedImage: `penstock/onnx:1@sha256:${registered.artifact.sha256}`,
      });
      assert.deepEqual((await fixture.call('ListTags', { ResourceArn: ModelArn })).Tags, [{ Key: 'a', Value: 'b' }]);
      const groups = await fixture.call('ListModelPackageGroups', {});
      assert.deepEqual(groups.ModelPackageGroupSummaryList, [], 'its internal group is not listed');
    });

    test('deletes its version and internal group with it', async () => {
      await create('passing');
      assert(await isGroup('passing'));
      assert.deepEqual(await remove('passing'), {});
      assert(!(await isGroup('passing')));
      const missing = refusal(`Could not find model "${arn('model/passing')}".`);
      await assert.rejects(modelOf('passing'), missing);
      await assert.rejects(remove('passing'), missing);
      assert.equal(await fixture.services.models.findModel('passing'), null);
    });

    test('keeps a version that an endpoint serves, and a new Model of its name continues in that group', async () => {
      await create('busy');
      inUse.add('busy/1');
      await remove('busy');
      assert.equal((await fixture.registry.version('busy', 1)).approval, 'Approved');
      await create('Busy');
      assert.equal((await fixture.services.models.findModel('busy'))?.version, 2);
      inUse.clear();
      await remove('busy');
    });

    test('is deleted with its tags when another API deletes its version', async () => {
      await create('undone', { PrimaryContainer: primary, Tags: [{ Key: 'a', Value: 'b' }] });
      await fixture.registry.deleteVersion('undone', 1, 'me');
      await assert.rejects(modelOf('undone'), refusal(/Could not find model/));
      const tags = await fixture.db.selectFrom('aws_documents').select('name').where('kind', '=', 'tags').execute();
      assert(!tags.some((each) => each.name === 'model/undone'));
    });

    test('uses another group name if its own is taken', async () => {
      await registerNatively('Taken');
      const names = ['taken', 'taken-model'];
      await create('taken');
      assert.equal((await fixture.services.models.findModel('taken'))?.group, 'taken-model');
      await create('taken-model');
      assert.equal((await fixture.services.models.findModel('taken-model'))?.group, 'taken-model-model');
      for (const each of names) await remove(each);
      const long = 'l'.repeat(63);
      await registerNatively(long);
      await create(long);
      assert.equal((await fixture.services.models.findModel(long))?.group, `${'l'.repeat(57)}-model`);
    });

    test('is created once by concurrent calls', async () => {
      const all = await Promise.allSettled(Array.from({ length: 6 }, () => create('crowd')));
      assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 1);
      for (const each of all) {
        if (each.status === 'rejected') assert(refusal(/^Cannot create already existing model/)(each.reason));
      }
      const versions = await fixture.registry.versions('crowd');
      assert.deepEqual(
        versions.map((version) => version.name.toLowerCase()),
        ['crowd/1'],
      );
      assert(!(await isGroup('crowd-model')));
    });

    for (const [image, ModelDataUrl] of [
      ['penstock/onnx:1', 's3://models/good.onnx'],
      ['python-server:1', undefined],
    ] as const) {
      test(`created from the container ${image} is Approved if its caller may approve, and pending otherwise`, async () => {
        const kind = image.split(/\W/)[0] ?? '';
        const PrimaryContainer = { Image: image, ...(ModelDataUrl === undefined ? {} : { ModelDataUrl }) };
        for (const [role, approval] of [
          ['deployer', 'PendingManualApproval'],
          ['approver', 'Approved'],
          ['admin', 'Approved'],
        ] as const) {
          const ModelName = `${kind}-by-${role}`;
          await fixture.call('CreateModel', { ModelName, PrimaryContainer }, role);
          const version = await fixture.registry.version(ModelName, 1);
          assert.equal(version.approval, approval, role);
          assert.equal((await fixture.services.models.findModel(ModelName))?.version, 1);
        }
      });
    }

    test('can refer to a package only if that is Approved', async () => {
      await fixture.call('CreateModelPackageGroup', { ModelPackageGroupName: 'packed' });
      const InferenceSpecification = { Containers: [{ ...primary, Image: 'mine/penstock/onnx' }] };
      const { ModelPackageArn } = await fixture.call('CreateModelPackage', { ModelPackageGroupName: 'packed', InferenceSpecification });
      const container = { ModelPackageName: ModelPackageArn };
      const pending = refusal(`ModelPackage ${ModelPackageArn} is PendingManualApproval: expected Approved.`);
      await assert.rejects(create('early', { PrimaryContainer: container }), pending);
      await fixture.call('UpdateModelPackage', { ModelPackageArn, ModelApprovalStatus: 'Approved' });
      await create('approved', { Containers: [container], Tags: [{ Key: 'a', Value: 'b' }] });
      assert.deepEqual(await fixture.services.models.findModel('approved').then((found) => [found?.group, found?.version, found?.image]), [
        'packed',
        1,
        'mine/penstock/onnx',
      ]);
      await assert.rejects(
        create('both', { PrimaryContainer: { ...primary, ...container } }),
        refusal(/must not have Image, ModelDataUrl/),
      );
      const missingPackage = create('missing', { PrimaryContainer: { ModelPackageName: arn('model-package/packed/9') } });
      await assert.rejects(missingPackage, refusal(`ModelPackage ${arn('model-package/packed/9')} does not exist.`));
      const bad = { Containers: [{ ...primary, ModelDataUrl: 's3://models/bad.onnx' }] };
      const failed = await fixture.call('CreateModelPackage', { ModelPackageGroupName: 'packed', InferenceSpecification: bad });
      const ofFailed = create('failed', { PrimaryContainer: { ModelPackageName: failed.ModelPackageArn } });
      await assert.rejects(ofFailed, refusal(/is Failed \(.*\) and cannot be deployed/));
      await fixture.call('CreateModelPackage', {
        ModelPackageGroupName: 'packed',
        InferenceSpecification,
        ModelApprovalStatus: 'Approved',
      });
      await create('vanish', { PrimaryContainer: { ModelPackageName: arn('model-package/packed/3') } });
      await fixture.call('DeleteModelPackage', { ModelPackageName: arn('model-package/packed/3') });
      const deletedPackage = 'Model package "packed/3" of model "vanish" was deleted. Delete the model,';
      await assert.rejects(fixture.services.models.findModel('vanish'), refusal(new RegExp(`^${deletedPackage}`)));
      await remove('vanish');
      await remove('approved');
      assert.equal((await fixture.registry.version('packed', 1)).approval, 'Approved', 'the package stays');
      await create('approved', { PrimaryContainer: container });
      assert.deepEqual(
        (await fixture.call('ListTags', { ResourceArn: arn('model/approved') })).Tags,
        [],
        'a new Model of that name has no tags',
      );
    });

    test('GROUP-N is derived for a version that another API registered', async () => {
      const version = await registerNatively('native-one');
      const { CreationTime, ...described } = await modelOf('native-one-1');
      assert(CreationTime instanceof Date);
      assert.deepEqual(described, {
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
      assert.equal((await fixture.services.models.findModel('native-one-1'))?.group, 'native-one');
      await create('internal');
      assert.equal((await modelOf('internal-1')).PrimaryContainer.ModelPackageName, undefined, 'its version is not a package');
      await assert.rejects(remove('native-one-1'), refusal(/is deleted with it/));
      await assert.rejects(modelOf('native-one-2'), refusal(/Could not find model/));
    });

    test('rejects an unusable container and leaves nothing behind', async () => {
      const rejected: readonly (readonly [object, RegExp])[] = [
        [{}, /either PrimaryContainer or Containers/],
        [{ PrimaryContainer: primary, Containers: [primary] }, /either PrimaryContainer or Containers/],
        [{ Containers: [primary, primary] }, /expected 1 container, got 2/],
        [{ Containers: [] }, /Containers is empty/],
        [{ PrimaryContainer: { ModelDataUrl: primary.ModelDataUrl } }, /requires an Image/],
        [{ PrimaryContainer: { ...primary, Mode: 'MultiModel' } }, /Mode MultiModel requires a ModelDataUrl of a folder/],
        [
          { PrimaryContainer: { ...primary, ModelDataUrl: 's3://models/bad.onnx' } },
          /^The model cannot be served: this is not an ONNX model$/,
        ],
        [{ PrimaryContainer: { ...primary, Environment: { A: 'x'.repeat(33_000) } } }, /at most 32768 bytes in total, got 33001/],
        [{ PrimaryContainer: primary, Tags: [{ Key: 'penstock:objective', Value: 'fast' }] }, /penstock:objective/],
      ];
      for (const [input, message] of rejected) await assert.rejects(create('rejected', input), refusal(message), message.source);
      assert(!(await isGroup('rejected')));
      assert.equal(await fixture.services.models.findModel('rejected'), null);
    });

    test('keeps its version when a new package group takes over its internal group', async () => {
      await create('shared');
      await fixture.call('CreateModelPackageGroup', {
        ModelPackageGroupName: 'shared',
        ModelPackageGroupDescription: 'ours',
        Tags: [{ Key: 'k', Value: 'v' }],
      });
      const group = await fixture.call('DescribeModelPackageGroup', { ModelPackageGroupName: 'shared' });
      assert.equal(group.ModelPackageGroupName, 'shared');
      assert.deepEqual((await fixture.registry.describeGroup('shared')).tags, { k: 'v' });
      await remove('shared');
      assert(await isGroup('shared'), 'the group is no longer internal');
    });

    test('is listed newest first, page by page', async () => {
      for (const each of ['list-a', 'list-c', 'list-b']) {
        fixture.clock.advance(10);
        await create(each);
      }
      const names = async (input: object) => {
        const { Models, NextToken } = await fixture.call('ListModels', { NameContains: 'LIST-', ...input });
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
