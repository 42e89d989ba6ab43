/** Shadow variants by boto3, and what the native API, OIP clients and the CLI show of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EndpointBody } from '../../../src/api/index.ts';
import { runVerb } from '../../cli-fixture.ts';
import { until } from '../../end-to-end/poll.ts';
import { modelPath } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

describe('shadow variants', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsFixture.open();
      try {
        await aws.python(t, generation, 'shadow_checks.py', { model: modelPath('digits_mlp'), other: modelPath('iris_rf') });
        if (generation === generations[0]) await t.test('native clients', () => nativeClients(aws));
      } finally {
        await aws.close();
      }
    });
  }
});

async function nativeClients({ server }: AwsFixture): Promise<void> {
  const version = await server.deploy('native', 'digits_mlp');
  const shadow = { name: 'next', model: version.name, shadow: true, weight: 1 };
  await server.callWell('PATCH', '/endpoints/native', { variants: [{ name: 'AllTraffic' }, shadow] });
  await server.inService('native');
  const row = { inputs: [{ name: 'image', shape: [1, 64], datatype: 'FP32', data: new Array(64).fill(0) }] };
  const { signature } = version;
  row.inputs[0] = { ...row.inputs[0], name: signature.inputs[0]?.name ?? '' } as (typeof row.inputs)[0];
  const reply = await fetch(`${server.url}/v2/models/native/infer`, { method: 'POST', body: JSON.stringify(row) });
  assert.equal(reply.status, 200, await reply.text());
  const [live, next] = await until('the request is copied', async () => {
    const { variants } = await server.callWell<EndpointBody>('GET', '/endpoints/native');
    return variants[1]?.statistics?.requests === 1 ? variants : null;
  });
  assert.deepEqual([live?.shadow, next?.shadow], [null, { share: 1, copies_dropped: 0, shares_workers: true }]);
  assert.deepEqual([live?.workers.length, next?.workers.length, next?.usage.total_usd], [1, 0, 0], 'the copy ran on the same worker');
  const { stdout } = await runVerb(['describe', 'native'], { PENSTOCK_URL: server.url, PENSTOCK_KEY: server.adminKey });
  assert.match(stdout, /next +\S+ +shadow of 100 %, in idle time +1\/1/);
  const metadata = (await (await fetch(`${server.url}/v2/models/native`)).json()) as { versions: string[] };
  assert.deepEqual(metadata.versions, ['1'], 'an OIP client cannot request a shadow');
}
