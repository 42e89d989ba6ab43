import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { Signature } from '../tensor.ts';
import { type AnswerForm, answerFormOf } from './answer-form.ts';
import { compareModels } from './compare-models.ts';
import { classTextOf, compareClasses } from './evaluation-set.ts';
import { type Judged, judgeAnswers } from './judge.ts';
import type { ClassificationQuality, RegressionQuality } from './model-quality.ts';
import { decodeOutcomes } from './outcomes.ts';
import { labelsOf } from './read-labels.ts';

const folder = mkdtempSync(join(tmpdir(), 'penstock-evaluation-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(lines: readonly string[]): string {
  const path = join(folder, 'lines');
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  return path;
}

const both: AnswerForm = { isNamed: true, answer: 'label', scores: 'p', classes: 2, isSingle: true };
const scoresOnly: AnswerForm = { isNamed: false, answer: null, scores: 'p', classes: 2, isSingle: true };

interface Case {
  readonly form?: AnswerForm;
  readonly classes?: readonly string[] | null;
  readonly labels: readonly number[];
  readonly results: readonly string[];
  readonly skipsBadLabels?: boolean;
}

function judged({ form = both, classes = ['0', '1'], labels, results, skipsBadLabels = false }: Case): Promise<Judged> {
  const numbers = classes === null ? Float64Array.from(labels) : Int32Array.from(labels);
  return judgeAnswers({ path: file(results), form, rows: labels.length, labels: new Uint8Array(numbers.buffer), classes, skipsBadLabels });
}

const row = (label: number | string, p: readonly (number | null)[]): string => JSON.stringify({ label, p });
const many = <T>(count: number, each: T): T[] => Array.from({ length: count }, () => each);

describe('a model is judged by its answers', () => {
  test('rows without an answer are errors of which nothing is sure', async () => {
    const results = [...many(200, row(1, [0.25, 0.75])), 'null', row(0, [0.75, 0.25])];
    const { quality, outcomes, notes } = await judged({ labels: many(202, 1), results });
    const { errors, rowsFailed } = quality as ClassificationQuality;
    assert.deepEqual([errors, rowsFailed], [2, 1]);
    assert.deepEqual(notes, ['1 rows failed and count as errors']);
    const { predictions, unsureness, losses } = decodeOutcomes(outcomes, 202, true);
    assert.deepEqual([...(predictions ?? [])].slice(199), [1, -1, 0]);
    assert.deepEqual([...unsureness].slice(199), [0.25, 1, 0.25]);
    assert.deepEqual([...losses].slice(199), [0, 1, 1]);
  });

  test('it is refused if it fails on more than 1 % of the rows, or has another number of results', async () => {
    const results = [...many(98, row(1, [0, 1])), 'null', 'null'];
    await assert.rejects(judged({ labels: many(100, 1), results }), /no answer to 2 of 100 rows: expected at most 1 %/);
    await assert.rejects(judged({ labels: many(101, 1), results }), /returned 100 results for 101 rows/);
  });

  test('scores that do not add up to 1, or contradict the label, are not used', async () => {
    for (const [bad, note] of [
      [row(1, [0.5, 0.75]), /scores of row 3 add up to 1\.250 instead of 1/],
      [row(0, [0.25, 0.75]), /row 3 is answered '0', but its largest score is that of '1'/],
      [row(1, [1]), /row 3 has 1 scores instead of 2/],
    ] as const) {
      const { quality, notes, outcomes } = await judged({ labels: [1, 0, 1], results: [row(1, [0.25, 0.75]), row(0, [1, 0]), bad] });
      assert.match(notes.join(), note);
      assert.equal((quality as ClassificationQuality).logLoss, null);
      assert(decodeOutcomes(outcomes, 3, true).unsureness.every(Number.isNaN));
    }
  });

  test('without a label of its own, score i is class i; other labels refuse it unless they are to be errors', async () => {
    const sample = { form: scoresOnly, classes: ['1', '7'], labels: [0, 1], results: ['[0.25,0.75]', '[0,1]'] };
    await assert.rejects(judged(sample), /row 2 has the label '7', but the model answers 0 to 1: .*--skip-bad-labels/);
    assert.equal(((await judged({ ...sample, skipsBadLabels: true })).quality as ClassificationQuality).errors, 1);
  });

  test('the order of its classes is learnt from the labels it names', async () => {
    const results = [row('spam', [0.25, 0.75]), row('ham', [0.75, 0.25])];
    const { quality, classes } = await judged({ classes: ['ham', 'spam'], labels: [1, 0], results });
    assert.deepEqual(classes, ['ham', 'spam']);
    assert.equal((quality as ClassificationQuality).logLoss, -Math.log(0.75));
  });

  test('values: rows that are not numbers have no loss', async () => {
    const form: AnswerForm = { isNamed: false, answer: 'y', scores: null, classes: null, isSingle: true };
    const results = [...many(199, '[3]'), 'null'];
    const { quality } = await judged({ form, classes: null, labels: many(200, 1), results });
    const { rows, rowsFailed, rmse, mae } = quality as RegressionQuality;
    assert.deepEqual([rows, rowsFailed, rmse, mae], [200, 1, 2, 2]);
  });

  test('two models are compared row by row', async () => {
    const of = async (results: readonly string[]) => (await judged({ labels: [1, 1, 0], results })).outcomes;
    const first = await of([row(1, [0, 1]), row(1, [0, 1]), row(1, [0, 1])]);
    const second = await of([row(0, [1, 0]), row(1, [0, 1]), row(0, [1, 0])]);
    const models = [
      { name: 'a/1', outcomes: first },
      { name: 'b/1', outcomes: second },
    ];
    assert.deepEqual(compareModels({ models, rows: 3, isClass: true }), [
      { first: 'a/1', second: 'b/1', onlyFirstRight: 1, onlySecondRight: 1, pValue: 1, difference: 0, low: null, high: null },
    ]);
  });
});

describe('where the answer stands', () => {
  const signature = (outputs: Signature['outputs']): Signature => ({ inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }], outputs });

  test('in the label, the scores, or both', () => {
    const label = { name: 'label', datatype: 'INT64', shape: [-1] } as const;
    const scores = { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] } as const;
    assert.deepEqual(answerFormOf('m/1', signature([label, scores]), true), {
      isNamed: true,
      answer: 'label',
      scores: 'probabilities',
      classes: 3,
      isSingle: true,
    });
    assert.equal(answerFormOf('m/1', signature([label]), true).scores, null);
    assert.equal(answerFormOf('m/1', signature([scores]), true).answer, null);
  });

  test('and nowhere in an output of another form', () => {
    const image = { name: 'image', datatype: 'FP32', shape: [-1, 3, 8, 8] } as const;
    assert.throws(() => answerFormOf('m/1', signature([image]), true), /neither a class per row nor one score per class: image FP32/);
    assert.throws(() => answerFormOf('m/1', signature([image]), false), /0 outputs with one value per row: expected exactly one/);
  });
});

describe('labels', () => {
  const csv = (lines: readonly string[]) => labelsOf({ path: file(lines), format: 'csv', label: 'label', metric: 'accuracy' });

  test('3, "3" and 3.0 are one class; numbers come before texts', async () => {
    assert.deepEqual([3, '3', '3.0', true, ' a '].map(classTextOf), ['3', '3', '3', '1', 'a']);
    assert.deepEqual(['b', '10', '9', 'a'].sort(compareClasses), ['9', '10', 'a', 'b']);
    const { classes, rows } = await csv(['x,label', ...many(25, '1,"3.0"'), ...many(25, '1,3'), '1,4']);
    assert.deepEqual([classes, rows], [['3', '4'], 51]);
  });

  for (const [what, lines, error] of [
    ['too few rows', ['x,label', ...many(49, '1,2')], /at least 50 rows, got 49/],
    ['no label column', ['x,y', ...many(50, '1,2')], /line 1: there is no label column 'label' in the header: x, y/],
    ['a single class', ['x,label', ...many(50, '1,2')], /all labels are '2': expected at least 2 classes/],
    ['a ragged line', ['x,label', '1,2', '1,2,3'], /line 3: it has 3 columns, the header has 2|line 3: it has 3 columns/],
    ['an empty label', ['x,label', '1,'], /line 2: the label is empty/],
  ] as const) {
    test(`are refused: ${what}`, () => assert.rejects(csv(lines), { code: 'invalid_request', message: error }));
  }

  test('of JSON lines are members, and values must be numbers', async () => {
    const json = (line: string, metric: 'rmse' | 'accuracy') =>
      labelsOf({ path: file(many(50, line)), format: 'jsonl', label: 'y', metric });
    assert.deepEqual(new Float64Array((await json('{"x":1,"y":"2.5"}', 'rmse')).labels.buffer)[49], 2.5);
    await assert.rejects(json('{"x":1,"y":"many"}', 'rmse'), /line 1: the label 'many' is not a number/);
    await assert.rejects(json('{"x":1}', 'accuracy'), /expected an object with the member 'y'/);
    await assert.rejects(json('[1]', 'accuracy'), /expected an object with the member 'y'/);
    await assert.rejects(json('{"x', 'accuracy'), /line 1: it is not JSON/);
  });
});
