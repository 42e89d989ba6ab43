import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TuningTrialBody } from '../../../../src/api/index.ts';
import { searchedText, trialPoints, trialText } from './tuning-text.ts';

const trial = (number: number, objective: number | null): TuningTrialBody => ({
  number,
  job: `t-00${number}`,
  values: {},
  status: 'Completed',
  objective,
  stopped_early: false,
  reason: null,
  host: null,
  created_at: '',
  started_at: null,
  ended_at: null,
});

test('a trial is the best if none before it is as good', () => {
  const trials = [trial(1, 3), trial(2, null), trial(3, 1), trial(4, 2), trial(5, 1)];
  const bestOf = (goal: 'Minimize' | 'Maximize') =>
    trialPoints(trials, goal)
      .filter(({ isBest }) => isBest)
      .map(({ number }) => number);
  assert.deepEqual([bestOf('Minimize'), bestOf('Maximize')], [[1, 3], [1]]);
});

test('values have four digits, and ranges say what they hold', () => {
  assert.equal(trialText({ lr: '0.0018271659966378627', depth: '7', optimizer: 'adam' }), 'lr=0.001827, depth=7, optimizer=adam');
  assert.equal(searchedText({ name: 'lr', type: 'continuous', min: 0.0001, max: 1, scaling: 'Logarithmic' }), '0.0001 to 1, logarithmic');
  assert.equal(searchedText({ name: 'depth', type: 'integer', min: 2, max: 10, scaling: 'Auto' }), 'whole numbers from 2 to 10');
  assert.equal(searchedText({ name: 'optimizer', type: 'categorical', values: ['adam', 'sgd'] }), 'adam, sgd');
});
