/** Kills the server while packages are created: with a ClientToken, each call creates one complete version. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import {
  CreateModelPackageCommand,
  CreateModelPackageGroupCommand,
  type ModelPackageSummary,
  paginateListModelPackages,
} from '@aws-sdk/client-sagemaker';
import { modelPath } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';

const group = 'digits';
const calls = 24;
const kills = 3;

test('three kills lose no version, reuse no number and leave none incomplete', { timeout: 500_000 }, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'penstock-compat-kills-'));
  let aws = await AwsFixture.open({ dataDir });
  try {
    await aws.s3.send(new CreateBucketCommand({ Bucket: 'models' }));
    const put = (Key: string, Body: Uint8Array | string) => aws.s3.send(new PutObjectCommand({ Bucket: 'models', Key, Body }));
    await put('good.onnx', readFileSync(modelPath('diabetes_rf')));
    await put('bad.onnx', 'this is not a model despite its name');
    await aws.sagemaker.send(new CreateModelPackageGroupCommand({ ModelPackageGroupName: group }));

    const create = (call: number) => {
      const container = { Image: 'penstock/onnx', ModelDataUrl: `s3://models/${call % 4 === 3 ? 'bad' : 'good'}.onnx` };
      return aws.sagemaker.send(
        new CreateModelPackageCommand({
          ModelPackageGroupName: group,
          InferenceSpecification: { Containers: [container] },
          ModelApprovalStatus: 'Approved',
          ModelPackageDescription: `call ${call}`,
          ClientToken: `token-${call}`,
        }),
      );
    };
    for (let kill = 0; kill < kills; kill++) {
      const half = Array.from({ length: calls / 2 }, (_, call) => create(call + kill * (calls / 4)));
      const settled = Promise.allSettled(half);
      await half[2 + kill]; // the others are in flight
      aws.server.signal('SIGKILL');
      await aws.server.ended;
      await settled;
      await aws.close();
      aws = await AwsFixture.open({ dataDir });
    }
    const answers = await Promise.all(Array.from({ length: calls }, (_, call) => create(call)));
    const arns = answers.map(({ ModelPackageArn }) => ModelPackageArn);
    assert.equal(new Set(arns).size, calls);

    const found: ModelPackageSummary[] = [];
    const pages = paginateListModelPackages({ client: aws.sagemaker }, { ModelPackageGroupName: group });
    for await (const { ModelPackageSummaryList = [] } of pages) found.push(...ModelPackageSummaryList);
    const numbers = found.map(({ ModelPackageVersion }) => ModelPackageVersion).sort((a = 0, b = 0) => a - b);
    assert.deepEqual(
      numbers,
      Array.from({ length: calls }, (_, i) => i + 1),
    );
    assert.equal(new Set(found.map(({ ModelPackageDescription }) => ModelPackageDescription)).size, calls);
    for (const { ModelPackageStatus, ModelApprovalStatus, ModelPackageDescription } of found) {
      const isBad = Number(ModelPackageDescription?.slice(5)) % 4 === 3;
      assert.deepEqual([ModelPackageStatus, ModelApprovalStatus], isBad ? ['Failed', 'PendingManualApproval'] : ['Completed', 'Approved']);
    }
  } finally {
    await aws.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
