import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SeriesBody } from '../../../../src/api/index.ts';
import { rungColor, selectionColumns } from './selection-series.ts';

const series = (...points: readonly (readonly [minute: number, value: number])[]) =>
  ({
    period_s: 60,
    points: points.map(([minute, value]) => ({ at: new Date(60_000 * minute).toISOString(), values: [value] })),
  }) as unknown as SeriesBody;
const rung = (plan: string, accuracy: number) => ({ plan, accuracy }) as unknown as Parameters<typeof selectionColumns>[0][number];

test('the accuracy of a minute is that of the plans that answered it, and beside it that of its labels', () => {
  const ladder = [rung('mlp', 0.9), rung('cnn', 1)];
  const labels = { accuracy: series([2, 0.8], [3, 1]), low: series([2, 0.6], [3, 0.7]), high: series([2, 0.95], [3, 0.97]) };
  const columns = selectionColumns(ladder, [series([1, 60], [2, 30]), series([2, 90])], labels);
  assert.deepEqual(columns.at, [60, 120, 180]);
  assert.deepEqual(Object.fromEntries(columns.rates), { mlp: [1, 0.5, 0], cnn: [0, 1.5, 0] });
  assert.deepEqual(
    columns.estimated.map((each) => each && Number(each.toFixed(6))),
    [0.9, 0.975, null],
  );
  assert.deepEqual(columns.labelled, [null, 0.8, 1]);
  assert.deepEqual(
    [columns.low, columns.high],
    [
      [null, 0.6, 0.7],
      [null, 0.95, 0.97],
    ],
    'with the interval as it was known then',
  );
});

test('the most accurate plan has the same colour on every ladder', () => {
  assert.deepEqual([rungColor(0, 1), rungColor(7, 8), rungColor(2, 3)], ['inst', 'inst', 'inst']);
  assert.equal(new Set([0, 1, 2, 3, 4, 5, 6, 7].map((index) => rungColor(index, 8))).size, 8);
});
