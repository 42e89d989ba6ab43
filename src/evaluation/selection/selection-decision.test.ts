import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { outcomesOf } from '../../../test/selection/index.ts';
import { selectableModels } from '../../../test/selection/selectable.ts';
import type { SelectedLadder } from '../../deployment/index.ts';
import { bestAlone, choosePlans, judgePlans, modelsIn } from '../../selection/index.ts';
import type { EvaluationSet } from '../evaluation-set.ts';
import { type SelectionInputs, selectionDecision, selectionFindings } from './selection-decision.ts';
import type { PlannedSelection, SelectionRequest } from './selection-planner.ts';
import { nothingTested } from './selection-tests.ts';

const set = { name: 'holdout', sha256: 'f'.repeat(64), rows: 450 } as EvaluationSet;

function decided(floor: number, scale = 200) {
  const request: SelectionRequest = {
    models: ['digits_logreg', 'digits_mlp', 'digits_rf', 'digits_cnn'],
    set: set.name,
    endpoint: 'digits',
    floor,
    confidence: 0.95,
    goal: { kind: 'cheapest' },
    objective: { percentile: 95, latencyMs: 50 },
    ratePerSecond: 645,
    instanceType: 'local.1',
  };
  const judged = judgePlans(outcomesOf('digits').labels, selectableModels('digits', scale), {
    floor,
    confidence: 0.95,
    limitMs: 50,
    share: 0.95,
    overheadMs: 0.5,
    ratePerSecond: 645,
    usdPerInstanceHour: 0.0425,
  });
  const chosen = choosePlans(judged.plans, { kind: 'cheapest' }, ({ isCertified }) => isCertified);
  const planned: PlannedSelection = {
    set,
    state: chosen === null ? 'not-certified' : 'certified',
    chosen,
    fallback: bestAlone(judged.plans),
    rowsNeeded: null,
    ...judged,
    tests: { earlier: nothingTested, fresh: judged.fresh },
    agreement: () => ({ rows: 0, disagreed: 0 }),
    fits: () => true,
    predicted: null,
    profiles: [{ model: 'digits_cnn', measuredAtMs: 5 }],
    price: { asOf: '2026-10-01', usdPerInstanceHour: 0.0425 },
  };
  const rungs = chosen?.ladder ?? [planned.fallback];
  const ladder: SelectedLadder = {
    models: [...modelsIn(rungs)],
    rungs,
    floorRung: 0,
    floor,
    creditRowsMax: 0,
    selection: {
      request: { ...request, candidates: request.models, reference: 'digits_mlp', degradeTo: null },
      decision: {
        state: planned.state,
        explanation: 'A plan answers.',
        sha256: set.sha256,
        rows: set.rows,
        chains: judged.chains,
        level: judged.level,
        errorTotal: judged.errorTotal,
        floorPlan: (rungs[0] as (typeof rungs)[number]).name,
        topPlan: (rungs.at(-1) as (typeof rungs)[number]).name,
        leftOut: [],
        atMs: 7,
      },
    },
  };
  return { findings: selectionFindings(planned, request, ladder), ladder };
}

describe('a decision of a selection', () => {
  const { findings, ladder } = decided(0.97);
  const at = { endpoint: 'digits', variant: 'AllTraffic', trigger: 'deploy' };

  test('names what was chosen, what it should cost, and why each other plan was not', () => {
    const { chosen, alternatives, inputs, reason, explanation } = findings;
    assert.deepEqual(
      [chosen.floorPlan, chosen.topPlan, chosen.loaded, reason],
      ['digits_mlp>digits_cnn@0.03', 'digits_cnn', ['digits_mlp', 'digits_cnn'], 'cheapest-certified'],
    );
    assert.deepEqual([inputs.chains, inputs.level, inputs.set.rows, inputs.profiles.length], [10, 0.005, 450, 1]);
    assert(alternatives.length >= 10 && alternatives.length <= 30);
    for (const { name, rejected } of alternatives)
      assert.equal(
        rejected === null,
        chosen.ladder.some(({ plan }) => plan === name),
        name,
      );
    const alone = alternatives.find(({ name }) => name === 'digits_mlp');
    assert.match(alone?.rejected ?? '', /^not certified: 10 errors in 450 rows, p = 0\.21 > 0\.0050$/);
    assert.equal(
      explanation,
      'A plan answers. It costs $0.0425 per hour (1 instance); the next certified plan, digits_rf>digits_cnn@0.5, $0.0425 per hour (1 instance).',
    );
  });

  test('predicts cost by the expected rate, and accuracy from the floor plan to the top plan', () => {
    const { predicted } = findings.chosen;
    assert(Math.abs(predicted.usdPerMillion - (0.0425 / (645 * 3600)) * 1e6) < 1e-12);
    assert.deepEqual(
      [predicted.accuracyMin, predicted.accuracyMax].map((each) => each.toFixed(4)),
      ['0.9933', '0.9978'],
    );
  });

  test('is a change at the first deployment, and says what it replaces later', () => {
    const first = selectionDecision(findings, { ...at, before: undefined, now: ladder });
    assert.deepEqual([first.changes, first.reason, (first.inputs as SelectionInputs).before], [true, 'cheapest-certified', null]);
    const other = decided(0.95);
    const second = selectionDecision(other.findings, { ...at, before: ladder, now: other.ladder });
    assert.equal(second.changes, true);
    assert.deepEqual((second.inputs as SelectionInputs).before, {
      floorPlan: 'digits_mlp>digits_cnn@0.03',
      ladder: ladder.rungs.map(({ name }) => name),
    });
  });

  test('that chooses the same again changes nothing, whenever it is made, and has no effect to measure', () => {
    const { selection } = ladder;
    const later = { ...ladder, selection: { ...selection, decision: { ...selection.decision, atMs: 99 } } };
    const again = selectionDecision(findings, { ...at, before: ladder, now: later });
    assert.deepEqual(
      [again.changes, again.reason, again.effect],
      [false, 'unchanged', { unknown: 'it changed nothing: see the decision before it' }],
    );
  });

  test('without a proof says so', () => {
    const unproven = decided(0.9999);
    assert.deepEqual([unproven.findings.reason, unproven.findings.chosen.state], ['not-certified', 'not-certified']);
  });
});
