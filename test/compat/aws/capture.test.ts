/** Data capture with boto3: the config, its description, and the files. */
import { describe, test } from 'node:test';
import { modelPath } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

describe('data capture', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsFixture.open();
      try {
        await aws.python(t, generation, 'capture_checks.py', { model: modelPath('digits_mlp') });
      } finally {
        await aws.close();
      }
    });
  }
});
