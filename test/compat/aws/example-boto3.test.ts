/** The boto3 example prints its expected output in both generations; it depends on nothing but the server's URL. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AwsFixture } from './aws-fixture.ts';
import { generations, pythonEnvironment } from './environments.ts';
import { example } from './example-life.ts';

describe('the lifecycle example runs with', () => {
  let fixture: AwsFixture;

  before(async () => {
    fixture = await AwsFixture.open();
  });

  after(() => fixture?.close());

  for (const generation of generations) {
    test(generation, { timeout: 500_000 }, async (t) => {
      const environment = await pythonEnvironment(generation);
      if (typeof environment === 'string') return t.skip(environment);
      const { path, output } = example('boto3', 'lifecycle.py');
      const ran = await fixture.run([join(environment.bin, 'python'), path]);
      assert.deepEqual(ran, { code: 0, stdout: output, stderr: '' });
    });
  }
});
