/** What a selection rejects, and what it leaves out. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { outcomesOf } from '../../../test/selection/index.ts';
import { selectableModels } from '../../../test/selection/selectable.ts';
import { VirtualClock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { agreementOf, bestAlone, choosePlans, judgePlans } from '../../selection/index.ts';
import type { EvaluationSet } from '../evaluation-set.ts';
import { LadderPlanner, type LadderRequest } from './ladder-planner.ts';
import type { SelectionRequest } from './selection-planner.ts';
import { nothingTested } from './selection-tests.ts';

const set = { name: 'holdout', sha256: 'f'.repeat(64), rows: 450 } as EvaluationSet;
const signature = {
  inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1, 64] }],
  outputs: [
    { name: 'label', datatype: 'INT64', shape: [-1] },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 10] },
  ],
};

/** The digits family at 200 times its measured service times. */
async function plan(change: Partial<LadderRequest> = {}, approvals: Readonly<Record<string, string>> = {}) {
  const requests: SelectionRequest[] = [];
  const planner = new LadderPlanner({
    clock: new VirtualClock(),
    registry: {
      resolve: async (name) => {
        const approval = approvals[name] === 'unanswered' ? 'Approved' : (approvals[name] ?? 'Approved');
        if (approval === 'gone') throw new PlatformError('not_found', `model ${name} is not known`);
        return {
          name,
          group: name.split('/')[0] ?? '',
          version: 1,
          approval,
          signature,
          batchable: true,
          runtime: { kind: 'onnx' },
        } as unknown as ModelVersion;
      },
    },
    answers: {
      answered: async (_set, versions) => new Set(versions.map(({ name }) => name).filter((name) => approvals[name] !== 'unanswered')),
    },
    planner: {
      plan: async (request) => {
        requests.push(request);
        const models = selectableModels('digits', 200).filter(({ name }) => request.models.includes(name));
        const judged = judgePlans(outcomesOf('digits').labels, models, {
          floor: request.floor,
          confidence: 0.95,
          limitMs: 50,
          share: 0.95,
          overheadMs: 0.5,
          ratePerSecond: request.ratePerSecond,
          usdPerInstanceHour: 0.0425,
        });
        const chosen = choosePlans(judged.plans, request.goal, ({ isCertified }) => request.floor === null || isCertified);
        return {
          set,
          state: chosen === null ? 'not-certified' : 'certified',
          chosen,
          fallback: bestAlone(judged.plans),
          rowsNeeded: null,
          ...judged,
          tests: { earlier: nothingTested, fresh: judged.fresh },
          agreement: (one, best) => agreementOf(one, best, models),
          fits: () => true,
          predicted: null,
          profiles: [],
          price: { asOf: '2026-10-01', usdPerInstanceHour: 0.0425 },
        };
      },
    },
  });
  const planned = await planner.plan({
    endpoint: 'digits',
    candidates: ['digits_logreg', 'digits_mlp', 'digits_rf', 'digits_cnn'],
    reference: null,
    set: set.name,
    goal: { kind: 'cheapest' },
    floor: 0.97,
    confidence: 0.95,
    degradeTo: null,
    ratePerSecond: 645,
    objective: { percentile: 95, latencyMs: 50 },
    instanceType: 'local.1',
    force: false,
    ...change,
  });
  return { ...planned, requests };
}

describe('a selection is rejected', () => {
  for (const { what, change, code, message } of [
    { what: 'without an objective', change: { objective: null }, code: 'invalid_request', message: /needs an objective/ },
    { what: 'without candidates', change: { candidates: [] }, code: 'invalid_request', message: /expected 1 to 6 candidates, got 0/ },
    {
      what: 'with seven candidates',
      change: { candidates: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] },
      code: 'invalid_request',
      message: /expected 1 to 6 candidates, got 7/,
    },
    {
      what: 'if it may degrade to its floor or above',
      change: { degradeTo: 0.97 },
      code: 'invalid_request',
      message: /invalid degrade_to: expected above 0 and below the floor of 0\.97, got 0\.97/,
    },
    {
      what: 'if it may degrade without a floor',
      change: { floor: null, degradeTo: 0.9 },
      code: 'invalid_request',
      message: /degrade_to needs a floor/,
    },
    {
      what: 'with shadows of more than 20 %',
      change: { shadowShare: 0.21 },
      code: 'invalid_request',
      message: /invalid shadow_percent: expected 0 to 20, got 21/,
    },
    {
      what: 'with a reference that is not a candidate',
      change: { reference: 'other' },
      code: 'invalid_request',
      message: /invalid reference: expected one of digits_logreg, .*, got other/,
    },
    {
      what: 'with a floor above every model',
      change: { floor: 0.999 },
      code: 'wrong_state',
      message: /^Accuracy >= 0\.999 is not certified: digits_cnn has 1 error in 450 rows; .* digits_cnn would serve$/,
    },
    {
      what: 'with a budget below one instance, naming the budget that would suffice',
      change: { floor: null, goal: { kind: 'most-accurate', usdPerHourMax: 0.01 } },
      code: 'wrong_state',
      message: /^No plan is within the budget: the cheapest that keeps the promise, digits_\S+, costs \$0\.0425 per hour$/,
    },
  ] as const) {
    test(what, () => assert.rejects(plan(change), { code, message }));
  }

  test('unless it is forced: then the most accurate model serves alone', async () => {
    const { ladder } = await plan({ floor: 0.999, force: true });
    assert.deepEqual(
      ladder.rungs.map(({ name }) => name),
      ['digits_cnn'],
    );
    assert.equal(ladder.selection.decision.state, 'not-certified');
  });
});

describe('a candidate is left out, and the reason shown', () => {
  test('if it is not approved', async () => {
    const { ladder, requests } = await plan({}, { digits_rf: 'Rejected' });
    assert.deepEqual(ladder.selection.decision.leftOut, [{ model: 'digits_rf', reason: 'digits_rf is Rejected' }]);
    assert(!requests[0]?.models.includes('digits_rf'));
    // It may have been the one that was meant to keep the floor.
    await assert.rejects(plan({ floor: 0.9999 }, { digits_rf: 'Rejected' }), { message: /Left out: digits_rf is Rejected$/ });
  });

  test('if it was deleted since the plans were chosen, but not if a name is wrong from the start', async () => {
    const { ladder } = await plan({ isReview: true }, { digits_rf: 'gone' });
    assert.deepEqual(ladder.selection.decision.leftOut, [{ model: 'digits_rf', reason: 'model digits_rf is not known' }]);
    await assert.rejects(plan({}, { digits_rf: 'gone' }), { code: 'not_found' });
  });

  test('if plans are chosen again and it did not answer the set', async () => {
    const { ladder } = await plan({ isReview: true }, { digits_rf: 'unanswered' });
    assert.deepEqual(ladder.selection.decision.leftOut, [{ model: 'digits_rf', reason: 'digits_rf was not evaluated on holdout' }]);
  });

  test('if plans are chosen again and a new version of its group has taken its place: also as the reference', async () => {
    const { contract, ladder } = await plan({ isReview: true, reference: 'digits_logreg/0' });
    assert.deepEqual([contract.name, ladder.selection.request.reference], ['digits_logreg', 'digits_logreg']);
    await assert.rejects(plan({ reference: 'digits_logreg/0' }), { code: 'invalid_request', message: /got digits_logreg\/0$/ });
  });

  test('but not the last one', async () => {
    const only = { candidates: ['digits_cnn'] };
    await assert.rejects(plan(only, { digits_cnn: 'Rejected' }), {
      code: 'wrong_state',
      message: 'no candidate can serve: digits_cnn is Rejected',
    });
  });
});

test('each plan knows how often it disagrees with the most accurate one on the set', async () => {
  const { ladder } = await plan();
  const [cheapest] = ladder.rungs;
  assert.equal(cheapest?.name, 'digits_mlp>digits_cnn@0.03');
  assert.equal(cheapest.agreement?.rows, 408);
  assert.deepEqual(ladder.rungs.at(-1)?.agreement, { rows: 450, disagreed: 0 });
  assert.equal(ladder.shadowShare, 0.01);
});
