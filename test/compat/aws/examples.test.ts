/** The examples for AWS's tools print what they say they print; they know nothing of this server but its URL. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { awscli, generations, pythonEnvironment } from './environments.ts';
import { AwsHouse } from './house.ts';

const folder = join(import.meta.dirname, '../../../examples/sagemaker');
const expected = (example: string): string => readFileSync(join(folder, example, 'expected-output.txt'), 'utf8');

describe('the examples for AWS tools', () => {
  let house: AwsHouse;

  before(async () => {
    house = await AwsHouse.open();
  });

  after(() => house?.close());

  for (const generation of generations) {
    test(`the life of a model with ${generation}`, { timeout: 120_000 }, async (t) => {
      const environment = await pythonEnvironment(generation);
      if (typeof environment === 'string') return t.skip(environment);
      const ran = await house.run([join(environment.bin, 'python'), join(folder, 'boto3/lifecycle.py')]);
      assert.deepEqual(ran, { code: 0, stdout: expected('boto3'), stderr: '' });
    });
  }

  for (const major of [1, 2] as const) {
    test(`the life of a model with awscli ${major}`, { timeout: 170_000 }, async (t) => {
      const command = await awscli(major);
      if (typeof command === 'string') return t.skip(command);
      const ran = await house.run(['sh', join(folder, 'awscli/lifecycle.sh')], { AWSCLI: command.join(' ') });
      assert.deepEqual(ran, { code: 0, stdout: expected('awscli'), stderr: '' });
    });
  }
});
