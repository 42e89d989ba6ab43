/** The runtime, called by AWS's own clients: every content type, streaming, errors. */
import { after, before, describe, test } from 'node:test';
import { generations } from './environments.ts';
import { AwsHouse } from './house.ts';

describe('sagemaker-runtime', { timeout: 170_000 }, () => {
  let house: AwsHouse;

  before(async () => {
    house = await AwsHouse.open();
    await house.server.deploy('digits', 'digits_mlp');
  });

  after(() => house?.close());

  for (const generation of generations) {
    test(`${generation}`, (t) => house.python(t, generation, 'runtime_checks.py'));
  }
});
