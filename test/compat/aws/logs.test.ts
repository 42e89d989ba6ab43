/** CloudWatch Logs by AWS's own clients. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InvokeEndpointCommand } from '@aws-sdk/client-sagemaker-runtime';
import type { RequestBody } from '../../../src/api/index.ts';
import { infer } from '../../end-to-end/oip-client.ts';
import { sample } from '../../models/index.ts';
import { generations } from './environments.ts';
import { AwsHouse } from './house.ts';

const { inputs } = sample('diabetes_rf');

/** An endpoint with a request that was answered and one that failed, whose id this tells. */
async function withFailure({ server }: AwsHouse): Promise<string> {
  await server.deploy('told', 'diabetes_rf');
  assert.equal((await infer(server.url, 'told', inputs)).status, 200);
  const failed = await fetch(new URL('/v2/models/told/infer', server.url), { method: 'POST', body: '{"inputs": []}' });
  assert.equal(failed.status, 400);
  return failed.headers.get('x-request-id') ?? '';
}

describe('log groups', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsHouse.open();
      try {
        const request = await withFailure(aws);
        await aws.python(t, generation, 'logs_checks.py', { endpoint: 'told', request });
      } finally {
        await aws.close();
      }
    });
  }

  test('the id that an AWS client is told finds what became of its request', async () => {
    const aws = await AwsHouse.open();
    try {
      await aws.server.deploy('told', 'diabetes_rf');
      const given = { EndpointName: 'told', ContentType: 'text/csv', Body: Array.from({ length: 10 }, () => '0').join(',') };
      const { $metadata } = await aws.runtime.send(new InvokeEndpointCommand(given));
      const { status, endpoint } = await aws.server.callWell<RequestBody>('GET', `/requests/${$metadata.requestId}`);
      assert.deepEqual([status, endpoint], ['ok', 'told']);
    } finally {
      await aws.close();
    }
  });

  test('aws logs tail shows what there is, and filters it', async (t) => {
    const aws = await AwsHouse.open();
    try {
      const request = await withFailure(aws);
      const told = await aws.cli(t, 2, ['logs', 'tail', '/aws/sagemaker/Endpoints/told', '--since', '5m', '--format', 'short']);
      if (told === null) return;
      assert.equal(told.code, 0, told.stderr);
      assert(told.stdout.includes(`"request":"${request}"`), told.stdout);
      const filtered = await aws.cli(t, 2, ['logs', 'tail', '/penstock/requests', '--filter-pattern', '{ $.status = "ok" }']);
      assert.deepEqual([filtered?.code, filtered?.stdout.trimEnd().split('\n').length], [0, 1], filtered?.stderr);
    } finally {
      await aws.close();
    }
  });
});
