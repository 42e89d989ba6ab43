import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrivalTimesMs, poisson } from '../../src/queueing/index.ts';
import { SeededRandom } from '../../src/random.ts';
import { compare, policyNames } from './policies.ts';
import { workloads } from './workloads.ts';

test('judges all policies on the same unseen arrivals; with fixed service times the slack rule is never late', () => {
  const arrivalsMs = arrivalTimesMs(poisson(100), new SeededRandom(1), 6500);
  const { requests, policies } = compare({ name: 'short', arrivalsMs }, 100, 0);
  assert.equal(requests, 1500);
  assert.deepEqual(
    policies.map(({ policy }) => policy),
    policyNames,
  );
  const [slack, , , none] = policies;
  assert.equal(slack?.latePercent, 0);
  assert(none !== undefined && slack !== undefined && none.meanBatch === 1 && slack.costUsdPerMillion < none.costUsdPerMillion);
});

test('workloads are sorted by time and longer than the planning history', () => {
  for (const { name, arrivalsMs } of workloads()) {
    assert(arrivalsMs.length > 5000 + 2000, name);
    assert(
      arrivalsMs.every((ms, i) => i === 0 || ms >= (arrivalsMs[i - 1] as number)),
      name,
    );
  }
});
