/** Batch transform jobs created and observed by AWS's own clients. */
import { describe, test } from 'node:test';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

describe('transform jobs', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsFixture.open();
      try {
        await aws.server.approve(await aws.server.register('digits', 'digits_mlp'));
        await aws.python(t, generation, 'transform_checks.py');
      } finally {
        await aws.close();
      }
    });
  }
});
