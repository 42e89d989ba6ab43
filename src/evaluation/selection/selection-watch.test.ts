import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openRecordedSelection } from '../../../test/recorded-selection.ts';
import { VirtualClock } from '../../clock.ts';
import type { EndpointView, SelectedLadder } from '../../deployment/index.ts';
import { inTransaction } from '../../storage/index.ts';
import type { SelectionInputs } from './selection-decision.ts';
import { SelectionWatch } from './selection-watch.ts';

const rung = (name: string, accuracy: number) => {
  const [first = '', second = null] = name.split('>');
  return { name, first, second, threshold: 0.1, accuracy, lower: accuracy, isCertified: true, escalated: 0.1 };
};
const ladder = {
  models: ['a/1', 'b/1'],
  rungs: [rung('a/1', 0.9), rung('a/1>b/1', 0.96), rung('b/1', 0.99)],
  floorRung: 1,
  floor: 0.95,
  creditRowsMax: 100,
  selection: { request: {}, decision: { state: 'estimated', atMs: 5, rows: 450 } },
} as unknown as SelectedLadder;

async function fixture(t: TestContext) {
  const clock = new VirtualClock();
  const { db, events, decisions } = await openRecordedSelection(t, clock, {
    inputs: { ratePerSecond: 100 },
    alternatives: [
      { name: 'a/1>b/1', usdPerHour: 0.04 },
      { name: 'b/1', usdPerHour: 0.08 },
    ],
    chosen: { floorPlan: 'a/1>b/1', ladder: ladder.rungs.map(({ name: plan }) => ({ plan })), predicted: { p95Ms: 7, usdPerHour: 0.04 } },
  });
  const state = {
    ladder,
    rollout: null as unknown,
    labelled: { rows: 0, hits: 0 },
    trusted: { rows: 0, hits: 0 },
    plans: new Map<string, { rows: number; hits: number }>(),
    reviews: [] as string[][],
    reviewFails: false,
    drift: false,
    disagrees: false,
    stored: 0,
    sinceMs: -1,
    measured: new Map<string, number>(),
  };
  const config = () => ({ name: 'digits', variants: [{ name: 'AllTraffic', ladder: state.ladder }] });
  const failures: unknown[] = [];
  const watch = new SelectionWatch({
    clock,
    decisions,
    events,
    deployments: {
      list: () => [{ config: config(), status: 'InService', rollout: state.rollout } as unknown as EndpointView],
      update: async (_name, { variantChanges = [] }, who, hook) => {
        assert.equal(who, 'penstock');
        await inTransaction(db, async (tx) => hook?.(tx, { config: config(), generation: 2 } as never, config() as never));
        state.ladder = variantChanges[0]?.ladder as SelectedLadder;
        return {} as EndpointView;
      },
    },
    evidence: {
      poll: () => ({
        escalation: { isDrifted: state.drift, reason: '21.7 % of the rows went on' },
        agreement: { isDrifted: state.disagrees, reason: 'a/1>b/1 answers 20 % otherwise' },
      }),
      store: async () => {
        state.stored++;
      },
    },
    labelled: async (_endpoint, _variant, sinceMs) => {
      state.sinceMs = sinceMs;
      return { ...state.labelled, trusted: state.trusted, plans: state.plans };
    },
    store: { add: (_key, { name }, value) => void state.measured.set(name, value) },
    review: async (...of) => {
      state.reviews.push(of);
      if (state.reviewFails) throw new Error('nothing is certified');
    },
    onFailure: (_endpoint, error) => failures.push(error),
  });
  return { state, watch, decisions, failures, clock };
}

test('a selection without drift is not touched', async (t) => {
  const { state, watch, decisions, failures } = await fixture(t);
  state.labelled = { rows: 1000, hits: 951 };
  await watch.look();
  assert.equal(state.ladder, ladder);
  assert.equal(state.sinceMs, 5, 'labels count since the decision');
  assert.deepEqual(watch.accuracy('digits'), {
    isDrifted: false,
    reason: '951 of 1,000 labelled rows are right: no proof that the accuracy is below 0.95',
  });
  assert.deepEqual([failures, (await decisions.list({ limit: 9 })).length], [[], 1]);
  const [low = 0, high = 0, evidence = 0] = ['AccuracyLow', 'AccuracyHigh', 'EvidenceFloor'].map((name) => state.measured.get(name));
  assert(low > 0.91 && low < 0.951 && high > 0.951 && high < 0.98, `${low} to ${high}`);
  assert(evidence > 0 && evidence < 1, `${evidence}`);
});

test('drift without labels withdraws the plans below the floor, with a decision, and keeps the workers', async (t) => {
  const { state, watch, decisions } = await fixture(t);
  state.drift = true;
  await watch.look();
  const { models, rungs, creditRowsMax, floorRung, selection } = state.ladder;
  assert.deepEqual([models, rungs.length, floorRung, creditRowsMax], [ladder.models, 3, 1, 0]);
  assert.equal(selection.held?.cause, 'escalation');
  const [made] = await decisions.list({ endpoint: 'digits', kind: 'selection', limit: 1 });
  assert.deepEqual([made?.trigger, made?.reason, made?.changes, made?.effect], ['escalation', 'held', true, null]);
  assert.match(
    made?.explanation ?? '',
    /^Held: 21\.7 % of the rows went on\. Plans below the floor are withdrawn; nothing cheaper is chosen until/,
  );
  assert.equal((made?.inputs as SelectionInputs | undefined)?.before?.floorPlan, 'a/1>b/1');
  await watch.look();
  assert.equal((await decisions.list({ limit: 9 })).length, 2, 'it is held once');
});

test('labels that break the floor let the most accurate plan answer everything, also of a selection that is held', async (t) => {
  const { state, watch, decisions } = await fixture(t);
  state.drift = true;
  await watch.look();
  state.labelled = { rows: 300, hits: 255 };
  await watch.look();
  const { models, rungs, floorRung, selection } = state.ladder;
  assert.deepEqual([models, rungs.map(({ name }) => name), floorRung, selection.held?.cause], [['b/1'], ['b/1'], 0, 'accuracy']);
  const [made] = await decisions.list({ endpoint: 'digits', kind: 'selection', limit: 1 });
  assert.match(
    made?.explanation ?? '',
    /^Held: labels show an accuracy below 0\.95: 45 errors in 300 labelled rows, 0\.8500 are right\. b\/1 answers all/,
  );
  assert.deepEqual((made?.chosen as { predicted: { usdPerHour: number } } | undefined)?.predicted.usdPerHour, 0.08);
  await watch.look();
  assert.equal((await decisions.list({ limit: 9 })).length, 3);
});

test('nothing is judged while an update is under way', async (t) => {
  const { state, watch } = await fixture(t);
  state.drift = true;
  state.rollout = { rolledBack: null };
  await watch.look();
  assert.equal(state.ladder, ladder);
});

test('plans that agree with the best one less often than they should are held, too, and what was counted is stored', async (t) => {
  const { state, watch, decisions } = await fixture(t);
  state.disagrees = true;
  await watch.look();
  assert.deepEqual([state.ladder.selection.held?.cause, state.ladder.rungs.length, state.ladder.creditRowsMax], ['agreement', 3, 0]);
  const [made] = await decisions.list({ endpoint: 'digits', kind: 'selection', limit: 1 });
  assert.deepEqual([made?.trigger, made?.reason], ['agreement', 'held']);
  await watch.close();
  assert.equal(state.stored, 2);
});

test('labels choose the loaded plan that they show to be best, also one that only ran in idle time', async (t) => {
  const { state, watch } = await fixture(t);
  state.labelled = { rows: 300, hits: 255 };
  state.plans = new Map([
    ['a/1', { rows: 20, hits: 20 }],
    ['a/1>b/1', { rows: 120, hits: 110 }],
    ['b/1', { rows: 300, hits: 255 }],
  ]);
  await watch.look();
  assert.deepEqual(
    state.ladder.rungs.map(({ name }) => name),
    ['a/1>b/1'],
  );
  assert.equal(watch.accuracy('digits')?.isDrifted, true);
});

test('labels choose no plan below the floor, however right they call it', async (t) => {
  const { state, watch } = await fixture(t);
  state.labelled = { rows: 600, hits: 300 };
  state.plans = new Map([
    ['a/1', { rows: 300, hits: 300 }],
    ['a/1>b/1', { rows: 200, hits: 0 }],
    ['b/1', { rows: 100, hits: 0 }],
  ]);
  await watch.look();
  assert.deepEqual([state.ladder.rungs.map(({ name }) => name), state.ladder.selection.held?.cause], [['b/1'], 'accuracy']);
});

test('a hold ends by 300 labels of a deployer that show the floor to be kept, not by those of others', async (t) => {
  const { state, watch } = await fixture(t);
  state.drift = true;
  await watch.look();
  state.labelled = { rows: 5000, hits: 4990 };
  await watch.look();
  state.trusted = { rows: 299, hits: 299 };
  await watch.look();
  assert.deepEqual(state.reviews, []);
  state.trusted = { rows: 600, hits: 595 };
  await watch.look();
  assert.deepEqual(state.reviews, [['digits', 'labels', 'penstock']]);
});

test('a release that fails is tried again after ten minutes', async (t) => {
  const { state, watch, failures, clock } = await fixture(t);
  state.drift = true;
  await watch.look();
  state.trusted = { rows: 600, hits: 595 };
  state.reviewFails = true;
  for (let minute = 0; minute < 12; minute++) {
    await watch.look();
    clock.advance(60_000);
  }
  assert.deepEqual([state.reviews.length, failures.length], [2, 2]);
});
