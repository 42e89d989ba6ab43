import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LadderRung } from '../deployment/index.ts';
import { PlannedRows } from './plans/planned-rows.ts';
import { formatRowsByModel, joinedAnswers, planLineOf, SlicedAnswers } from './row-answers.ts';

const alone: LadderRung = {
  name: 'a/1',
  first: 'a/1',
  second: null,
  threshold: 1,
  accuracy: 0.9,
  lower: 0.85,
  isCertified: true,
  escalated: 0,
};
const cascade: LadderRung = { ...alone, name: 'a/1>b/1@0.2', second: 'b/1', threshold: 0.2 };
const batchOf = (rung: LadderRung, stage: readonly number[]) => ({
  rung,
  position: 1,
  of: 1,
  choice: { rung: 0, heldBack: null, rowsWaiting: stage.length },
  stages: { stage: Uint8Array.from(stage), confidence: Float32Array.from(stage, (_, row) => (row + 1) / 8) },
});

describe('the answers to a request of a batch', () => {
  test('are those of its own rows', () => {
    const answers = new SlicedAnswers(batchOf(cascade, [0, 1, 1, 0, 2]), 1, 3);
    assert.deepEqual([...answers.stage, ...answers.confidence], [1, 1, 0, 0.25, 0.375, 0.5]);
    assert.equal(formatRowsByModel(answers), 'a/1:1,b/1:2');
    const { name, wentOn, failed, confidenceMin } = planLineOf(answers);
    assert.deepEqual([name, wentOn, failed, confidenceMin], ['a/1>b/1@0.2', 2, 0, 0.25]);
  });

  test('of one model alone name it with all rows', () => {
    assert.equal(formatRowsByModel(new SlicedAnswers(batchOf(alone, [0, 0, 0]), 0, 3)), 'a/1:3');
    assert.equal(formatRowsByModel(new SlicedAnswers(batchOf(alone, []), 0, 0)), '');
  });

  test('are joined from parts that ran in different batches', () => {
    const parts = [new SlicedAnswers(batchOf(cascade, [0, 1]), 1, 1), new SlicedAnswers(batchOf(cascade, [2, 0, 1]), 0, 2)];
    const joined = joinedAnswers(parts);
    assert(joined !== undefined);
    assert.deepEqual([joined.rows, [...joined.stage]], [3, [1, 2, 0]]);
    assert.equal(formatRowsByModel(joined), 'a/1:2,b/1:1');
  });
});

test('rows are counted once per batch, for each variant, plan and model', () => {
  const counted: unknown[] = [];
  const variant = (name: string) => ({
    planned: (plan: string, rows: ReadonlyMap<string, number>) => void counted.push([name, plan, ...rows]),
  });
  const [blue, green] = [variant('blue'), variant('green')];
  const rows = new PlannedRows();
  rows.record();
  const batch = batchOf(cascade, [0, 1, 1, 0, 2]);
  rows.add(blue, new SlicedAnswers(batch, 0, 2));
  rows.add(blue, new SlicedAnswers(batch, 2, 3));
  rows.add(blue, new SlicedAnswers(batchOf(alone, [0]), 0, 1));
  rows.add(green, new SlicedAnswers(batchOf(alone, [0, 0]), 0, 2));
  rows.record();
  rows.record();
  assert.deepEqual(counted, [
    ['blue', 'a/1>b/1@0.2', ['a/1', 3], ['b/1', 2]],
    ['blue', 'a/1', ['a/1', 1]],
    ['green', 'a/1', ['a/1', 2]],
  ]);
});
