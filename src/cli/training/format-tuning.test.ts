import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TuningTrialBody } from '../../api/index.ts';
import { trialsPicture, trialValuesText } from './format-tuning.ts';
import { parseRange } from './parse-ranges.ts';

const trial = (number: number, objective: number | null): TuningTrialBody => ({
  number,
  job: `t-${number}`,
  values: { lr: String(objective) },
  status: objective === null ? 'InProgress' : 'Completed',
  objective,
  stopped_early: false,
  reason: null,
  host: null,
  created_at: '2026-01-01T00:00:00.000Z',
  started_at: null,
  ended_at: null,
});

describe('the picture of trials', () => {
  test('shows each trial, those that were better than all before, and the best so far', () => {
    const picture = trialsPicture([trial(1, 9), trial(2, 3), trial(3, 6), trial(4, null), trial(5, 0)], 'Minimize');
    assert.equal(
      picture,
      ['9 | *-', '  |', '  |', '  |   ·', '  |', '  |', '  |  *---', '  |', '  |', '0 |     *', '  +------', '    trial 1 to 5', ''].join(
        '\n',
      ),
    );
  });

  test('is as wide as the terminal at most, and empty without two values', () => {
    const many = Array.from({ length: 500 }, (_, i) => trial(i + 1, Math.sin(i)));
    assert.ok(
      trialsPicture(many, 'Maximize')
        .split('\n')
        .every((line) => line.length <= 90),
    );
    assert.equal(trialsPicture([trial(1, 2), trial(2, null)], 'Minimize'), '');
    assert.match(trialsPicture([trial(1, 2), trial(2, 2)], 'Minimize'), /^2 \| \*·$/m);
  });

  test('has short numbers', () => {
    assert.equal(trialValuesText({ values: { lr: '0.012345678901', opt: 'adam', depth: '7' } }), 'lr=0.01235, opt=adam, depth=7');
  });
});

describe('--range', () => {
  for (const [text, expected] of [
    ['lr=0.001..1', { name: 'lr', type: 'continuous', min: 0.001, max: 1, scaling: 'Auto' }],
    ['lr=1e-5..1e-1:log', { name: 'lr', type: 'continuous', min: 0.00001, max: 0.1, scaling: 'Logarithmic' }],
    ['momentum=0.5..0.999:reverse-log', { name: 'momentum', type: 'continuous', min: 0.5, max: 0.999, scaling: 'ReverseLogarithmic' }],
    ['depth=2..10', { name: 'depth', type: 'integer', min: 2, max: 10, scaling: 'Auto' }],
    ['t=-5..10.0:linear', { name: 't', type: 'continuous', min: -5, max: 10, scaling: 'Linear' }],
    ['optimizer=adam,sgd', { name: 'optimizer', type: 'categorical', values: ['adam', 'sgd'] }],
  ] as const) {
    test(text, () => {
      assert.deepEqual(parseRange(text), expected);
    });
  }

  for (const text of ['lr', 'lr=', '=1..2', 'lr=a..b', 'lr=1..2:cubic']) {
    test(`rejects '${text}'`, () => {
      assert.throws(() => parseRange(text), /is not a range: expected, for example, lr=0.001..1/);
    });
  }
});
