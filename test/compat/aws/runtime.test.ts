/** The runtime called by AWS's own clients: every content type, streams, errors, concurrency. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  InvokeEndpointCommand,
  type InvokeEndpointCommandInput,
  type InvokeEndpointCommandOutput,
  InvokeEndpointWithResponseStreamCommand,
  ModelError,
  SageMakerRuntimeClient,
} from '@aws-sdk/client-sagemaker-runtime';
import { sample } from '../../models/index.ts';
import { AwsFixture, region } from './aws-fixture.ts';
import { generations } from './environments.ts';
import { deployRuntimeEndpoints } from './runtime-endpoints.ts';

const samplePath = join(import.meta.dirname, '../../models/samples/digits_mlp.json');
const labels = [2, 0, 4, 9, 4, 1, 2, 4];

describe('sagemaker-runtime', { timeout: 500_000 }, () => {
  const pixels = sample('digits_mlp').inputs[0]?.data as Uint8Array;
  const rows = Array.from({ length: 8 }, (_, row) =>
    Array.from(new Float32Array(new Uint8Array(pixels).buffer).subarray(row * 64, row * 64 + 64)),
  );
  const instances = JSON.stringify({ instances: rows });
  let fixture: AwsFixture;

  before(async () => {
    fixture = await AwsFixture.open({ flags: ['--queue-rows-max', '400'] });
    await deployRuntimeEndpoints(fixture.server);
  });

  after(() => fixture?.close());

  const invoke = async (input: Partial<InvokeEndpointCommandInput>): Promise<InvokeEndpointCommandOutput & { text: string }> => {
    const answer = await fixture.runtime.send(new InvokeEndpointCommand({ EndpointName: 'digits', Body: instances, ...input }));
    return { ...answer, text: Buffer.from(answer.Body ?? []).toString() };
  };
  const labelsOf = (text: string): unknown =>
    (JSON.parse(text) as { predictions: { label: number }[] }).predictions.map(({ label }) => label);

  for (const generation of generations) {
    test(`boto3: ${generation}`, (t) => fixture.python(t, generation, 'runtime_checks.py', { sample: samplePath }));
  }

  describe('the SDK for JavaScript', () => {
    test('gets predictions for instances with and without a content type', async () => {
      const named = await invoke({ ContentType: 'application/json', CustomAttributes: 'trace=1' });
      assert.deepEqual(labelsOf(named.text), labels);
      assert.deepEqual(
        [named.ContentType, named.InvokedProductionVariant, named.CustomAttributes, named.$metadata.httpStatusCode],
        ['application/json', 'AllTraffic', 'trace=1', 200],
      );
      assert.match(named.$metadata.requestId ?? '', /^[0-9a-f-]{36}$/);
      // Without one the SDK sends application/octet-stream.
      assert.deepEqual(labelsOf((await invoke({})).text), labels);
    });

    test('gets CSV for CSV, and the format of Accept for anything', async () => {
      const csv = rows.map((row) => row.join()).join('\n');
      const lines = (text: string): number[] =>
        text
          .trim()
          .split('\n')
          .map((line) => Number(line.split(',')[0]));
      const answer = await invoke({ Body: csv, ContentType: 'text/csv' });
      assert.deepEqual([answer.ContentType, lines(answer.text)], ['text/csv', labels]);
      assert.deepEqual(labelsOf((await invoke({ Body: csv, ContentType: 'text/csv', Accept: 'application/json' })).text), labels);
      assert.deepEqual(lines((await invoke({ ContentType: 'application/json', Accept: 'text/csv' })).text), labels);
    });

    test('gets raw tensors for raw tensors', async () => {
      const { ContentType, Body } = await invoke({ Body: pixels });
      const [, size] = /^application\/octet-stream;json-header-size=(\d+)$/.exec(ContentType ?? '') ?? [];
      const tensors = Buffer.from(Body ?? []).subarray(Number(size));
      assert.deepEqual(Array.from(new BigInt64Array(new Uint8Array(tensors.subarray(0, 64)).buffer), Number), labels);
    });

    test('reads a stream of events', async () => {
      const command = new InvokeEndpointWithResponseStreamCommand({
        EndpointName: 'digits',
        Body: instances,
        ContentType: 'application/json',
      });
      const { Body, ContentType, InvokedProductionVariant } = await fixture.runtime.send(command);
      const parts: Uint8Array[] = [];
      for await (const { PayloadPart } of Body ?? []) parts.push(PayloadPart?.Bytes ?? new Uint8Array());
      assert.deepEqual(labelsOf(Buffer.concat(parts).toString()), labels);
      assert.deepEqual([ContentType, InvokedProductionVariant], ['application/json', 'AllTraffic']);
    });

    test('gets typed errors', async () => {
      await assert.rejects(invoke({ Body: '{"instances":[[1]]}', ContentType: 'application/json' }), (error) => {
        assert(error instanceof ModelError);
        const { OriginalStatusCode, OriginalMessage, LogStreamArn, $metadata } = error;
        assert.deepEqual([$metadata.httpStatusCode, OriginalStatusCode], [424, 400]);
        assert.match(OriginalMessage ?? '', /has 1 value, the model takes FP32 \[-1,64\]/);
        assert.equal(LogStreamArn, 'arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/digits');
        return true;
      });
      await assert.rejects(invoke({ EndpointName: 'missing' }), {
        name: 'ValidationError',
        message: 'Endpoint missing of account 000000000000 not found.',
      });
      await assert.rejects(invoke({ EndpointName: 'ab', TargetVariant: 'third' }), {
        name: 'ValidationError',
        message: /^Variant third not found/,
      });
      await assert.rejects(invoke({ Body: ' '.repeat(6_291_457) }), {
        name: 'RequestEntityTooLargeException',
        message: 'HTTP content length exceeded 6291456 bytes.',
      });
    });

    test('is rejected with an unknown key', async () => {
      const stranger = new SageMakerRuntimeClient({
        endpoint: fixture.server.url,
        region,
        credentials: { accessKeyId: 'AKIANOBODY', secretAccessKey: 'x' },
        maxAttempts: 1,
      });
      const command = new InvokeEndpointCommand({ EndpointName: 'digits', Body: instances });
      await assert.rejects(stranger.send(command), { name: 'UnrecognizedClientException' });
      stranger.destroy();
    });

    test('gets a response to each of 500 concurrent calls', async () => {
      const all = await Promise.all(
        Array.from({ length: 500 }, (_, index) =>
          invoke({ Body: JSON.stringify({ instances: [rows[index % 8]] }), ContentType: 'application/json' }),
        ),
      );
      assert.deepEqual(
        all.map(({ text }) => labelsOf(text)),
        all.map((_, index) => [labels[index % 8]]),
      );
    });
  });

  for (const major of [1, 2] as const) {
    test(`awscli ${major} writes the response to a file and prints the variant`, async (t) => {
      const directory = mkdtempSync(join(tmpdir(), 'penstock-awscli-'));
      t.after(() => rmSync(directory, { recursive: true }));
      const [body, out] = [join(directory, 'rows.csv'), join(directory, 'out.json')];
      writeFileSync(body, rows.map((row) => row.join()).join('\n'));
      const invocation = ['sagemaker-runtime', 'invoke-endpoint', '--endpoint-name', 'ab', '--target-variant', 'challenger'];
      const argv = [...invocation, '--body', `fileb://${body}`, '--content-type', 'text/csv', '--accept', 'application/json', out];
      const ran = await fixture.cli(t, major, argv);
      if (ran === null) return;
      assert.deepEqual([ran.code, ran.stderr], [0, '']);
      assert.deepEqual(JSON.parse(ran.stdout), { ContentType: 'application/json', InvokedProductionVariant: 'challenger' });
      assert.deepEqual(labelsOf(readFileSync(out, 'utf8')), labels);
      const rejected = await fixture.cli(t, major, [
        ...invocation.map((each) => (each === 'ab' ? 'missing' : each)),
        '--body',
        `fileb://${body}`,
        out,
      ]);
      assert.notEqual(rejected?.code, 0);
      assert.match(rejected?.stderr ?? '', /\(ValidationError\).*Endpoint missing of account 000000000000 not found\./);
    });
  }
});
