/** Endpoint configs and endpoints called by AWS's own clients, with results checked through the native API. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DeleteEndpointCommand,
  DescribeEndpointCommand,
  DescribeEndpointConfigCommand,
  DescribeModelCommand,
  paginateListEndpoints,
  UpdateEndpointCommand,
  waitUntilEndpointDeleted,
  waitUntilEndpointInService,
} from '@aws-sdk/client-sagemaker';
import { InvokeEndpointCommand } from '@aws-sdk/client-sagemaker-runtime';
import type { EndpointBody } from '../../../src/api/index.ts';
import { Load } from '../../end-to-end/load.ts';
import { modelPath } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

/** Waiters poll at once and then every 30 s. The server holds a poll for two seconds, within which a change is seen at once. */
const waitsMs: number[] = [];

async function waited(waiting: Promise<unknown>): Promise<void> {
  const sinceMs = performance.now();
  await waiting;
  waitsMs.push(performance.now() - sinceMs);
}

describe('endpoints by sagemaker', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsFixture.open();
      try {
        await aws.python(t, generation, 'endpoint_checks.py', { model: modelPath('digits_mlp') });
      } finally {
        await aws.close();
      }
    });
  }

  describe('the SDK for JavaScript', () => {
    let aws: AwsFixture;
    before(async () => {
      aws = await AwsFixture.open();
      await aws.s3.send(new CreateBucketCommand({ Bucket: 'models' }));
      for (const name of ['digits_mlp', 'digits_logreg'] as const) {
        await aws.s3.send(new PutObjectCommand({ Bucket: 'models', Key: `${name}.onnx`, Body: readFileSync(modelPath(name)) }));
        const PrimaryContainer = { Image: 'penstock/onnx:1', ModelDataUrl: `s3://models/${name}.onnx` };
        await aws.sagemaker.send(new CreateModelCommand({ ModelName: name.replace('_', '-'), PrimaryContainer }));
      }
    });
    after(() => aws?.close());

    const describeEndpoint = (EndpointName: string) => aws.sagemaker.send(new DescribeEndpointCommand({ EndpointName }));
    const inService = (EndpointName: string) =>
      waited(waitUntilEndpointInService({ client: aws.sagemaker, maxWaitTime: 200 }, { EndpointName }));
    const instances = { VariantName: 'champion', ModelName: 'digits-mlp', InstanceType: 'ml.c6i.large', InitialInstanceCount: 1 } as const;

    test('an endpoint of two variants appears in the native API with all settings', async () => {
      const { EndpointConfigArn } = await aws.sagemaker.send(
        new CreateEndpointConfigCommand({
          EndpointConfigName: 'ab',
          ProductionVariants: [
            { ...instances, InitialVariantWeight: 3 },
            { VariantName: 'challenger', ModelName: 'digits-logreg', ServerlessConfig: { MemorySizeInMB: 1024, MaxConcurrency: 2 } },
          ],
          AsyncInferenceConfig: {
            OutputConfig: { S3OutputPath: 's3://models/out' },
            ClientConfig: { MaxConcurrentInvocationsPerInstance: 4 },
          },
          Tags: [
            { Key: 'penstock:objective', Value: 'p99=80ms' },
            { Key: 'penstock:overflow', Value: 'functions' },
            { Key: 'penstock:late', Value: 'shed' },
          ],
        }),
      );
      assert.equal(EndpointConfigArn, 'arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/ab');
      await aws.sagemaker.send(new CreateEndpointCommand({ EndpointName: 'ab', EndpointConfigName: 'ab' }));
      await inService('ab');
      const native = await aws.server.callWell<EndpointBody>('GET', '/endpoints/ab');
      assert.deepEqual([native.objective, native.late], ['p99<=80ms', 'shed']);
      const [champion, challenger] = native.variants;
      assert.deepEqual([champion?.weight, champion?.instance_type, champion?.functions !== null], [3, 'ml.c5.large', true]);
      assert.deepEqual([challenger?.functions?.memory_mib, challenger?.functions?.max_concurrency], [1024, 2]);
      const described = await describeEndpoint('ab');
      assert.deepEqual(described.AsyncInferenceConfig?.ClientConfig, { MaxConcurrentInvocationsPerInstance: 4 });
      assert.equal(described.ProductionVariants?.[1]?.CurrentServerlessConfig?.MemorySizeInMB, 1024);
    });

    test('an endpoint of the native API is described, cloned and updated', async () => {
      const version = await aws.server.register('native', 'digits_mlp');
      await aws.server.approve(version);
      await aws.server.callWell('POST', '/endpoints', { name: 'native', variants: [{ model: version.name }], objective: 'p95<=90ms' });
      await inService('native');
      const { EndpointConfigName } = await describeEndpoint('native');
      assert.equal(EndpointConfigName, 'native-g1');
      const { ProductionVariants } = await aws.sagemaker.send(new DescribeEndpointConfigCommand({ EndpointConfigName }));
      const [{ ModelName, InstanceType } = {}] = ProductionVariants ?? [];
      assert.deepEqual([ModelName, InstanceType], ['native-1', 'local.1']);
      const model = await aws.sagemaker.send(new DescribeModelCommand({ ModelName }));
      assert.match(model.PrimaryContainer?.Image ?? '', /^penstock\/onnx/);
      await aws.sagemaker.send(new CreateEndpointCommand({ EndpointName: 'clone', EndpointConfigName }));
      await inService('clone');
      assert.equal((await aws.server.callWell<EndpointBody>('GET', '/endpoints/clone')).objective, 'p95<=90ms');
      await aws.sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName: 'next', ProductionVariants: [instances] }));
      await aws.sagemaker.send(new UpdateEndpointCommand({ EndpointName: 'native', EndpointConfigName: 'next' }));
      await inService('native');
      assert.equal((await describeEndpoint('native')).ProductionVariants?.[0]?.VariantName, 'champion');
    });

    test('no request is lost while an endpoint is updated', async () => {
      await aws.sagemaker.send(new CreateEndpointCommand({ EndpointName: 'busy', EndpointConfigName: 'next' }));
      await inService('busy');
      const challenger = { ...instances, ModelName: 'digits-logreg' };
      await aws.sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName: 'other', ProductionVariants: [challenger] }));
      const body = { ContentType: 'text/csv', Body: Array.from({ length: 64 }, () => 0).join(',') };
      const load = Load.start(1, async () => void (await aws.runtime.send(new InvokeEndpointCommand({ EndpointName: 'busy', ...body }))));
      await aws.sagemaker.send(new UpdateEndpointCommand({ EndpointName: 'busy', EndpointConfigName: 'other' }));
      await inService('busy');
      await load.more(4);
      await load.stop();
      assert.deepEqual(load.failures, []);
    });

    test('endpoints are listed page by page and can be deleted', async () => {
      const names: string[] = [];
      const pages = paginateListEndpoints({ client: aws.sagemaker, pageSize: 2 }, { SortBy: 'Name', SortOrder: 'Ascending' });
      for await (const { Endpoints = [] } of pages) names.push(...Endpoints.map(({ EndpointName = '' }) => EndpointName));
      assert.deepEqual(names, ['ab', 'busy', 'clone', 'native']);
      for (const EndpointName of names) {
        await aws.sagemaker.send(new DeleteEndpointCommand({ EndpointName }));
        await waited(waitUntilEndpointDeleted({ client: aws.sagemaker, maxWaitTime: 200 }, { EndpointName }));
      }
    });

    test('waiters see changes at their first poll', () => {
      // On a busy machine some changes take longer than the poll is held.
      assert(Math.min(...waitsMs) < 20_000, waitsMs.join());
    });
  });

  for (const major of [1, 2] as const) {
    test(`awscli ${major} creates an endpoint and waits for it`, async (t) => {
      const aws = await AwsFixture.open();
      try {
        await aws.server.deploy('digits', 'digits_mlp');
        const cli = async (...argv: string[]) => {
          const ran = await aws.cli(t, major, ['sagemaker', ...argv]);
          if (ran !== null) assert.equal(ran.code, 0, ran.stderr);
          return ran;
        };
        const described = await cli('describe-endpoint', '--endpoint-name', 'digits', '--query', 'EndpointConfigName', '--output', 'text');
        if (described === null) return;
        const target = ['--endpoint-name', 'twin', '--endpoint-config-name', described.stdout.trim()];
        await cli('create-endpoint', ...target);
        await cli('wait', 'endpoint-in-service', '--endpoint-name', 'twin');
        await cli('delete-endpoint', '--endpoint-name', 'twin');
        await cli('wait', 'endpoint-deleted', '--endpoint-name', 'twin');
      } finally {
        await aws.close();
      }
    });
  }
});
