/** Selections, model quality and inference recommendations as AWS's own clients see them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { until } from '../../end-to-end/poll.ts';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

const holdout = readFileSync(join(import.meta.dirname, '../../../assets/catalogue/digits_test.csv'));
const groups = ['digits-logreg', 'digits-mlp', 'digits-cnn'];

describe('selections', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsFixture.open();
      try {
        const { server } = aws;
        for (const group of groups) await server.approve(await server.register(group, group.replace('-', '_')));
        const set = await server.call('PUT', '/evaluation-sets/holdout?label=label', holdout, { 'content-type': 'text/csv' });
        assert.equal(set.status, 200);
        const { id } = await server.callWell<{ id: string }>('POST', '/evaluations', { set: 'holdout', models: groups });
        await until('the evaluation ends', async () => {
          const { state } = await server.callWell<{ state: string }>('GET', `/evaluations/${id}`);
          return state === 'Completed';
        });
        for (const group of groups) await server.callWell('POST', `/groups/${group}/versions/1/profile`, {});
        await aws.python(t, generation, 'selection_checks.py');
      } finally {
        await aws.close();
      }
    });
  }
});
