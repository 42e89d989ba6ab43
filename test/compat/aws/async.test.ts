/** Asynchronous inference called by AWS's own clients. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
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
import { temporaryDirectory } from '../../end-to-end/server.ts';
import { modelPath } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

const topic = 'arn:aws:sns:us-east-1:000000000000:done';

describe('asynchronous inference', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`boto3: ${generation}`, async (t) => {
      const aws = await AwsFixture.open();
      try {
        await aws.python(t, generation, 'async_checks.py', { model: modelPath('digits_mlp') });
      } finally {
        await aws.close();
      }
    });
  }

  describe('the SDK for JavaScript', () => {
    let aws: AwsFixture;
    const dataDir = temporaryDirectory();
    const reported: { readonly signature: string; readonly body: Readonly<Record<string, unknown>> }[] = [];
    const receiver = createServer((request, response) => {
      void text(request).then((body) => {
        reported.push({ signature: String(request.headers['penstock-signature']), body: JSON.parse(body) as Record<string, unknown> });
        response.end();
      });
    });
    const row = Array.from({ length: 64 }, () => 0);
    before(async () => {
      receiver.listen(0, '127.0.0.1');
      await once(receiver, 'listening');
      const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
      writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ asyncTopics: { [topic]: url }, webhookSecret: 'secret' }));
      aws = await AwsFixture.open({ dataDir });
      for (const Bucket of ['models', 'outs']) await aws.s3.send(new CreateBucketCommand({ Bucket }));
      await aws.s3.send(new PutObjectCommand({ Bucket: 'models', Key: 'digits.onnx', Body: readFileSync(modelPath('digits_mlp')) }));
      const PrimaryContainer = { Image: 'penstock/onnx:1', ModelDataUrl: 's3://models/digits.onnx' };
      await aws.sagemaker.send(new CreateModelCommand({ ModelName: 'digits', PrimaryContainer }));
      await aws.sagemaker.send(
        new CreateEndpointConfigCommand({
          EndpointConfigName: 'later',
          ProductionVariants: [{ VariantName: 'AllTraffic', ModelName: 'digits', InstanceType: 'ml.m5.large', InitialInstanceCount: 1 }],
          AsyncInferenceConfig: {
            OutputConfig: { S3OutputPath: 's3://outs/', NotificationConfig: { SuccessTopic: topic, ErrorTopic: topic } },
          },
        }),
      );
      await aws.sagemaker.send(new CreateEndpointCommand({ EndpointName: 'later', EndpointConfigName: 'later' }));
      await waitUntilEndpointInService({ client: aws.sagemaker, maxWaitTime: 200 }, { EndpointName: 'later' });
    });
    after(async () => {
      await aws?.close();
      receiver.closeAllConnections();
      receiver.close();
      rmSync(dataDir, { recursive: true, force: true });
    });

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

    test('sends a body inline and names the output object', async () => {
      const Body = JSON.stringify({ instances: [row, row] });
      const { OutputLocation, FailureLocation, $metadata } = await submit({ Body, S3OutputPathExtension: 'mine', Filename: 'two.json' });
      assert.deepEqual([$metadata.httpStatusCode, OutputLocation, FailureLocation], [202, 's3://outs/mine/two.json', undefined]);
      const { predictions } = (await answerAt(OutputLocation)) as { predictions: unknown[] };
      assert.equal(predictions.length, 2);
      await until('both notifications have arrived', () => reported.length === 2);
      // Notifications are delivered independently, so the order is not defined.
      const [test, done] = ['TestNotification', 'InferenceResult'].map((name) => reported.find(({ body }) => body['eventName'] === name));
      assert.deepEqual(test?.body, { eventVersion: '1.0', eventSource: 'aws:sagemaker', eventName: 'TestNotification' });
      assert.match(done?.signature ?? '', /^t=\d+,v1=[0-9a-f]{64}$/);
      assert.deepEqual(
        [done?.body['invocationStatus'], done?.body['responseParameters']],
        ['Completed', { contentType: 'application/json', outputLocation: OutputLocation }],
      );
    });

    test('is rejected with a body that is too large, provided twice or missing', async () => {
      await assert.rejects(submit({ Body: Buffer.alloc(128_001) }), { name: 'ValidationError', message: /at most 128000 bytes/ });
      await assert.rejects(submit({ Body: '[]', InputLocation: 's3://models/x' }), {
        name: 'ValidationError',
        message: /^Both Body and InputLocation/,
      });
      await assert.rejects(submit({}), { name: 'ValidationError', message: /^Neither Body nor InputLocation/ });
    });
  });
});
