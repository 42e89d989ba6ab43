import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { openRecordedSelection } from '../../../test/recorded-selection.ts';
import { VirtualClock } from '../../clock.ts';
import type { EndpointView, SelectedLadder } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { inTransaction } from '../../storage/index.ts';
import type { EvaluationView } from '../evaluation.ts';
import { Challengers } from './challengers.ts';

const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 64] }],
  outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 10] }],
} as const;
const rung = (name: string) => ({
  name,
  first: name,
  second: null,
  threshold: 1,
  accuracy: 0.97,
  lower: 0.95,
  isCertified: true,
  escalated: 0,
});
const ladder = {
  models: ['a/1', 'b/1'],
  rungs: [rung('a/1'), rung('b/1')],
  floorRung: 0,
  floor: 0.95,
  creditRowsMax: 0,
  shadowShare: 0.01,
  selection: { request: { candidates: ['a', 'b/1'], set: 'holdout' }, decision: { atMs: 5 } },
} as unknown as SelectedLadder;

async function fixture(t: TestContext) {
  const clock = new VirtualClock(1000);
  const chosen = { floorPlan: 'a/1', ladder: [{ plan: 'a/1' }, { plan: 'b/1' }], loaded: ladder.models };
  const { db, events, decisions } = await openRecordedSelection(t, clock, { chosen });
  const state = {
    ladder,
    newest: 'a/1',
    approved: true,
    answered: ['a/1', 'b/1'],
    captured: 100,
    pairs: { rows: 0, better: 0, worse: 0 },
    challenge: { rows: 0, disagreed: 0, failed: 0, crashes: 0 },
    unloaded: [] as { model: string; reason: string; workers: number }[],
    evaluation: 'InProgress' as EvaluationView['state'],
    evaluated: [] as unknown[],
    reviews: [] as string[][],
    measured: new Map<string, number>(),
  };
  const versionOf = (name: string): ModelVersion =>
    ({
      name,
      group: name.slice(0, name.indexOf('/')),
      approval: state.approved ? 'Approved' : 'Rejected',
      signature,
      batchable: true,
      runtime: { kind: 'onnx' },
    }) as unknown as ModelVersion;
  const variants = () => [{ name: 'AllTraffic', group: 'a', version: 1, ladder: state.ladder }];
  const config = () => ({ name: 'digits', variants: variants(), capture: { percent: state.captured } });
  const challengers = new Challengers({
    clock,
    decisions,
    events,
    deployments: {
      list: () => [{ config: config(), status: 'InService', rollout: null } as unknown as EndpointView],
      update: async (_name, { variantChanges = [] }, who, hook) => {
        assert.equal(who, 'penstock');
        await inTransaction(db, async (tx) => hook?.(tx, { config: config(), generation: 2 } as never, config() as never));
        state.ladder = variantChanges[0]?.ladder as SelectedLadder;
        return {} as EndpointView;
      },
    },
    registry: {
      resolve: async (name) => {
        if (name === 'b') throw new PlatformError('wrong_state', 'group b has no Approved version');
        return versionOf(state.newest);
      },
      version: async (group, version) => versionOf(`${group}/${version}`),
    },
    answers: {
      answered: async (_set, versions) => new Set(versions.map(({ name }) => name).filter((name) => state.answered.includes(name))),
    },
    evaluations: {
      create: async (request) => {
        state.evaluated.push(request);
        return { id: 'e1' } as EvaluationView;
      },
      find: async () => ({ state: state.evaluation, reason: 'too many rows failed' }) as EvaluationView,
    },
    store: { add: (_key, { name }, value) => void state.measured.set(name, value) },
    served: () => ({ variants: [{ name: 'AllTraffic', ladder: { challenge: state.challenge }, unloaded: state.unloaded }] }) as never,
    discordant: async () => state.pairs,
    review: async (...of) => void state.reviews.push(of),
    onFailure: (_endpoint, error) => assert.fail(String(error)),
  });
  const last = async () => (await decisions.list({ endpoint: 'digits', kind: 'selection', limit: 1 }))[0];
  const tried = async () => {
    state.newest = 'a/2';
    await challengers.look();
    assert.equal(state.ladder.challenger?.model, 'a/2');
  };
  return { state, challengers, last, tried };
}

describe('a challenger', () => {
  test('is a new version of a followed group that has not answered the set: it is loaded, with a decision', async (t) => {
    const { state, challengers, last, tried } = await fixture(t);
    await challengers.look();
    assert.equal(state.ladder, ladder, 'nothing is new');
    await tried();
    assert.deepEqual(state.ladder.models, ['a/1', 'b/1', 'a/2']);
    assert.deepEqual(state.ladder.challenger, { model: 'a/2', incumbent: 'a/1', sinceMs: 1000 });
    const made = await last();
    assert.deepEqual([made?.trigger, made?.reason, made?.changes], ['version', 'challenger-loaded', true]);
    assert.match(
      made?.explanation ?? '',
      /a\/2 is new and was not evaluated on holdout: .* up to 1 % of the requests of digits.* between it and a\/1/,
    );
  });

  for (const [why, prepare] of [
    ['without capture, as labels cannot be matched', (state) => (state.captured = 0)],
    ['if three models are loaded already', (state) => (state.ladder = { ...ladder, models: ['a/1', 'b/1', 'c/1'] })],
    ['if it has answered the set, which decides then', (state) => state.answered.push('a/2')],
    ['while the selection is held', (state) => (state.ladder = { ...ladder, selection: { ...ladder.selection, held: {} as never } })],
    [
      'if it was demoted before',
      (state) => {
        const request = { ...ladder.selection.request, demoted: ['a/2'] };
        state.ladder = { ...ladder, selection: { ...ladder.selection, request } };
      },
    ],
  ] as const satisfies readonly (readonly [string, (state: Awaited<ReturnType<typeof fixture>>['state']) => unknown])[]) {
    test(`is not tried ${why}`, async (t) => {
      const { state, challengers } = await fixture(t);
      prepare(state);
      state.newest = 'a/2';
      await challengers.look();
      assert.equal(state.ladder.challenger, undefined);
    });
  }

  test('is promoted by labels: it is evaluated on the set, and plans are chosen with it', async (t) => {
    const { state, challengers, last, tried } = await fixture(t);
    await tried();
    state.pairs = { rows: 300, better: 5, worse: 1 };
    await challengers.look();
    assert.deepEqual([state.evaluated, challengers.evidenceOf('digits', 'a/2')?.better], [[], 5]);
    assert(state.measured.has('ChallengerPromote') && state.measured.has('ChallengerDemote'), 'evidence over time');
    state.pairs = { rows: 900, better: 20, worse: 2 };
    await challengers.look();
    assert.deepEqual(state.evaluated, [{ set: 'holdout', models: ['a/2'], skipsBadLabels: true }]);
    const made = await last();
    assert.deepEqual([made?.trigger, made?.reason, made?.changes], ['promote', 'challenger-promoted', false]);
    assert.match(made?.explanation ?? '', /a\/2 is promoted: on 22 of 900 labelled rows .*: a\/2 on 20, a\/1 on 2 \(e = 968, 20 decides\)/);
    await challengers.look();
    assert.equal(state.evaluated.length, 1, 'once');
    state.evaluation = 'Completed';
    state.answered.push('a/2');
    await challengers.look();
    assert.deepEqual(state.reviews, [['digits', 'promote', 'penstock']]);
  });

  test('is not promoted while the selection is held, and is demoted all the same', async (t) => {
    const { state, challengers, tried } = await fixture(t);
    await tried();
    const held = { cause: 'escalation', reason: '', atMs: 1 } as const;
    state.ladder = { ...state.ladder, selection: { ...state.ladder.selection, held } };
    state.pairs = { rows: 900, better: 20, worse: 2 };
    await challengers.look();
    assert.deepEqual(state.evaluated, []);
    state.pairs = { rows: 900, better: 2, worse: 20 };
    await challengers.look();
    assert.equal(state.ladder.challenger, undefined);
  });

  for (const [why, prepare, told] of [
    [
      'labels show that it is worse',
      (state) => (state.pairs = { rows: 900, better: 2, worse: 20 }),
      /not tried again: on 22 of 900 labelled rows/,
    ],
    ['it crashes a worker', (state) => (state.challenge = { ...state.challenge, crashes: 1 }), /a worker crashed while it ran a\/2/],
    ['it fails', (state) => (state.challenge = { ...state.challenge, failed: 11 }), /a\/2 failed on 11 requests/],
    [
      'it cannot be loaded',
      (state) => state.unloaded.push({ model: 'a/2', reason: 'the file is damaged.', workers: 1 }),
      /could not be loaded: the file is damaged\. The plans stay/,
    ],
  ] as const satisfies readonly (readonly [string, (state: Awaited<ReturnType<typeof fixture>>['state']) => unknown, RegExp])[]) {
    test(`is unloaded and not tried again if ${why}`, async (t) => {
      const { state, challengers, last, tried } = await fixture(t);
      await tried();
      prepare(state);
      await challengers.look();
      assert.deepEqual([state.ladder.models, state.ladder.selection.request.demoted], [['a/1', 'b/1'], ['a/2']]);
      const made = await last();
      assert.deepEqual([made?.trigger, made?.reason, made?.changes], ['demote', 'challenger-demoted', true]);
      assert.match(made?.explanation ?? '', told);
      await challengers.look();
      assert.equal(state.ladder.challenger, undefined);
    });
  }

  test('that is rejected meanwhile is unloaded', async (t) => {
    const { state, challengers, last, tried } = await fixture(t);
    await tried();
    state.approved = false;
    await challengers.look();
    assert.deepEqual([state.ladder.challenger, state.ladder.selection.request.demoted], [undefined, undefined]);
    assert.match((await last())?.explanation ?? '', /a\/2 is unloaded: a\/2 is not approved any more/);
  });

  test('that cannot be evaluated is unloaded, with the reason', async (t) => {
    const { state, challengers, last, tried } = await fixture(t);
    await tried();
    state.pairs = { rows: 900, better: 20, worse: 2 };
    await challengers.look();
    state.evaluation = 'Failed';
    await challengers.look();
    assert.match((await last())?.explanation ?? '', /its evaluation ended as Failed: too many rows failed/);
  });
});
