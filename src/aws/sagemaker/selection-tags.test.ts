import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readSettings } from './penstock-tags.ts';
import { selectionTagsOf } from './selection-tags.ts';

const whole = { 'penstock:select': 'digits-logreg digits-mlp/1', 'penstock:accuracy': '0.97', 'penstock:evaluation': 'holdout' };

describe('tags of a selection', () => {
  test('name the candidates, the accuracy to keep, and the set that proves it', () => {
    const expected = { candidates: ['digits-logreg', 'digits-mlp/1'], floor: 0.97, set: 'holdout' };
    assert.deepEqual(selectionTagsOf(whole), expected);
    assert.deepEqual(readSettings({ ...whole, 'penstock:minimize': 'cost', team: 'vision' }).selection, expected);
    for (const accuracy of ['>=0.97', '=0.97', '97%', '.97'])
      assert.equal(selectionTagsOf({ ...whole, 'penstock:accuracy': accuracy })?.floor, 0.97, accuracy);
    assert.deepEqual(selectionTagsOf({ ...whole, 'penstock:select': 'a+b' })?.candidates, ['a', 'b']);
    assert.equal(readSettings({ team: 'vision' }).selection, undefined);
  });

  for (const [what, tags, message] of [
    ['one without the others', { 'penstock:select': 'digits' }, /penstock:accuracy, penstock:evaluation is missing/],
    ['a goal alone', { 'penstock:minimize': 'cost' }, /penstock:select, penstock:accuracy, penstock:evaluation is missing/],
    ['an accuracy of 1', { ...whole, 'penstock:accuracy': '1' }, /above 0 and below 1, such as 0\.97, got '1'/],
    ['an accuracy that is not a number', { ...whole, 'penstock:accuracy': 'high' }, /got 'high'/],
    ['another goal', { ...whole, 'penstock:minimize': 'latency' }, /must be 'cost', got 'latency'/],
    ['no candidate', { ...whole, 'penstock:select': ' ' }, /names no model/],
  ] as const) {
    test(`are rejected: ${what}`, () => assert.throws(() => readSettings(tags), { code: 'ValidationException', message }));
  }
});
