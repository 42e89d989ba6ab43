import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import type { Decision, NewDecision } from '../../records/index.ts';
import type { ServedView } from '../../serving/index.ts';
import { LadderLoads } from './ladder-loads.ts';

const rungs = [
  { name: 'a/1>b/1@0.1', first: 'a/1', second: 'b/1', accuracy: 0.96 },
  { name: 'b/1', first: 'b/1', second: null, accuracy: 0.98 },
  { name: 'c/1', first: 'c/1', second: null, accuracy: 0.99 },
];

test('a missing model is a decision that names the plans which are left, once, and so is its return', async () => {
  const state = { unloaded: [] as { model: string; reason: string; workers: number }[] };
  const recorded: NewDecision[] = [];
  const last = {
    endpoint: 'digits',
    variant: 'AllTraffic',
    inputs: {},
    alternatives: [],
    chosen: { floorPlan: 'a/1>b/1@0.1', topPlan: 'c/1', ladder: rungs.map(({ name: plan }) => ({ plan })) },
  } as unknown as Decision;
  const loads = new LadderLoads({
    clock: new VirtualClock(),
    decisions: {
      list: async () => [last],
      record: async (decision) => {
        recorded.push(decision);
        return {} as never;
      },
    },
    served: () => [
      {
        name: 'digits',
        variants: [
          { isShadow: false, executors: [{}, {}], unloaded: state.unloaded, ladder: { config: { models: ['a/1', 'b/1', 'c/1'], rungs } } },
        ],
      } as unknown as ServedView,
    ],
    onFailure: (_endpoint, error) => assert.fail(String(error)),
  });
  await loads.look();
  state.unloaded = [{ model: 'c/1', reason: 'the file is corrupt', workers: 2 }];
  await loads.look();
  await loads.look();
  state.unloaded = [];
  await loads.look();
  assert.deepEqual(
    recorded.map(({ trigger, reason, chosen }) => [trigger, reason, (chosen as { topPlan: string; loaded: string[] }).topPlan]),
    [
      ['load', 'model-missing', 'b/1'],
      ['load', 'model-loaded', 'c/1'],
    ],
  );
  assert.equal(
    recorded[0]?.explanation,
    'c/1 could not be loaded by 2 of 2 workers: the file is corrupt. 1 of 3 plans need it and are left out until it loads.',
  );
});
