import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formOf, type TransformOrder, transformDefaults } from './transform-job.ts';

const order = { ...transformDefaults, name: 't' } as unknown as TransformOrder;

for (const { what, name, asked, says } of [
  {
    what: 'columns to be kept of JSON lines',
    name: 'a.jsonl',
    asked: { kept: ['id'] },
    says: /kept .* both are CSV, not where jsonl becomes jsonl/,
  },
  {
    what: 'columns to be kept where a CSV becomes JSON',
    name: 'a.csv',
    asked: { kept: ['id'], accept: 'application/jsonlines' },
    says: /not where csv becomes jsonl: join results/,
  },
  { what: 'columns to be ignored of an npy file', name: 'a.npy', asked: { ignored: ['0'] }, says: /ignored in CSV and JSON, not in npy/ },
]) {
  test(`an object is refused, not read without heeding them, that has no such thing as ${what}`, () => {
    assert.throws(() => formOf({ ...order, ...asked }, name, false), says);
  });
}

test('columns of a CSV that stays one may be kept, and members of JSON be ignored', () => {
  assert.equal(formOf({ ...order, kept: ['id'] }, 'a.csv', false).result, 'csv');
  assert.equal(formOf({ ...order, ignored: ['id'] }, 'a.jsonl', false).result, 'jsonl');
});
