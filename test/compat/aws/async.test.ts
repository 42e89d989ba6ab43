/** Asynchronous inference, called by AWS's own clients. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, NoSuchKey, PutObjectCommand } from '@aws-sdk/client-s3';
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  waitUntilEndpointInService,
} from '@aws-sdk/client-sagemaker';
import { InvokeEndpointAsyncCommand, type InvokeEndpointAsyncCommandInput } from '@aws-sdk/client-sagemaker-runtime';
import { until } from '../../end-to-end/poll.ts';
import { modelPath } from '../../models/index.ts';
import { generations } from './environments.ts';
import { AwsHouse } from './house.ts';

describe('asynchronous inference', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`boto3: ${generation}`, async (t) => {
      const aws = await AwsHouse.open();
      try {
        await aws.python(t, generation, 'async_checks.py', { model: modelPath('digits_mlp') });
      } finally {
        await aws.close();
      }
    });
  }

  describe('the SDK for JavaScript', () => {
    let aws: AwsHouse;
    const row = Array.from({ length: 64 }, () => 0);
    before(async () => {
      aws = await AwsHouse.open();
      for (const Bucket of ['models', 'outs']) await aws.s3.send(new CreateBucketCommand({ Bucket }));
      await aws.s3.send(new PutObjectCommand({ Bucket: 'models', Key: 'digits.onnx', Body: readFileSync(modelPath('digits_mlp')) }));
      const PrimaryContainer = { Image: 'penstock/onnx:1', ModelDataUrl: 's3://models/digits.onnx' };
      await aws.sagemaker.send(new CreateModelCommand({ ModelName: 'digits', PrimaryContainer }));
      await aws.sagemaker.send(
        new CreateEndpointConfigCommand({
          EndpointConfigName: 'later',
          ProductionVariants: [{ VariantName: 'AllTraffic', ModelName: 'digits', InstanceType: 'ml.m5.large', InitialInstanceCount: 1 }],
          AsyncInferenceConfig: { OutputConfig: { S3OutputPath: 's3://outs/' } },
        }),
      );
      await aws.sagemaker.send(new CreateEndpointCommand({ EndpointName: 'later', EndpointConfigName: 'later' }));
      await waitUntilEndpointInService({ client: aws.sagemaker, maxWaitTime: 60 }, { EndpointName: 'later' });
    });
    after(() => aws?.close());

    const submit = (input: Partial<InvokeEndpointAsyncCommandInput>) =>
      aws.runtime.send(new InvokeEndpointAsyncCommand({ EndpointName: 'later', ContentType: 'application/json', ...input }));
    const answerAt = (location: string | undefined): Promise<unknown> => {
      const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(location ?? '') ?? [];
      assert(bucket !== undefined && key !== undefined, location);
      return until(`${location} is there`, async () => {
        try {
          const { Body } = await aws.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
          return JSON.parse((await Body?.transformToString()) ?? '') as unknown;
        } catch (error) {
          if (error instanceof NoSuchKey) return null;
          throw error;
        }
      });
    };

    test('sends the body with the request, and says where the answer is to be called what', async () => {
      const Body = JSON.stringify({ instances: [row, row] });
      const { OutputLocation, FailureLocation, $metadata } = await submit({ Body, S3OutputPathExtension: 'mine', Filename: 'two.json' });
      assert.deepEqual([$metadata.httpStatusCode, OutputLocation, FailureLocation], [202, 's3://outs/mine/two.json', undefined]);
      const { predictions } = (await answerAt(OutputLocation)) as { predictions: unknown[] };
      assert.equal(predictions.length, 2);
    });

    test('is told that a body is too large, is given twice, or not at all', async () => {
      await assert.rejects(submit({ Body: Buffer.alloc(128_001) }), { name: 'ValidationError', message: /at most 128000 bytes/ });
      await assert.rejects(submit({ Body: '[]', InputLocation: 's3://models/x' }), {
        name: 'ValidationError',
        message: /not be given together/,
      });
      await assert.rejects(submit({}), { name: 'ValidationError', message: /Either Body or InputLocation/ });
    });
  });
});
