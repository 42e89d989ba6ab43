import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overlayOf } from './metric-overlay.ts';
import { parseHyperparameters } from './training-text.ts';

const value = (name: string, atMs: number, number: number) => ({ name, value: number, at: new Date(atMs).toISOString() });

test('jobs are laid over each other from their start, with lines between their own values only', () => {
  const runs = [
    { job: 'b', startedMs: 10_000, values: [value('loss', 11_000, 4), value('loss', 13_000, 2), value('other', 12_000, 9)] },
    { job: 'a', startedMs: 0, values: [value('loss', 2000, 10), value('loss', 4000, 6)] },
  ];
  assert.deepEqual(overlayOf('loss', runs), {
    at: [11, 12, 13, 14],
    columns: [
      [4, 3, 2, null],
      [null, 10, 8, 6],
    ],
  });
  assert.deepEqual(overlayOf('unknown', runs), { at: [], columns: [[], []] });
});

test('hyperparameters are read a line each, values as they are', () => {
  assert.deepEqual(parseHyperparameters('C=0.5\n\n name = x=y \n'), { C: '0.5', name: ' x=y ' });
  assert.equal(parseHyperparameters('C'), null);
  assert.equal(parseHyperparameters('=1'), null);
});
