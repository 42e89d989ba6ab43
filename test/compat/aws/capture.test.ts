/** Data capture by boto3: the config, what DescribeEndpoint says of it, and the files. */
import { describe, test } from 'node:test';
import { modelPath } from '../../models/index.ts';
import { generations } from './environments.ts';
import { AwsHouse } from './house.ts';

describe('data capture', { timeout: 300_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsHouse.open();
      try {
        await aws.python(t, generation, 'capture_checks.py', { model: modelPath('digits_mlp') });
      } finally {
        await aws.close();
      }
    });
  }
});
