/** A process model created and invoked by AWS's own clients: bytes and headers pass through unchanged. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { CreateEndpointCommand, CreateEndpointConfigCommand, CreateModelCommand, ListEndpointsCommand } from '@aws-sdk/client-sagemaker';
import {
  InvokeEndpointCommand,
  type InvokeEndpointCommandInput,
  type InvokeEndpointCommandOutput,
  InvokeEndpointWithResponseStreamCommand,
  ModelError,
  ModelStreamError,
} from '@aws-sdk/client-sagemaker-runtime';
import { until } from '../../end-to-end/poll.ts';
import { scorerBundle, scorerCommand, scorerPaths } from '../../processes/index.ts';
import { AwsFixture } from './aws-fixture.ts';

describe('sagemaker-runtime and a process', { timeout: 500_000 }, () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'penstock-process-runtime-'));
  let fixture: AwsFixture;

  before(async () => {
    writeFileSync(
      join(dataDir, 'config.json'),
      JSON.stringify({ images: [{ match: 'team/*', runtime: 'process', command: scorerCommand, paths: scorerPaths }] }),
    );
    fixture = await AwsFixture.open({ dataDir, flags: ['--invocation-timeout', '10s'] });
    const { s3, sagemaker } = fixture;
    await s3.send(new CreateBucketCommand({ Bucket: 'models' }));
    await s3.send(new PutObjectCommand({ Bucket: 'models', Key: 'model.tar.gz', Body: gzipSync(await scorerBundle(3)) }));
    const PrimaryContainer = { Image: 'team/scorer:1', ModelDataUrl: 's3://models/model.tar.gz', Environment: { COLOUR: 'blue' } };
    await sagemaker.send(new CreateModelCommand({ ModelName: 'scorer', PrimaryContainer }));
    const variant = { VariantName: 'main', ModelName: 'scorer', InitialInstanceCount: 1, InstanceType: 'ml.m5.large' } as const;
    await sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName: 'scorer', ProductionVariants: [variant] }));
    await sagemaker.send(new CreateEndpointCommand({ EndpointName: 'scorer', EndpointConfigName: 'scorer' }));
    await fixture.server.inService('scorer');
  });

  after(async () => {
    await fixture?.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const invoke = async (
    Body: string,
    more: Partial<InvokeEndpointCommandInput> = {},
  ): Promise<InvokeEndpointCommandOutput & { text: string }> => {
    const answer = await fixture.runtime.send(new InvokeEndpointCommand({ EndpointName: 'scorer', Body, ...more }));
    return { ...answer, text: Buffer.from(answer.Body ?? []).toString() };
  };

  test('serves a request that arrives while its endpoint is being created', async () => {
    const { sagemaker, runtime, server } = fixture;
    const creating = sagemaker.send(new CreateEndpointCommand({ EndpointName: 'soon', EndpointConfigName: 'scorer' }));
    const isListed = async () => (await sagemaker.send(new ListEndpointsCommand({ NameContains: 'soon' }))).Endpoints?.length === 1;
    await until('the endpoint is listed', isListed);
    const answer = await runtime.send(new InvokeEndpointCommand({ EndpointName: 'soon', Body: 'a' }));
    assert.equal(answer.$metadata.httpStatusCode, 200);
    await creating;
    await server.inService('soon');
    const none = runtime.send(new InvokeEndpointCommand({ EndpointName: 'never', Body: 'a' }));
    await assert.rejects(none, /Endpoint never of account 000000000000 not found/);
  });

  test('receives the body and the headers of the contract, and no others', async () => {
    const more = {
      ContentType: 'text/plain; a=b',
      Accept: 'application/json',
      CustomAttributes: 'k=v',
      InferenceId: 'i1',
      SessionId: 'NEW_SESSION',
    };
    const { text, ContentType, CustomAttributes, InvokedProductionVariant } = await invoke('hello', more);
    const { headers, body, env } = JSON.parse(text) as { headers: Record<string, string>; body: string; env: Record<string, string> };
    assert.equal(body, 'hello');
    const { host: _host, connection: _connection, 'content-length': length, ...passed } = headers;
    assert.deepEqual(passed, {
      'content-type': 'text/plain; a=b',
      accept: 'application/json',
      'x-amzn-sagemaker-custom-attributes': 'k=v',
      'x-amzn-sagemaker-inference-id': 'i1',
      'x-amzn-sagemaker-session-id': 'NEW_SESSION',
    });
    assert.equal(length, '5');
    assert.equal(env['COLOUR'], 'blue');
    // The process's own attributes replace the request's.
    assert.deepEqual([ContentType, CustomAttributes, InvokedProductionVariant], ['application/json', 'received', 'main']);
    assert.equal((await invoke('rows:1,2')).text, '[3.0, 6.0]');
  });

  test('rejects with its own status and message', async () => {
    for (const [status, side] of [
      [422, 'client'],
      [503, 'server'],
    ] as const) {
      await assert.rejects(invoke(`refuse:${status}`), (error) => {
        assert(error instanceof ModelError);
        assert.deepEqual([error.OriginalStatusCode, error.OriginalMessage], [status, 'unexpected input']);
        assert.match(
          error.message,
          new RegExp(`^Received ${side} error \\(${status}\\) from primary with message "unexpected input"\\. See`),
        );
        return true;
      });
    }
  });

  test('streams its response piece by piece', async () => {
    const stream = async (Body: string): Promise<{ parts: number; text: string; type: string | undefined }> => {
      const answer = await fixture.runtime.send(new InvokeEndpointWithResponseStreamCommand({ EndpointName: 'scorer', Body }));
      const parts: Uint8Array[] = [];
      for await (const { PayloadPart } of answer.Body ?? []) if (PayloadPart?.Bytes !== undefined) parts.push(PayloadPart.Bytes);
      return { parts: parts.length, text: Buffer.concat(parts).toString(), type: answer.ContentType };
    };
    const { parts, text, type } = await stream('stream:200');
    assert.equal(type, 'text/plain');
    assert(parts > 1, `${parts} parts`);
    assert.equal(text, Array.from({ length: 200 }, (_, piece) => `piece ${piece} ${'x'.repeat(1000)}`).join(''));
    assert.deepEqual(await stream('rows:1'), { parts: 1, text: '[3.0]', type: 'application/json' });
    await assert.rejects(stream('refuse:400'), { name: 'ModelError', OriginalStatusCode: 400 });
    // The same response without a stream.
    assert.equal((await invoke('stream:200')).text, text);
  });

  test('a crashed process is a ModelError, and the next call is served', async () => {
    await assert.rejects(invoke('die:'), { name: 'ModelError', OriginalStatusCode: 500 });
    await fixture.server.inService('scorer');
    assert.equal((await invoke('rows:5')).text, '[15.0]');
  });

  test('a stream that breaks or times out ends with an error event', async () => {
    for (const [body, code] of [
      ['break:3', 'StreamBroken'],
      ['stall:3', 'ModelInvocationTimeExceeded'],
    ] as const) {
      const answer = await fixture.runtime.send(new InvokeEndpointWithResponseStreamCommand({ EndpointName: 'scorer', Body: body }));
      let bytes = 0;
      const read = async (): Promise<void> => {
        for await (const { PayloadPart } of answer.Body ?? []) bytes += PayloadPart?.Bytes?.length ?? 0;
      };
      await assert.rejects(read(), (error) => error instanceof ModelStreamError && error.ErrorCode === code);
      assert.equal(bytes, 3 * 1008, body);
    }
  });
});
