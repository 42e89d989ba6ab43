import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointConfig, EndpointView, SelectedLadder, TransactionHook } from '../../deployment/index.ts';
import type { PlannedLadder } from './ladder-planner.ts';
import { SelectionReview } from './selection-review.ts';

const ladderOf = (floor: number): SelectedLadder =>
  ({ rungs: [], models: [], floor, selection: { request: {}, decision: { state: 'certified', atMs: 1 } } }) as unknown as SelectedLadder;
const configOf = (ladder: SelectedLadder): EndpointConfig =>
  ({ name: 'digits', variants: [{ name: 'AllTraffic', ladder }] }) as unknown as EndpointConfig;

function fixture() {
  const state = { ladder: ladderOf(0.9), meanwhile: null as SelectedLadder | null };
  const review = new SelectionReview({
    deployments: {
      get: () => ({ config: configOf(state.ladder) }) as EndpointView,
      update: async (_name, { variantChanges = [] }, _who, hook?: TransactionHook) => {
        const before = configOf(state.ladder);
        await hook?.(null as never, { config: { ...before, variants: [] } } as never, before);
        state.ladder = variantChanges[0]?.ladder as SelectedLadder;
        return {} as EndpointView;
      },
    },
    registry: {} as never,
    ladders: {
      plan: async () => {
        state.ladder = state.meanwhile ?? state.ladder;
        return { contract: { group: 'a', version: 1 }, ladder: ladderOf(0.95) } as unknown as PlannedLadder;
      },
    },
    recorder: { recording: () => ({ hook: async () => undefined, publish: () => undefined }) },
  });
  return { state, review };
}

test('a review serves the plans that it chose', async () => {
  const { state, review } = fixture();
  await review.review('digits', 'asked', 'someone');
  assert.equal(state.ladder.floor, 0.95);
});

test('a review does not overwrite what was deployed or held while it planned', async () => {
  const { state, review } = fixture();
  const held = { cause: 'agreement', reason: 'they disagree', atMs: 2 } as const;
  for (const meanwhile of [ladderOf(0.5), { ...ladderOf(0.9), selection: { ...ladderOf(0.9).selection, held } }]) {
    state.meanwhile = meanwhile;
    state.ladder = ladderOf(0.9);
    await assert.rejects(review.review('digits', 'version', 'penstock'), {
      code: 'wrong_state',
      message: /changed while others were chosen/,
    });
    assert.equal(state.ladder, meanwhile);
  }
});
