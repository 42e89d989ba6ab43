import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openRegistryFixture, type RegistryFixture } from '../../../../test/aws-registry-fixture.ts';
import { openPglite } from '../../../../test/pglite.ts';
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

function packagesContract(name: string, open: () => Promise<OpenDatabase | undefined>): void {
  let fixture: RegistryFixture;
  let count = 0;
  before(async () => {
    const database = await open();
    fixture = await openRegistryFixture(database === undefined ? {} : { database });
    await fixture.put('good.onnx', 'good');
    await fixture.put('bad.onnx', 'bad');
  });
  after(() => fixture.close());

  const specification = (file = 'good.onnx') => ({
    Containers: [{ Image: 'penstock/onnx:1', ModelDataUrl: `s3://models/${file}`, Framework: 'SKLEARN', FutureMember: { a: [1] } }],
    SupportedContentTypes: ['text/csv'],
  });
  const freshGroup = async (): Promise<string> => {
    const group = `Group-${count++}`;
    await fixture.call('CreateModelPackageGroup', { ModelPackageGroupName: group });
    return group;
  };
  const create = async (group: string, more: object = {}): Promise<string> => {
    const input = { ModelPackageGroupName: group, InferenceSpecification: specification(), ...more };
    return (await fixture.call('CreateModelPackage', input)).ModelPackageArn;
  };
  const describePackage = (ModelPackageName: string) => fixture.call('DescribeModelPackage', { ModelPackageName });

  describe(`a model package group on ${name}`, () => {
    test('is created, described with unknown members, listed, and deleted', async () => {
      const { call, clock } = fixture;
      const input = { ModelPackageGroupName: 'Digits', ModelPackageGroupDescription: 'für alle 🌊', FutureMember: [1] };
      const { ModelPackageGroupArn } = await call('CreateModelPackageGroup', { ...input, Tags: [{ Key: 'a', Value: 'b' }] });
      assert.equal(ModelPackageGroupArn, arn('model-package-group/digits'));
      for (const reference of ['Digits', 'DIGITS', ModelPackageGroupArn]) {
        assert.deepEqual(await call('DescribeModelPackageGroup', { ModelPackageGroupName: reference }), {
          ...input,
          ModelPackageGroupArn,
          CreationTime: new Date(clock.wallMs()),
          CreatedBy: { IamIdentity: { Arn: 'arn:aws:iam::000000000000:user/AKME', PrincipalId: 'AKME' } },
          ModelPackageGroupStatus: 'Completed',
        });
      }
      assert.deepEqual((await fixture.registry.describeGroup('digits')).tags, { a: 'b' });
      const { ModelPackageGroupSummaryList } = await call('ListModelPackageGroups', { NameContains: 'DIG' });
      assert.deepEqual(
        ModelPackageGroupSummaryList.map((group) => group.ModelPackageGroupName),
        ['Digits'],
      );
      const again = call('CreateModelPackageGroup', { ModelPackageGroupName: 'digits' });
      await assert.rejects(again, refusal(`Model Package Group already exists: ${ModelPackageGroupArn}`));
      assert.deepEqual(await call('DeleteModelPackageGroup', { ModelPackageGroupName: 'digits' }), {});
      const missing = refusal(`ModelPackageGroup ${ModelPackageGroupArn} does not exist.`);
      await assert.rejects(call('DescribeModelPackageGroup', { ModelPackageGroupName: 'digits' }), missing);
      await assert.rejects(call('DeleteModelPackageGroup', { ModelPackageGroupName: 'digits' }), missing);
      await assert.rejects(create('digits'), missing);
    });

    test('that another API created is listed, and its versions have derived descriptions', async () => {
      await fixture.registry.register({ group: 'Native', source: Buffer.from('n'), sourceName: 'm', who: 'me', metadata: { team: 'a' } });
      const { CreatedBy, ...group } = await fixture.call('DescribeModelPackageGroup', { ModelPackageGroupName: 'native' });
      assert.deepEqual([CreatedBy, group.ModelPackageGroupName], [{}, 'Native']);
      const { CreationTime, ...described } = await describePackage('native/1');
      const sha256 = (await fixture.registry.version('native', 1)).artifact.sha256;
      assert(CreationTime instanceof Date);
      const types = ['application/json', 'text/csv', 'application/x-npy'];
      assert.deepEqual(described, {
        ModelPackageName: 'Native',
        ModelPackageGroupName: 'Native',
        ModelPackageVersion: 1,
        ModelPackageArn: arn('model-package/native/1'),
        InferenceSpecification: {
          Containers: [
            { Image: 'penstock/onnx', ImageDigest: `sha256:${sha256}`, ModelDataUrl: 's3://penstock-models/Native/1/model.onnx' },
          ],
          SupportedContentTypes: types,
          SupportedResponseMIMETypes: types,
        },
        ModelPackageStatus: 'Completed',
        ModelPackageStatusDetails: { ValidationStatuses: [{ Name: 'ModelFile', Status: 'Completed' }], ImageScanStatuses: [] },
        ModelApprovalStatus: 'PendingManualApproval',
        CreatedBy: { IamIdentity: { Arn: 'arn:aws:iam::000000000000:user/me', PrincipalId: 'me' } },
        CustomerMetadataProperties: { team: 'a' },
      });
    });
  });

  describe(`a version of a group on ${name}`, () => {
    test('gets ascending numbers that are never reused, and is a version of the registry', async () => {
      const group = await freshGroup();
      const key = group.toLowerCase();
      assert.equal(await create(group), arn(`model-package/${key}/1`));
      assert.equal(await create(arn(`model-package-group/${key}`)), arn(`model-package/${key}/2`));
      await fixture.call('DeleteModelPackage', { ModelPackageName: arn(`model-package/${key}/2`) });
      assert.equal(await create(group), arn(`model-package/${key}/3`));
      await assert.rejects(describePackage(`${group}/2`), refusal(`ModelPackage ${arn(`model-package/${key}/2`)} does not exist.`));
      assert.deepEqual(
        (await fixture.registry.versions(group)).map((version) => version.version),
        [3, 1],
      );
      const conflict = fixture.call('DeleteModelPackageGroup', { ModelPackageGroupName: group });
      await assert.rejects(conflict, refusal(/still holds model packages/, 'ConflictException'));
    });

    test('is described as it was created, with unknown members', async () => {
      const group = await freshGroup();
      const input = {
        ModelPackageDescription: 'erste 版 🌊',
        ModelMetrics: { ModelQuality: { Statistics: { ContentType: 'application/json', S3Uri: 's3://b/k' } } },
        CustomerMetadataProperties: { team: 'a' },
        MetadataProperties: { CommitId: 'abc' },
        Domain: 'MACHINE_LEARNING',
        FutureMember: { deep: [1, { b: null }] },
      };
      const ModelPackageArn = await create(group, { ...input, Tags: [{ Key: 't', Value: 'v' }], ClientToken: 'x' });
      const version = await fixture.registry.version(group, 1);
      const [container] = specification().Containers;
      assert.deepEqual(await describePackage(`${group}/1`), {
        ...input,
        ModelPackageName: group,
        ModelPackageGroupName: group,
        ModelPackageVersion: 1,
        ModelPackageArn,
        CreationTime: new Date(version.createdAtMs),
        InferenceSpecification: { ...specification(), Containers: [{ ...container, ImageDigest: `sha256:${version.artifact.sha256}` }] },
        ModelPackageStatus: 'Completed',
        ModelPackageStatusDetails: { ValidationStatuses: [{ Name: 'ModelFile', Status: 'Completed' }], ImageScanStatuses: [] },
        ModelApprovalStatus: 'PendingManualApproval',
        CreatedBy: { IamIdentity: { Arn: 'arn:aws:iam::000000000000:user/AKME', PrincipalId: 'AKME' } },
      });
      assert.deepEqual([version.description, version.metadata, version.tags], [input.ModelPackageDescription, { team: 'a' }, { t: 'v' }]);
      await fixture.registry.update(group, 1, { description: '', metadata: {} }, 'me');
      const changed = await describePackage(`${group}/1`);
      assert.deepEqual([changed.ModelPackageDescription, changed.CustomerMetadataProperties], [undefined, undefined]);
    });

    test('is Failed with a reason if the file is not a model; it uses up its number and cannot be approved', async () => {
      const group = await freshGroup();
      const ModelPackageArn = await create(group, {
        InferenceSpecification: specification('bad.onnx'),
        ModelApprovalStatus: 'Approved',
        Tags: [{ Key: 'a', Value: 'b' }],
      });
      const described = await describePackage(ModelPackageArn);
      assert.deepEqual(
        [
          described.ModelPackageVersion,
          described.ModelPackageStatus,
          described.ModelApprovalStatus,
          described.ModelPackageStatusDetails.ValidationStatuses,
        ],
        [1, 'Failed', 'PendingManualApproval', [{ Name: 'ModelFile', Status: 'Failed', FailureReason: 'this is not an ONNX model' }]],
      );
      assert.equal(await create(group), arn(`model-package/${group.toLowerCase()}/2`));
      const approve = fixture.call('UpdateModelPackage', { ModelPackageArn, ModelApprovalStatus: 'Approved' });
      await assert.rejects(approve, refusal(/is Failed \(this is not an ONNX model\) and cannot be approved or rejected/));
      await fixture.call('UpdateModelPackage', { ModelPackageArn, CustomerMetadataProperties: { k: 'v' } });
      assert.deepEqual((await describePackage(ModelPackageArn)).CustomerMetadataProperties, { k: 'v' });
      assert.deepEqual((await fixture.call('ListTags', { ResourceArn: ModelPackageArn })).Tags, [{ Key: 'a', Value: 'b' }]);
      await fixture.call('DeleteModelPackage', { ModelPackageName: `${group}/2` });
      const conflict = fixture.call('DeleteModelPackageGroup', { ModelPackageGroupName: group });
      await assert.rejects(conflict, refusal(/still holds/, 'ConflictException'));
      await fixture.call('DeleteModelPackage', { ModelPackageName: ModelPackageArn });
      await fixture.call('DeleteModelPackageGroup', { ModelPackageGroupName: group });
      assert.equal(
        (await fixture.db.selectFrom('aws_documents').selectAll().where('group_key', '=', group.toLowerCase()).execute()).length,
        0,
      );
    });

    test('is rejected without using up a number if its file is missing or unusable', async () => {
      const group = await freshGroup();
      const missing = create(group, { InferenceSpecification: specification('none.onnx') });
      await assert.rejects(missing, refusal('Could not find model data at s3://models/none.onnx.'));
      const alone = { ModelPackageGroupName: undefined, ModelPackageName: 'alone', InferenceSpecification: undefined };
      await assert.rejects(create(group, alone), refusal(/requires an InferenceSpecification/));
      const two = [...specification().Containers, ...specification().Containers];
      await assert.rejects(create(group, { InferenceSpecification: { Containers: two } }), refusal(/expected 1 container, got 2/));
      await assert.rejects(
        create(group, { ModelPackageName: 'x' }),
        refusal(/^Both ModelPackageName and ModelPackageGroupName are provided/),
      );
      await assert.rejects(
        create('x', { ModelPackageGroupName: undefined }),
        refusal(/^Neither ModelPackageName nor ModelPackageGroupName/),
      );
      assert.equal(await create(group), arn(`model-package/${group.toLowerCase()}/1`));
    });

    test('is created once by calls with the same token, even concurrent ones, and again after it was deleted', async () => {
      const group = await freshGroup();
      const ClientToken = `token-${group}`;
      const arns = await Promise.all(Array.from({ length: 8 }, () => create(group, { ClientToken })));
      assert.deepEqual([...new Set(arns)], [arn(`model-package/${group.toLowerCase()}/1`)]);
      assert.equal((await fixture.registry.versions(group)).length, 1);
      const other = create(group, { ClientToken, ModelPackageDescription: 'another' });
      await assert.rejects(other, refusal(/ClientToken was used before by a call with other members/));
      await fixture.call('DeleteModelPackage', { ModelPackageName: `${group}/1` });
      assert.equal(await create(group, { ClientToken }), arn(`model-package/${group.toLowerCase()}/2`));
      fixture.clock.advance(25 * 3_600_000);
      assert.equal(await create(group, { ClientToken, ModelPackageDescription: 'b' }), arn(`model-package/${group.toLowerCase()}/3`));
    });

    test('cannot be deleted while an endpoint serves it', async () => {
      const busy = await openRegistryFixture({ inUse: async () => ['endpoint prod'] });
      await busy.put('good.onnx', 'good');
      await busy.call('CreateModelPackageGroup', { ModelPackageGroupName: 'g' });
      await busy.call('CreateModelPackage', { ModelPackageGroupName: 'g', InferenceSpecification: specification() });
      const deleting = busy.call('DeleteModelPackage', { ModelPackageName: 'g/1' });
      await assert.rejects(deleting, refusal(/g\/1 is used by endpoint prod/, 'ConflictException'));
      await busy.close();
    });
  });

  describe(`the approval of a version on ${name}`, () => {
    test('can be set at creation or later, through any API', async () => {
      const group = await freshGroup();
      await create(group, { ModelApprovalStatus: 'Approved' });
      assert.equal((await fixture.registry.version(group, 1)).approval, 'Approved');
      const ModelPackageArn = await create(group);
      fixture.clock.advance(1000);
      await fixture.registry.setApproval(group, 2, 'Approved', { who: 'boss', note: 'fine' });
      const approved = await describePackage(ModelPackageArn);
      assert.deepEqual(
        [approved.ModelApprovalStatus, approved.ApprovalDescription, approved.LastModifiedBy.IamIdentity.PrincipalId],
        ['Approved', 'fine', 'boss'],
      );
      assert.deepEqual(approved.LastModifiedTime, new Date(fixture.clock.wallMs()));
      fixture.clock.advance(1000);
      const update = { ModelPackageArn, ModelApprovalStatus: 'Rejected', ApprovalDescription: 'not 好 enough' };
      assert.deepEqual(await fixture.call('UpdateModelPackage', update), { ModelPackageArn });
      const rejected = await fixture.registry.version(group, 2);
      assert.deepEqual([rejected.approval, rejected.approvalNote, rejected.approvalChangedBy], ['Rejected', 'not 好 enough', 'AKME']);
      const described = await describePackage(ModelPackageArn);
      assert.deepEqual(
        [described.LastModifiedTime, described.LastModifiedBy.IamIdentity.PrincipalId],
        [new Date(fixture.clock.wallMs()), 'AKME'],
      );
      await fixture.call('UpdateModelPackage', { ModelPackageArn, ApprovalDescription: 'for another reason' });
      assert.equal((await describePackage(ModelPackageArn)).ApprovalDescription, 'for another reason');
      await fixture.call('UpdateModelPackage', { ModelPackageArn, ModelApprovalStatus: 'PendingManualApproval' });
      assert.equal((await describePackage(ModelPackageArn)).ModelApprovalStatus, 'PendingManualApproval');
      const kinds = (await fixture.events.since(0, 1000)).map(({ kind, subject }) => `${kind} ${subject}`);
      assert(kinds.includes(`version.rejected ${group}/2`));
    });

    test('changes together with the other members of an update, or not at all', async () => {
      const group = await freshGroup();
      const ModelPackageArn = await create(group, { CustomerMetadataProperties: { a: '1', b: '2' } });
      const more = { Name: 'big', Containers: specification().Containers };
      await fixture.call('UpdateModelPackage', {
        ModelPackageArn,
        CustomerMetadataProperties: { b: '3', c: '4' },
        CustomerMetadataPropertiesToRemove: ['a'],
        ModelLifeCycle: { Stage: 'prod', StageStatus: 'live' },
        AdditionalInferenceSpecificationsToAdd: [more],
        FutureMember: 1,
      });
      const described = await describePackage(ModelPackageArn);
      assert.deepEqual(described.CustomerMetadataProperties, { b: '3', c: '4' });
      assert.deepEqual((await fixture.registry.version(group, 1)).metadata, { b: '3', c: '4' });
      assert.deepEqual(
        [described.ModelLifeCycle, described.AdditionalInferenceSpecifications, described.FutureMember],
        [{ Stage: 'prod', StageStatus: 'live' }, [more], 1],
      );
      const tooMany = Object.fromEntries(Array.from({ length: 49 }, (_, i) => [`k${i}`, 'v']));
      const update = { ModelPackageArn, ModelApprovalStatus: 'Approved', CustomerMetadataProperties: tooMany };
      await assert.rejects(fixture.call('UpdateModelPackage', update), refusal(/at most 50 CustomerMetadataProperties, got 51/));
      assert.equal((await describePackage(ModelPackageArn)).ModelApprovalStatus, 'PendingManualApproval');
      const other = { ...specification('bad.onnx'), SupportedContentTypes: ['text/csv'] };
      const replace = fixture.call('UpdateModelPackage', { ModelPackageArn, InferenceSpecification: other });
      await assert.rejects(replace, refusal(/already has a model/));
      const types = { ...specification(), SupportedContentTypes: ['application/json'] };
      await fixture.call('UpdateModelPackage', { ModelPackageArn, InferenceSpecification: types });
      assert.deepEqual((await describePackage(ModelPackageArn)).InferenceSpecification.SupportedContentTypes, ['application/json']);
    });

    test('can be set for a version of another API, which then gets a document', async () => {
      await fixture.registry.register({ group: `native-${name}`, source: Buffer.from('n'), sourceName: 'm', who: 'me' });
      const ModelPackageArn = arn(`model-package/native-${name.toLowerCase()}/1`);
      await fixture.call('UpdateModelPackage', { ModelPackageArn, ModelApprovalStatus: 'Approved', SourceUri: 'git://x' });
      const described = await describePackage(ModelPackageArn);
      assert.deepEqual(
        [described.ModelApprovalStatus, described.SourceUri, described.CreatedBy.IamIdentity.PrincipalId],
        ['Approved', 'git://x', 'me'],
      );
      assert.equal(described.InferenceSpecification.Containers[0].Image, 'penstock/onnx');
      await fixture.registry.deleteVersion(`native-${name}`, 1, 'me');
      await assert.rejects(describePackage(ModelPackageArn), refusal(/does not exist/));
    });
  });

  describe(`a version without a model on ${name}`, () => {
    const empty = async (group: string, more: object = {}): Promise<string> =>
      (await fixture.call('CreateModelPackage', { ModelPackageGroupName: group, ...more })).ModelPackageArn;

    test('gets its model, metadata and tags by an update, under its number', async () => {
      const group = await freshGroup();
      const tags = [{ Key: 'a', Value: 'b' }];
      const ModelPackageArn = await empty(group, { CustomerMetadataProperties: { k: 'v' }, Tags: tags });
      assert.equal(await create(group), arn(`model-package/${group.toLowerCase()}/2`));
      const before = await describePackage(ModelPackageArn);
      assert.deepEqual([before.ModelPackageVersion, before.ModelPackageStatus, before.InferenceSpecification], [1, 'Completed', undefined]);
      fixture.clock.advance(1000);
      await fixture.call('UpdateModelPackage', { ModelPackageArn, InferenceSpecification: specification() });
      const after = await describePackage(ModelPackageArn);
      assert.deepEqual(after.CreationTime, before.CreationTime);
      assert.deepEqual([after.ModelApprovalStatus, after.CustomerMetadataProperties], ['PendingManualApproval', { k: 'v' }]);
      assert.equal(after.InferenceSpecification.Containers[0].ModelDataUrl, 's3://models/good.onnx');
      assert.deepEqual((await fixture.call('ListTags', { ResourceArn: ModelPackageArn })).Tags, tags);
      assert.deepEqual((await fixture.registry.version(group, 1)).tags, { a: 'b' });
      const { ModelPackageSummaryList } = await fixture.call('ListModelPackages', { ModelPackageGroupName: group });
      const numbers = ModelPackageSummaryList.map((each: { ModelPackageVersion: number }) => each.ModelPackageVersion);
      assert.deepEqual(new Set(numbers), new Set([1, 2]));
    });

    test('cannot be approved or deployed before: an approval is a decision about a model', async () => {
      const group = await freshGroup();
      await assert.rejects(empty(group, { ModelApprovalStatus: 'Approved' }), refusal(/has no model and cannot be Approved/));
      const ModelPackageArn = await empty(group);
      const approve = { ModelPackageArn, ModelApprovalStatus: 'Approved' };
      await assert.rejects(fixture.call('UpdateModelPackage', approve), refusal(/has no model.* and cannot be approved/));
      const PrimaryContainer = { ModelPackageName: ModelPackageArn };
      await assert.rejects(
        fixture.call('CreateModel', { ModelName: 'early', PrimaryContainer }),
        refusal(/has no model.* cannot be deployed/),
      );
      await fixture.call('UpdateModelPackage', { ...approve, InferenceSpecification: specification() });
      assert.equal((await describePackage(ModelPackageArn)).ModelApprovalStatus, 'Approved');
      const again = fixture.call('UpdateModelPackage', { ModelPackageArn, InferenceSpecification: specification('bad.onnx') });
      await assert.rejects(again, refusal(/already has a model/));
    });

    test('stays without one if that cannot be served, and can be deleted', async () => {
      const group = await freshGroup();
      const ModelPackageArn = await empty(group);
      const add = fixture.call('UpdateModelPackage', { ModelPackageArn, InferenceSpecification: specification('bad.onnx') });
      await assert.rejects(add, refusal(/The model cannot be served: this is not an ONNX model/));
      assert.equal((await describePackage(ModelPackageArn)).InferenceSpecification, undefined);
      await fixture.call('DeleteModelPackage', { ModelPackageName: ModelPackageArn });
      await fixture.call('DeleteModelPackageGroup', { ModelPackageGroupName: group });
    });
  });

  describe(`a package without a group on ${name}`, () => {
    test('has an internal version that AWS lists do not show', async () => {
      const { call } = fixture;
      const ModelPackageName = `Ungrouped-${name}`;
      const input = { ModelPackageName, InferenceSpecification: specification(), ModelPackageDescription: 'ungrouped' };
      const { ModelPackageArn } = await call('CreateModelPackage', { ...input, Tags: [{ Key: 'a', Value: 'b' }] });
      assert.equal(ModelPackageArn, arn(`model-package/ungrouped-${name.toLowerCase()}`));
      const described = await describePackage(ModelPackageArn);
      assert.deepEqual(
        [
          described.ModelPackageName,
          described.ModelPackageGroupName,
          described.ModelPackageVersion,
          described.ModelApprovalStatus,
          described.ModelPackageDescription,
        ],
        [ModelPackageName, undefined, undefined, 'Approved', 'ungrouped'],
      );
      assert.deepEqual((await call('ListTags', { ResourceArn: ModelPackageArn })).Tags, [{ Key: 'a', Value: 'b' }]);
      await assert.rejects(call('CreateModelPackage', input), refusal(`Model Package already exists: ${ModelPackageArn}`));
      assert.equal((await fixture.registry.version(ModelPackageName, 1)).approval, 'Approved');
      const waiting = `Waiting-${name}`;
      await call('CreateModelPackage', { ...input, ModelPackageName: waiting }, 'deployer');
      assert.equal((await fixture.registry.version(waiting, 1)).approval, 'PendingManualApproval');
      assert.equal((await describePackage(waiting)).ModelApprovalStatus, 'PendingManualApproval');
      const refer = { ModelName: 'waits', PrimaryContainer: { ModelPackageName: waiting } };
      await assert.rejects(call('CreateModel', refer), refusal(/is PendingManualApproval: expected Approved/));
      await call('UpdateModelPackage', { ModelPackageArn: arn(`model-package/${waiting.toLowerCase()}`), ModelApprovalStatus: 'Approved' });
      await call('CreateModel', refer);
      await call('DeleteModelPackage', { ModelPackageName: waiting });
      await assert.rejects(call('DescribeModelPackageGroup', { ModelPackageGroupName: ModelPackageName }), refusal(/does not exist/));
      await assert.rejects(describePackage(`${ModelPackageName}/1`), refusal(/does not exist/));
      const { ModelPackageSummaryList } = await call('ListModelPackages', {});
      assert.deepEqual(
        ModelPackageSummaryList.map((each) => each.ModelPackageName),
        [ModelPackageName],
      );
      await call('DeleteModelPackage', { ModelPackageName });
      await assert.rejects(fixture.registry.describeGroup(ModelPackageName), /no model group/);
      await assert.rejects(call('ListTags', { ResourceArn: ModelPackageArn }), refusal(/Could not find resource/));
    });
  });

  describe(`lists of packages on ${name}`, () => {
    test('show the versions of a group page by page, filtered by approval and type', async () => {
      const group = await freshGroup();
      for (const status of ['Approved', 'PendingManualApproval', 'Rejected', 'Approved']) {
        await create(group, { ModelApprovalStatus: status });
        fixture.clock.advance(1);
      }
      await create(group, { InferenceSpecification: specification('bad.onnx') });
      const numbers = async (input: object): Promise<number[]> => {
        const found: number[] = [];
        for (let NextToken: string | undefined, first = true; first || NextToken !== undefined; first = false) {
          const more = NextToken === undefined ? {} : { NextToken };
          const page = await fixture.call('ListModelPackages', { ModelPackageGroupName: group, MaxResults: 2, ...input, ...more });
          found.push(...page.ModelPackageSummaryList.map((each) => each.ModelPackageVersion));
          NextToken = page.NextToken;
        }
        return found;
      };
      assert.deepEqual(await numbers({}), [1, 2, 3, 4, 5]);
      assert.deepEqual(await numbers({ SortOrder: 'Descending' }), [5, 4, 3, 2, 1]);
      assert.deepEqual(await numbers({ SortBy: 'Name', SortOrder: 'Descending' }), [5, 4, 3, 2, 1]);
      assert.deepEqual(await numbers({ ModelApprovalStatus: 'Approved' }), [1, 4]);
      assert.deepEqual(await numbers({ ModelApprovalStatus: 'PendingManualApproval' }), [2, 5]);
      assert.deepEqual(await numbers({ ModelPackageType: 'Unversioned' }), []);
      assert.deepEqual(await numbers({ ModelPackageType: 'Both' }), [1, 2, 3, 4, 5]);
      const [summary = assert.fail()] = (await fixture.call('ListModelPackages', { ModelPackageGroupName: group })).ModelPackageSummaryList;
      assert.deepEqual(Object.keys(summary).sort(), [
        'CreationTime',
        'ModelApprovalStatus',
        'ModelPackageArn',
        'ModelPackageGroupName',
        'ModelPackageStatus',
        'ModelPackageVersion',
      ]);
      const missing = fixture.call('ListModelPackages', { ModelPackageGroupName: 'none' });
      await assert.rejects(missing, refusal(`ModelPackageGroup ${arn('model-package-group/none')} does not exist.`));
      const all = await fixture.call('ListModelPackages', { ModelPackageType: 'Versioned', MaxResults: 100, NameContains: group });
      assert(all.ModelPackageSummaryList.length >= 5);
    });

    test('describe several packages at once, with an error for each missing one', async () => {
      const group = await freshGroup();
      const existing = await create(group);
      const missing = arn('model-package/none/1');
      const answer = await fixture.call('BatchDescribeModelPackage', { ModelPackageArnList: [existing, missing, existing] });
      assert.deepEqual(Object.keys(answer.ModelPackageSummaries), [existing]);
      assert.equal(answer.ModelPackageSummaries[existing]?.InferenceSpecification.Containers[0].Image, 'penstock/onnx:1');
      assert.deepEqual(answer.BatchDescribeModelPackageErrorMap, {
        [missing]: { ErrorCode: 'ValidationException', ErrorResponse: `ModelPackage ${missing} does not exist.` },
      });
    });
  });
}

packagesContract('SQLite', async () => undefined);
packagesContract('PostgreSQL', openPglite);
