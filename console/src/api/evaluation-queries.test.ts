import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EvaluationBody } from '../../../src/api/index.ts';
import { answeredBy, sharedSetOf } from './evaluation-queries.ts';

const evaluation = (set: string, models: readonly string[], state = 'Completed') =>
  ({ set: { name: set }, models: models.map((model) => ({ model, state, quality: { kind: 'classes' } })) }) as unknown as EvaluationBody;

test('candidates are the models that have answered the set', () => {
  const found = answeredBy('holdout', [
    evaluation('holdout', ['a/2', 'b/1']),
    evaluation('holdout', ['c/1'], 'Failed'),
    evaluation('other', ['d/1']),
    evaluation('holdout', ['a/1', 'b/1']),
  ]);
  assert.deepEqual(found, ['a/2', 'b/1', 'a/1']);
});

test('a model is offered with those that answered the newest set of both, itself first', () => {
  const evaluations = [evaluation('alone', ['a/1']), evaluation('holdout', ['b/1', 'a/1']), evaluation('older', ['a/1', 'c/1'])];
  assert.deepEqual(sharedSetOf('a/1', evaluations), { set: 'holdout', models: ['a/1', 'b/1'] });
  assert.equal(sharedSetOf('d/1', evaluations), null);
});
