/** Multi-model endpoints by boto3, against an attacker who may upload but not approve. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { EndpointBody } from '../../../src/api/index.ts';
import { runVerb } from '../../cli-fixture.ts';
import { temporaryDirectory } from '../../end-to-end/server.ts';
import { modelPath } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

/** An instance whose memory holds three small models. */
const prices = { instances: { 'ml.c5.large': { vcpu: 2, memoryMiB: 640, usdPerHour: 0.085 } } };
const images = [{ match: 'team/process', runtime: 'process', command: ['true'] }];

for (const generation of generations) {
  test(generation, { timeout: 400_000 }, async (t) => {
    const dataDir = temporaryDirectory();
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ prices, images }));
    const aws = await AwsFixture.open({ dataDir });
    try {
      const { server } = aws;
      const key = (role: string) => server.callWell<{ id: string; secret: string }>('POST', '/keys', { role });
      const [deployer, approver] = [await key('deployer'), await key('approver')];
      await aws.python(t, generation, 'multi_model_checks.py', {
        model: modelPath('digits_logreg'),
        other: modelPath('iris_rf'),
        deployer: `${deployer.id}:${deployer.secret}`,
        approver: `${approver.id}:${approver.secret}`,
        revoke: `${server.url}/api/v1/keys/${approver.id}`,
      });
      if (generation === generations[0]) await t.test('the native API and the CLI show the folder', () => shown(aws));
    } finally {
      await aws.close();
      rmSync(dataDir, { recursive: true });
    }
  });
}

async function shown({ server }: AwsFixture): Promise<void> {
  const [variant] = (await server.callWell<EndpointBody>('GET', '/endpoints/shop')).variants;
  assert.equal(variant?.multi_model?.url, 's3://models/shop/');
  assert.equal(variant.multi_model.memory_mib_max, 640);
  for (const { model } of variant.workers) assert.match(model, /^\w+\/\d+( \(.+\))?$/, 'workers are named by the keys of their objects');
  assert((variant.statistics?.requests ?? 0) > 0, 'requests of all models count as those of the variant');
  const { stdout } = await runVerb(['describe', 'shop'], { PENSTOCK_URL: server.url, PENSTOCK_KEY: server.adminKey });
  assert.match(stdout, /MODELS OF +FOLDER +LOADED +MEMORY\nall +s3:\/\/models\/shop\/ +\d+ +\d+ of 640 MiB/);
  const reply = await server.call('POST', '/endpoints/shop/invoke', { instances: [[0]] });
  assert.equal(reply.status, 400, 'a call names no model');
}
