import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openRegistryHouse, type RegistryHouse } from '../../../test/aws-registry-house.ts';
import { openPglite } from '../../../test/pglite.ts';
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

function packagesContract(name: string, open: () => Promise<OpenDatabase | undefined>): void {
  let house: RegistryHouse;
  let count = 0;
  before(async () => {
    const database = await open();
    house = await openRegistryHouse(database === undefined ? {} : { database });
    await house.put('good.onnx', 'good');
    await house.put('bad.onnx', 'bad');
  });
  after(() => house.close());

  const specification = (file = 'good.onnx') => ({
    Containers: [{ Image: 'penstock/onnx:1', ModelDataUrl: `s3://models/${file}`, Framework: 'SKLEARN', FutureMember: { a: [1] } }],
    SupportedContentTypes: ['text/csv'],
  });
  const freshGroup = async (): Promise<string> => {
    const group = `Group-${count++}`;
    await house.ask('CreateModelPackageGroup', { ModelPackageGroupName: group });
    return group;
  };
  const create = async (group: string, more: object = {}): Promise<string> => {
    const given = { ModelPackageGroupName: group, InferenceSpecification: specification(), ...more };
    return (await house.ask('CreateModelPackage', given)).ModelPackageArn;
  };
  const describePackage = (ModelPackageName: string) => house.ask('DescribeModelPackage', { ModelPackageName });

  describe(`a model package group on ${name}`, () => {
    test('is made, shown as it was given with what is not known here, listed, and deleted', async () => {
      const { ask, clock } = house;
      const given = { ModelPackageGroupName: 'Digits', ModelPackageGroupDescription: 'für alle 🌊', FutureMember: [1] };
      const { ModelPackageGroupArn } = await ask('CreateModelPackageGroup', { ...given, Tags: [{ Key: 'a', Value: 'b' }] });
      assert.equal(ModelPackageGroupArn, arn('model-package-group/digits'));
      for (const reference of ['Digits', 'DIGITS', ModelPackageGroupArn]) {
        assert.deepEqual(await ask('DescribeModelPackageGroup', { ModelPackageGroupName: reference }), {
          ...given,
          ModelPackageGroupArn,
          CreationTime: new Date(clock.wallMs()),
          CreatedBy: { IamIdentity: { Arn: 'arn:aws:iam::000000000000:user/AKME', PrincipalId: 'AKME' } },
          ModelPackageGroupStatus: 'Completed',
        });
      }
      assert.deepEqual((await house.registry.describeGroup('digits')).tags, { a: 'b' });
      const { ModelPackageGroupSummaryList } = await ask('ListModelPackageGroups', { NameContains: 'DIG' });
      assert.deepEqual(
        ModelPackageGroupSummaryList.map((group) => group.ModelPackageGroupName),
        ['Digits'],
      );
      const again = ask('CreateModelPackageGroup', { ModelPackageGroupName: 'digits' });
      await assert.rejects(again, refusal(`Model Package Group already exists: ${ModelPackageGroupArn}`));
      assert.deepEqual(await ask('DeleteModelPackageGroup', { ModelPackageGroupName: 'digits' }), {});
      const gone = refusal(`ModelPackageGroup ${ModelPackageGroupArn} does not exist.`);
      await assert.rejects(ask('DescribeModelPackageGroup', { ModelPackageGroupName: 'digits' }), gone);
      await assert.rejects(ask('DeleteModelPackageGroup', { ModelPackageGroupName: 'digits' }), gone);
      await assert.rejects(create('digits'), gone);
    });

    test('that came by another door is shown, and its versions are described by what is known of them', async () => {
      await house.registry.register({ group: 'Native', source: Buffer.from('n'), sourceName: 'm', who: 'me', metadata: { team: 'a' } });
      const { CreatedBy, ...group } = await house.ask('DescribeModelPackageGroup', { ModelPackageGroupName: 'native' });
      assert.deepEqual([CreatedBy, group.ModelPackageGroupName], [{}, 'Native']);
      const { CreationTime, ...shown } = await describePackage('native/1');
      const sha256 = (await house.registry.version('native', 1)).artifact.sha256;
      assert(CreationTime instanceof Date);
      const types = ['application/json', 'text/csv', 'application/x-npy'];
      assert.deepEqual(shown, {
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
    test("gets the numbers from 1, never one twice, and is the registry's own", async () => {
      const group = await freshGroup();
      const key = group.toLowerCase();
      assert.equal(await create(group), arn(`model-package/${key}/1`));
      assert.equal(await create(arn(`model-package-group/${key}`)), arn(`model-package/${key}/2`));
      await house.ask('DeleteModelPackage', { ModelPackageName: arn(`model-package/${key}/2`) });
      assert.equal(await create(group), arn(`model-package/${key}/3`));
      await assert.rejects(describePackage(`${group}/2`), refusal(`ModelPackage ${arn(`model-package/${key}/2`)} does not exist.`));
      assert.deepEqual(
        (await house.registry.versions(group)).map((version) => version.version),
        [3, 1],
      );
      const conflict = house.ask('DeleteModelPackageGroup', { ModelPackageGroupName: group });
      await assert.rejects(conflict, refusal(/still holds model packages/, 'ConflictException'));
    });

    test('is shown as it was given, with what is not known here', async () => {
      const group = await freshGroup();
      const given = {
        ModelPackageDescription: 'erste 版 🌊',
        ModelMetrics: { ModelQuality: { Statistics: { ContentType: 'application/json', S3Uri: 's3://b/k' } } },
        CustomerMetadataProperties: { team: 'a' },
        MetadataProperties: { CommitId: 'abc' },
        Domain: 'MACHINE_LEARNING',
        FutureMember: { deep: [1, { b: null }] },
      };
      const ModelPackageArn = await create(group, { ...given, Tags: [{ Key: 't', Value: 'v' }], ClientToken: 'x' });
      const version = await house.registry.version(group, 1);
      const [container] = specification().Containers;
      assert.deepEqual(await describePackage(`${group}/1`), {
        ...given,
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
      assert.deepEqual([version.description, version.metadata, version.tags], [given.ModelPackageDescription, { team: 'a' }, { t: 'v' }]);
      await house.registry.update(group, 1, { description: '', metadata: {} }, 'me');
      const changed = await describePackage(`${group}/1`);
      assert.deepEqual([changed.ModelPackageDescription, changed.CustomerMetadataProperties], [undefined, undefined]);
    });

    test('is Failed, says why and keeps its number where the file is no model; it is never approved', async () => {
      const group = await freshGroup();
      const ModelPackageArn = await create(group, {
        InferenceSpecification: specification('bad.onnx'),
        ModelApprovalStatus: 'Approved',
        Tags: [{ Key: 'a', Value: 'b' }],
      });
      const shown = await describePackage(ModelPackageArn);
      assert.deepEqual(
        [
          shown.ModelPackageVersion,
          shown.ModelPackageStatus,
          shown.ModelApprovalStatus,
          shown.ModelPackageStatusDetails.ValidationStatuses,
        ],
        [1, 'Failed', 'PendingManualApproval', [{ Name: 'ModelFile', Status: 'Failed', FailureReason: 'this is not an ONNX model' }]],
      );
      assert.equal(await create(group), arn(`model-package/${group.toLowerCase()}/2`));
      const approve = house.ask('UpdateModelPackage', { ModelPackageArn, ModelApprovalStatus: 'Approved' });
      await assert.rejects(approve, refusal(/is Failed and can be neither approved nor rejected: this is not an ONNX model/));
      await house.ask('UpdateModelPackage', { ModelPackageArn, CustomerMetadataProperties: { k: 'v' } });
      assert.deepEqual((await describePackage(ModelPackageArn)).CustomerMetadataProperties, { k: 'v' });
      assert.deepEqual((await house.ask('ListTags', { ResourceArn: ModelPackageArn })).Tags, [{ Key: 'a', Value: 'b' }]);
      await house.ask('DeleteModelPackage', { ModelPackageName: `${group}/2` });
      const conflict = house.ask('DeleteModelPackageGroup', { ModelPackageGroupName: group });
      await assert.rejects(conflict, refusal(/still holds/, 'ConflictException'));
      await house.ask('DeleteModelPackage', { ModelPackageName: ModelPackageArn });
      await house.ask('DeleteModelPackageGroup', { ModelPackageGroupName: group });
      assert.equal(
        (await house.db.selectFrom('aws_documents').selectAll().where('group_key', '=', group.toLowerCase()).execute()).length,
        0,
      );
    });

    test('is not made where its file is not there or cannot be used, and takes no number', async () => {
      const group = await freshGroup();
      const missing = create(group, { InferenceSpecification: specification('none.onnx') });
      await assert.rejects(missing, refusal('Could not find model data at s3://models/none.onnx.'));
      await assert.rejects(create(group, { InferenceSpecification: undefined }), refusal(/needs an InferenceSpecification/));
      const two = [...specification().Containers, ...specification().Containers];
      await assert.rejects(create(group, { InferenceSpecification: { Containers: two } }), refusal(/Pipelines of 2 containers/));
      await assert.rejects(
        create(group, { ModelPackageName: 'x' }),
        refusal(/^Both ModelPackageName and ModelPackageGroupName are provided/),
      );
      await assert.rejects(create('x', { ModelPackageGroupName: undefined }), refusal(/neither is in the input/));
      assert.equal(await create(group), arn(`model-package/${group.toLowerCase()}/1`));
    });

    test('is made once by calls with the same token, also at the same time, and again once it is gone', async () => {
      const group = await freshGroup();
      const ClientToken = `token-${group}`;
      const arns = await Promise.all(Array.from({ length: 8 }, () => create(group, { ClientToken })));
      assert.deepEqual([...new Set(arns)], [arn(`model-package/${group.toLowerCase()}/1`)]);
      assert.equal((await house.registry.versions(group)).length, 1);
      const other = create(group, { ClientToken, ModelPackageDescription: 'another' });
      await assert.rejects(other, refusal(/ClientToken was used by a call with other members/));
      await house.ask('DeleteModelPackage', { ModelPackageName: `${group}/1` });
      assert.equal(await create(group, { ClientToken }), arn(`model-package/${group.toLowerCase()}/2`));
      house.clock.advance(25 * 3_600_000);
      assert.equal(await create(group, { ClientToken, ModelPackageDescription: 'b' }), arn(`model-package/${group.toLowerCase()}/3`));
    });

    test('that cannot be deleted because an endpoint serves it says so as a conflict', async () => {
      const busy = await openRegistryHouse({ inUse: async () => ['endpoint prod'] });
      await busy.put('good.onnx', 'good');
      await busy.ask('CreateModelPackageGroup', { ModelPackageGroupName: 'g' });
      await busy.ask('CreateModelPackage', { ModelPackageGroupName: 'g', InferenceSpecification: specification() });
      const deleting = busy.ask('DeleteModelPackage', { ModelPackageName: 'g/1' });
      await assert.rejects(deleting, refusal(/g\/1 is used by endpoint prod/, 'ConflictException'));
      await busy.close();
    });
  });

  describe(`the approval of a version on ${name}`, () => {
    test('is given when it is made, or later, by whatever door, and shows in all', async () => {
      const group = await freshGroup();
      await create(group, { ModelApprovalStatus: 'Approved' });
      assert.equal((await house.registry.version(group, 1)).approval, 'Approved');
      const ModelPackageArn = await create(group);
      house.clock.advance(1000);
      await house.registry.setApproval(group, 2, 'Approved', { who: 'boss', note: 'fine' });
      const approved = await describePackage(ModelPackageArn);
      assert.deepEqual(
        [approved.ModelApprovalStatus, approved.ApprovalDescription, approved.LastModifiedBy.IamIdentity.PrincipalId],
        ['Approved', 'fine', 'boss'],
      );
      assert.deepEqual(approved.LastModifiedTime, new Date(house.clock.wallMs()));
      house.clock.advance(1000);
      const update = { ModelPackageArn, ModelApprovalStatus: 'Rejected', ApprovalDescription: 'not 好 enough' };
      assert.deepEqual(await house.ask('UpdateModelPackage', update), { ModelPackageArn });
      const rejected = await house.registry.version(group, 2);
      assert.deepEqual([rejected.approval, rejected.approvalNote, rejected.approvalChangedBy], ['Rejected', 'not 好 enough', 'AKME']);
      const shown = await describePackage(ModelPackageArn);
      assert.deepEqual([shown.LastModifiedTime, shown.LastModifiedBy.IamIdentity.PrincipalId], [new Date(house.clock.wallMs()), 'AKME']);
      await house.ask('UpdateModelPackage', { ModelPackageArn, ApprovalDescription: 'for another reason' });
      assert.equal((await describePackage(ModelPackageArn)).ApprovalDescription, 'for another reason');
      const back = house.ask('UpdateModelPackage', { ModelPackageArn, ModelApprovalStatus: 'PendingManualApproval' });
      await assert.rejects(back, refusal(/is Rejected and cannot go back to PendingManualApproval/));
      const kinds = (await house.events.since(0, 1000)).map(({ kind, subject }) => `${kind} ${subject}`);
      assert(kinds.includes(`version.rejected ${group}/2`));
    });

    test('changes with all else that an update says, or nothing changes', async () => {
      const group = await freshGroup();
      const ModelPackageArn = await create(group, { CustomerMetadataProperties: { a: '1', b: '2' } });
      const more = { Name: 'big', Containers: specification().Containers };
      await house.ask('UpdateModelPackage', {
        ModelPackageArn,
        CustomerMetadataProperties: { b: '3', c: '4' },
        CustomerMetadataPropertiesToRemove: ['a'],
        ModelLifeCycle: { Stage: 'prod', StageStatus: 'live' },
        AdditionalInferenceSpecificationsToAdd: [more],
        FutureMember: 1,
      });
      const shown = await describePackage(ModelPackageArn);
      assert.deepEqual(shown.CustomerMetadataProperties, { b: '3', c: '4' });
      assert.deepEqual((await house.registry.version(group, 1)).metadata, { b: '3', c: '4' });
      assert.deepEqual(
        [shown.ModelLifeCycle, shown.AdditionalInferenceSpecifications, shown.FutureMember],
        [{ Stage: 'prod', StageStatus: 'live' }, [more], 1],
      );
      const tooMany = Object.fromEntries(Array.from({ length: 49 }, (_, i) => [`k${i}`, 'v']));
      const update = { ModelPackageArn, ModelApprovalStatus: 'Approved', CustomerMetadataProperties: tooMany };
      await assert.rejects(house.ask('UpdateModelPackage', update), refusal(/at most 50 CustomerMetadataProperties: these would be 51/));
      assert.equal((await describePackage(ModelPackageArn)).ModelApprovalStatus, 'PendingManualApproval');
      const other = house.ask('UpdateModelPackage', { ModelPackageArn, InferenceSpecification: specification() });
      await assert.rejects(other, refusal(/has its model already/));
    });

    test('is told of a version that came by another door, which gets a document then', async () => {
      await house.registry.register({ group: `door-${name}`, source: Buffer.from('n'), sourceName: 'm', who: 'me' });
      const ModelPackageArn = arn(`model-package/door-${name.toLowerCase()}/1`);
      await house.ask('UpdateModelPackage', { ModelPackageArn, ModelApprovalStatus: 'Approved', SourceUri: 'git://x' });
      const shown = await describePackage(ModelPackageArn);
      assert.deepEqual(
        [shown.ModelApprovalStatus, shown.SourceUri, shown.CreatedBy.IamIdentity.PrincipalId],
        ['Approved', 'git://x', 'me'],
      );
      assert.equal(shown.InferenceSpecification.Containers[0].Image, 'penstock/onnx');
      await house.registry.deleteVersion(`door-${name}`, 1, 'me');
      await assert.rejects(describePackage(ModelPackageArn), refusal(/does not exist/));
    });
  });

  describe(`a package without a group on ${name}`, () => {
    test('has a version beside, approved, that AWS lists do not show as one', async () => {
      const { ask } = house;
      const ModelPackageName = `Alone-${name}`;
      const given = { ModelPackageName, InferenceSpecification: specification(), ModelPackageDescription: 'alone' };
      const { ModelPackageArn } = await ask('CreateModelPackage', { ...given, Tags: [{ Key: 'a', Value: 'b' }] });
      assert.equal(ModelPackageArn, arn(`model-package/alone-${name.toLowerCase()}`));
      const shown = await describePackage(ModelPackageArn);
      assert.deepEqual(
        [
          shown.ModelPackageName,
          shown.ModelPackageGroupName,
          shown.ModelPackageVersion,
          shown.ModelApprovalStatus,
          shown.ModelPackageDescription,
        ],
        [ModelPackageName, undefined, undefined, 'Approved', 'alone'],
      );
      assert.deepEqual((await ask('ListTags', { ResourceArn: ModelPackageArn })).Tags, [{ Key: 'a', Value: 'b' }]);
      await assert.rejects(ask('CreateModelPackage', given), refusal(`Model Package already exists: ${ModelPackageArn}`));
      assert.equal((await house.registry.version(ModelPackageName, 1)).approval, 'Approved');
      await assert.rejects(ask('DescribeModelPackageGroup', { ModelPackageGroupName: ModelPackageName }), refusal(/does not exist/));
      await assert.rejects(describePackage(`${ModelPackageName}/1`), refusal(/does not exist/));
      const { ModelPackageSummaryList } = await ask('ListModelPackages', {});
      assert.deepEqual(
        ModelPackageSummaryList.map((each) => each.ModelPackageName),
        [ModelPackageName],
      );
      await ask('DeleteModelPackage', { ModelPackageName });
      await assert.rejects(house.registry.describeGroup(ModelPackageName), /no model group/);
      await assert.rejects(ask('ListTags', { ResourceArn: ModelPackageArn }), refusal(/Could not find resource/));
    });
  });

  describe(`lists of packages on ${name}`, () => {
    test('show the versions of a group page by page, by approval and by type', async () => {
      const group = await freshGroup();
      for (const status of ['Approved', 'PendingManualApproval', 'Rejected', 'Approved']) {
        await create(group, { ModelApprovalStatus: status });
        house.clock.advance(1);
      }
      await create(group, { InferenceSpecification: specification('bad.onnx') });
      const numbers = async (input: object): Promise<number[]> => {
        const found: number[] = [];
        for (let NextToken: string | undefined, first = true; first || NextToken !== undefined; first = false) {
          const more = NextToken === undefined ? {} : { NextToken };
          const page = await house.ask('ListModelPackages', { ModelPackageGroupName: group, MaxResults: 2, ...input, ...more });
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
      const [summary = assert.fail()] = (await house.ask('ListModelPackages', { ModelPackageGroupName: group })).ModelPackageSummaryList;
      assert.deepEqual(Object.keys(summary).sort(), [
        'CreationTime',
        'ModelApprovalStatus',
        'ModelPackageArn',
        'ModelPackageGroupName',
        'ModelPackageStatus',
        'ModelPackageVersion',
      ]);
      const missing = house.ask('ListModelPackages', { ModelPackageGroupName: 'nobody' });
      await assert.rejects(missing, refusal(`ModelPackageGroup ${arn('model-package-group/nobody')} does not exist.`));
      const all = await house.ask('ListModelPackages', { ModelPackageType: 'Versioned', MaxResults: 100, NameContains: group });
      assert(all.ModelPackageSummaryList.length >= 5);
    });

    test('describe many at once, and say of each that is missing why', async () => {
      const group = await freshGroup();
      const there = await create(group);
      const missing = arn('model-package/nobody/1');
      const answer = await house.ask('BatchDescribeModelPackage', { ModelPackageArnList: [there, missing, there] });
      assert.deepEqual(Object.keys(answer.ModelPackageSummaries), [there]);
      assert.equal(answer.ModelPackageSummaries[there]?.InferenceSpecification.Containers[0].Image, 'penstock/onnx:1');
      assert.deepEqual(answer.BatchDescribeModelPackageErrorMap, {
        [missing]: { ErrorCode: 'ValidationException', ErrorResponse: `ModelPackage ${missing} does not exist.` },
      });
    });
  });
}

packagesContract('SQLite', async () => undefined);
packagesContract('PostgreSQL', openPglite);
