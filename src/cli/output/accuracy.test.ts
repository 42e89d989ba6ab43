/** Scores of labelled rows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatScore, labelsIn, predictionScore } from './accuracy.ts';

for (const { what, predictions, labels, right } of [
  { what: 'single classes', predictions: [7, 8, 9], labels: ['7', '8.0', '1'], right: 2 },
  { what: 'names of classes', predictions: ['spam', 'ham'], labels: ['spam', 'spam'], right: 1 },
  { what: 'one of a label and its scores', predictions: [{ label: 1, probabilities: [0.9, 0.1] }], labels: ['1'], right: 1 },
  {
    what: 'one of a label and a map of scores',
    predictions: [{ output_label: 'b', output_probability: { a: 0.1, b: 0.9 } }],
    labels: ['b'],
    right: 1,
  },
  {
    what: 'scores by number',
    predictions: [
      [0.1, 0.7, 0.2],
      [0.5, 0.4, 0.1],
    ],
    labels: ['1', '2'],
    right: 1,
  },
  { what: 'scores of one named output', predictions: [{ scores: [0.1, 0.9] }], labels: ['1'], right: 1 },
  { what: 'lists of one', predictions: [[3], [4]], labels: ['3', '5'], right: 1 },
]) {
  test(`${what} give an accuracy`, () => {
    const rows = labels.length;
    assert.deepEqual(predictionScore(predictions, labels), { kind: 'accuracy', value: right / rows, right, rows });
  });
}

test('numbers give the mean absolute error', () => {
  const score = predictionScore([1.5, [2.25]], ['1', '3.25']);
  assert.deepEqual(score, { kind: 'mean_absolute_error', value: 0.75, rows: 2 });
  assert(score !== null);
  assert.equal(formatScore(score, 'price'), 'mean absolute error 0.75 over 2 rows');
});

test('predictions without one answer, or not one per label, give none', () => {
  assert.equal(predictionScore([{ a: 1, b: 2, c: 'x' }], ['1']), null);
  assert.equal(predictionScore([[0.1, 0.9]], ['cat']), null, 'scores whose classes are unknown');
  assert.equal(predictionScore([1], ['1', '2']), null);
  assert.equal(predictionScore([], []), null);
  assert.equal(predictionScore([null], ['1']), null);
});

test('labels are a column of the CSV, by its name as the server finds it', () => {
  assert.deepEqual(labelsIn('a, Label,b\n1,spam,2\n3, ham,4\n', 'label'), ['spam', 'ham']);
  assert.equal(labelsIn('a,b\n1,2\n', 'label'), null);
});

test('an accuracy is rounded down, so that a narrow miss is never 1', () => {
  assert.equal(
    formatScore({ kind: 'accuracy', value: 1999 / 2000, right: 1999, rows: 2000 }, 'digit'),
    'accuracy 0.999: 1999 of 2000 rows match digit',
  );
});
