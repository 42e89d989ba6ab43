/** Rarely used members of AWS's shapes are returned as they were sent, or rejected with a reason. */
import { describe, test } from 'node:test';
import { modelPath } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

describe('rarely used members', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsFixture.open();
      try {
        await aws.python(t, generation, 'members_checks.py', { model: modelPath('diabetes_rf') });
      } finally {
        await aws.close();
      }
    });
  }
});
