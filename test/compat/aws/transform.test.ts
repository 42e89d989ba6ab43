/** Batch transform jobs, ordered and watched by AWS's own clients. */
import { describe, test } from 'node:test';
import { generations } from './environments.ts';
import { AwsHouse } from './house.ts';

describe('transform jobs', { timeout: 170_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsHouse.open();
      try {
        await aws.server.approve(await aws.server.register('digits', 'digits_mlp'));
        await aws.python(t, generation, 'transform_checks.py');
      } finally {
        await aws.close();
      }
    });
  }
});
