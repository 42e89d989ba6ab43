/** CloudWatch Logs by AWS's own clients. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InvokeEndpointCommand } from '@aws-sdk/client-sagemaker-runtime';
import type { RequestBody } from '../../../src/api/index.ts';
import { infer } from '../../end-to-end/oip-client.ts';
import { sample } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

const { inputs } = sample('diabetes_rf');

/** Creates an endpoint with a successful and a failed request. Returns the id of the failed one. */
async function withFailure({ server }: AwsFixture): Promise<string> {
  await server.deploy('logged', 'diabetes_rf');
  assert.equal((await infer(server.url, 'logged', inputs)).status, 200);
  const failed = await fetch(new URL('/v2/models/logged/infer', server.url), { method: 'POST', body: '{"inputs": []}' });
  assert.equal(failed.status, 400);
  return failed.headers.get('x-request-id') ?? '';
}

describe('log groups', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsFixture.open();
      try {
        const request = await withFailure(aws);
        await aws.python(t, generation, 'logs_checks.py', { endpoint: 'logged', request });
      } finally {
        await aws.close();
      }
    });
  }

  test('the request id that an AWS client receives finds the outcome of its request', async () => {
    const aws = await AwsFixture.open();
    try {
      await aws.server.deploy('logged', 'diabetes_rf');
      const provided = { EndpointName: 'logged', ContentType: 'text/csv', Body: Array.from({ length: 10 }, () => '0').join(',') };
      const { $metadata } = await aws.runtime.send(new InvokeEndpointCommand(provided));
      const { status, endpoint } = await aws.server.callWell<RequestBody>('GET', `/requests/${$metadata.requestId}`);
      assert.deepEqual([status, endpoint], ['ok', 'logged']);
    } finally {
      await aws.close();
    }
  });

  test('aws logs tail prints events and filters them', async (t) => {
    const aws = await AwsFixture.open();
    try {
      const request = await withFailure(aws);
      const reported = await aws.cli(t, 2, ['logs', 'tail', '/aws/sagemaker/Endpoints/logged', '--since', '5m', '--format', 'short']);
      if (reported === null) return;
      assert.equal(reported.code, 0, reported.stderr);
      assert(reported.stdout.includes(`"request":"${request}"`), reported.stdout);
      const filtered = await aws.cli(t, 2, ['logs', 'tail', '/penstock/requests', '--filter-pattern', '{ $.status = "ok" }']);
      assert.deepEqual([filtered?.code, filtered?.stdout.trimEnd().split('\n').length], [0, 1], filtered?.stderr);
    } finally {
      await aws.close();
    }
  });
});
