import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formOf, type TransformSpec, transformDefaults } from './transform-job.ts';

const spec = { ...transformDefaults, name: 't' } as unknown as TransformSpec;

for (const { what, name, requested, says } of [
  {
    what: 'kept columns with JSON lines',
    name: 'a.jsonl',
    requested: { kept: ['id'] },
    says: /kept columns require CSV .*, got jsonl and jsonl/,
  },
  {
    what: 'kept columns with CSV objects and JSON results',
    name: 'a.csv',
    requested: { kept: ['id'], accept: 'application/jsonlines' },
    says: /got csv and jsonl: use join/,
  },
  { what: 'ignored columns with an npy file', name: 'a.npy', requested: { ignored: ['0'] }, says: /require CSV or JSON, got npy/ },
]) {
  test(`rejects ${what}`, () => {
    assert.throws(() => formOf({ ...spec, ...requested }, name, false), says);
  });
}

test('accepts kept columns of CSV and ignored members of JSON', () => {
  assert.equal(formOf({ ...spec, kept: ['id'] }, 'a.csv', false).result, 'csv');
  assert.equal(formOf({ ...spec, ignored: ['id'] }, 'a.jsonl', false).result, 'jsonl');
});
