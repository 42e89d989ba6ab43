/** Groups, packages, Models and tags called by AWS's own clients, with results checked through the native API. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import {
  CreateModelCommand,
  CreateModelPackageCommand,
  CreateModelPackageGroupCommand,
  DescribeModelCommand,
  DescribeModelPackageCommand,
  ListModelPackagesCommand,
  paginateListModelPackageGroups,
  paginateListModelPackages,
  paginateListModels,
  UpdateModelPackageCommand,
} from '@aws-sdk/client-sagemaker';
import type { VersionBody } from '../../../src/api/index.ts';
import { modelPath } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

describe('the registry by sagemaker', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsFixture.open();
      try {
        await aws.python(t, generation, 'registry_checks.py', { model: modelPath('diabetes_rf') });
      } finally {
        await aws.close();
      }
    });
  }

  describe('the SDK for JavaScript', () => {
    let aws: AwsFixture;
    const group = 'digits';
    const container = { Image: 'penstock/onnx', ModelDataUrl: 's3://models/model.onnx' };
    before(async () => {
      aws = await AwsFixture.open();
      await aws.s3.send(new CreateBucketCommand({ Bucket: 'models' }));
      await aws.s3.send(new PutObjectCommand({ Bucket: 'models', Key: 'model.onnx', Body: readFileSync(modelPath('diabetes_rf')) }));
      await aws.sagemaker.send(new CreateModelPackageGroupCommand({ ModelPackageGroupName: group }));
    });
    after(() => aws?.close());

    const register = (more: object = {}) =>
      aws.sagemaker.send(
        new CreateModelPackageCommand({ ModelPackageGroupName: group, InferenceSpecification: { Containers: [container] }, ...more }),
      );
    const describePackage = (ModelPackageName: string) => aws.sagemaker.send(new DescribeModelPackageCommand({ ModelPackageName }));
    const native = (version: number) => aws.server.callWell<VersionBody>('GET', `/groups/${group}/versions/${version}`);

    test('a version is the same in both APIs, whichever created or approved it', async () => {
      const { ModelPackageArn = '' } = await register({ ModelPackageDescription: 'by AWS', CustomerMetadataProperties: { team: 'a' } });
      const created = await native(1);
      assert.deepEqual([created.description, created.metadata, created.approval], ['by AWS', { team: 'a' }, 'PendingManualApproval']);
      await aws.server.callWell('POST', `/groups/${group}/versions/1/approval`, { approval: 'Approved', note: 'natively' });
      const approved = await describePackage(ModelPackageArn);
      assert.deepEqual([approved.ModelApprovalStatus, approved.ApprovalDescription], ['Approved', 'natively']);
      assert(approved.LastModifiedTime instanceof Date);
      await aws.sagemaker.send(new UpdateModelPackageCommand({ ModelPackageArn, ModelApprovalStatus: 'Rejected' }));
      assert.equal((await native(1)).approval, 'Rejected');

      const version = await aws.server.register(group, 'diabetes_rf');
      const derived = await describePackage(`${group}/${version.version}`);
      assert.equal(derived.ModelPackageVersion, 2);
      assert.equal(derived.InferenceSpecification?.Containers?.[0]?.ImageDigest, `sha256:${version.artifact.sha256}`);
    });

    test('a version registered through the native API is a Model in AWS', async () => {
      const { PrimaryContainer } = await aws.sagemaker.send(new DescribeModelCommand({ ModelName: `${group}-2` }));
      assert.equal(PrimaryContainer?.ModelDataUrl, `s3://penstock-models/${group}/2/model.onnx`);
    });

    test('paginators return each item once', async () => {
      for (let i = 0; i < 3; i++) await register();
      const versions: (number | undefined)[] = [];
      const pages = paginateListModelPackages({ client: aws.sagemaker, pageSize: 2 }, { ModelPackageGroupName: group });
      for await (const { ModelPackageSummaryList = [] } of pages) {
        versions.push(...ModelPackageSummaryList.map(({ ModelPackageVersion }) => ModelPackageVersion));
      }
      assert.deepEqual(versions, [1, 2, 3, 4, 5]);
      const list = new ListModelPackagesCommand({ ModelPackageGroupName: group, NextToken: 'bm9uc2Vuc2U' });
      await assert.rejects(aws.sagemaker.send(list), { name: 'ValidationException', message: /Invalid NextToken/ });
      for (const ModelName of ['a', 'b', 'c']) {
        await aws.sagemaker.send(new CreateModelCommand({ ModelName, PrimaryContainer: container }));
      }
      const names: (string | undefined)[] = [];
      for await (const { Models = [] } of paginateListModels({ client: aws.sagemaker, pageSize: 1 }, {})) {
        names.push(...Models.map(({ ModelName }) => ModelName));
      }
      assert.deepEqual(names, ['c', 'b', 'a']);
    });

    test('more than 250 groups are listed once each, even while others are created', async () => {
      const names = Array.from({ length: 260 }, (_, i) => `page-${String(i).padStart(3, '0')}`);
      const create = (ModelPackageGroupName: string) => aws.sagemaker.send(new CreateModelPackageGroupCommand({ ModelPackageGroupName }));
      await Promise.all(names.map(create));
      const found: (string | undefined)[] = [];
      const only = { NameContains: 'PAGE-', SortBy: 'Name', SortOrder: 'Ascending' } as const;
      for await (const { ModelPackageGroupSummaryList = [] } of paginateListModelPackageGroups(
        { client: aws.sagemaker, pageSize: 50 },
        only,
      )) {
        found.push(...ModelPackageGroupSummaryList.map(({ ModelPackageGroupName }) => ModelPackageGroupName));
        await create(`page-000-${found.length}`);
      }
      assert.deepEqual(found, names);
    });

    for (const major of [1, 2] as const) {
      test(`awscli ${major} paginates and prints errors`, async (t) => {
        const listed = await aws.cli(t, major, ['sagemaker', 'list-models', '--page-size', '1', '--query', 'Models[].ModelName']);
        if (listed === null) return;
        assert.deepEqual([listed.code, JSON.parse(listed.stdout)], [0, ['c', 'b', 'a']], listed.stderr);
        const rejected = await aws.cli(t, major, ['sagemaker', 'describe-model', '--model-name', 'missing']);
        assert.match(
          rejected?.stderr ?? '',
          /\(ValidationException\).*Could not find model "arn:aws:sagemaker:us-east-1:000000000000:model\/missing"/,
        );
      });
    }
  });
});
