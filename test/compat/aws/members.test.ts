/** What AWS's clients say beyond the necessary comes back as it was said, or is refused with a reason. */
import { describe, test } from 'node:test';
import { modelPath } from '../../models/index.ts';
import { generations } from './environments.ts';
import { AwsHouse } from './house.ts';

describe('members that are seldom sent', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsHouse.open();
      try {
        await aws.python(t, generation, 'members_checks.py', { model: modelPath('diabetes_rf') });
      } finally {
        await aws.close();
      }
    });
  }
});
