/** The example for boto3 prints what it says it prints, in both generations; it knows nothing of this server but its URL. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { generations, pythonEnvironment } from './environments.ts';
import { example } from './example-life.ts';
import { AwsHouse } from './house.ts';

describe('the life of a model with', () => {
  let house: AwsHouse;

  before(async () => {
    house = await AwsHouse.open();
  });

  after(() => house?.close());

  for (const generation of generations) {
    test(generation, { timeout: 80_000 }, async (t) => {
      const environment = await pythonEnvironment(generation);
      if (typeof environment === 'string') return t.skip(environment);
      const { path, output } = example('boto3', 'lifecycle.py');
      const ran = await house.run([join(environment.bin, 'python'), path]);
      assert.deepEqual(ran, { code: 0, stdout: output, stderr: '' });
    });
  }
});
