import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EndpointConfig, EndpointView, SelectedLadder, TransactionHook } from '../../deployment/index.ts';
import type { LadderRequest, PlannedLadder } from './ladder-planner.ts';
import { SelectionReview } from './selection-review.ts';

const ladderOf = (floor: number): SelectedLadder =>
  ({ rungs: [], models: [], floor, selection: { request: {}, decision: { state: 'certified', atMs: 1 } } }) as unknown as SelectedLadder;
const withRows = (ladder: SelectedLadder, sha256: string): SelectedLadder => ({
  ...ladder,
  selection: { ...ladder.selection, decision: { ...ladder.selection.decision, sha256 } },
});
const configOf = (ladder: SelectedLadder): EndpointConfig =>
  ({ name: 'digits', variants: [{ name: 'AllTraffic', ladder }] }) as unknown as EndpointConfig;

function fixture() {
  const state = {
    ladder: ladderOf(0.9),
    meanwhile: null as SelectedLadder | null,
    chosen: ladderOf(0.95),
    planned: [] as LadderRequest[],
    recorded: 0,
  };
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
      plan: async (request) => {
        state.planned.push(request);
        state.ladder = state.meanwhile ?? state.ladder;
        const findings = { inputs: { profiles: [] } };
        return { contract: { group: 'a', version: 1 }, ladder: state.chosen, tests: { fresh: [] }, findings } as unknown as PlannedLadder;
      },
    },
    recorder: { recording: () => ({ hook: async () => void state.recorded++, publish: () => undefined }) },
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

test('another set of the same name decides nothing until a caller requests it', async () => {
  const { state, review } = fixture();
  const { selection } = ladderOf(0.95);
  state.ladder = withRows(ladderOf(0.9), 'a'.repeat(64));
  state.chosen = withRows({ ...ladderOf(0.95), selection }, 'b'.repeat(64));
  for (const trigger of ['version', 'labels', 'promote', 'rate', 'period']) {
    await assert.rejects(review.review('digits', trigger, 'penstock'), {
      code: 'wrong_state',
      message: /has other rows than those .* expected sha256 aaaaaaaaaaaa, got bbbbbbbbbbbb\. .* `penstock select digits --now`/,
    });
  }
  assert.equal(state.ladder.floor, 0.9);
  await review.review('digits', 'asked', 'someone');
  assert.equal(state.ladder.floor, 0.95);
});

describe('conditions that changed', () => {
  const named = (floor: number, name: string): SelectedLadder => ({
    ...ladderOf(floor),
    models: [name],
    rungs: [{ name }] as unknown as SelectedLadder['rungs'],
    floorRung: 0,
  });

  test('the measured load prices the plans, and those that serve count', async () => {
    const { state, review } = fixture();
    state.ladder = named(0.9, 'a/1');
    await review.review('digits', 'rate', 'penstock', 500);
    const [{ ratePerSecond, inForce }] = state.planned as [LadderRequest];
    assert.deepEqual([ratePerSecond, inForce?.rungs[0]], [500, 'a/1']);
    assert.equal(state.ladder.floor, 0.95, 'other plans were chosen: they serve');
    assert.equal(state.recorded, 1);
    await review.review('digits', 'asked', 'someone');
    assert.equal(state.planned[1]?.inForce, undefined);
  });

  test('that leave the plans as they are change no endpoint; the decision is stored unless it was a regular one', async () => {
    const { state, review } = fixture();
    const serving = named(0.9, 'a/1');
    for (const [trigger, recorded] of [
      ['prices', 1],
      ['profile', 2],
      ['rate', 3],
      ['period', 3],
    ] as const) {
      [state.ladder, state.chosen] = [serving, { ...named(0.9, 'a/1'), creditRowsMax: 7 }];
      await review.review('digits', trigger, 'penstock', 500);
      assert.deepEqual([state.ladder, state.recorded], [serving, recorded]);
    }
  });
});
