import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordFilters } from './record-filters.ts';

const filters = (more: Partial<ConstructorParameters<typeof RecordFilters>[0]>) =>
  new RecordFilters({ inputFilter: '$', outputFilter: '$', joins: false, ...more });

test('columns of CSV are chosen by their places, and written with quotes where they need them', () => {
  assert.equal(filters({ inputFilter: '$[1:]' }).inputOf('id,"a,b",2', true), '"a,b",2');
  assert.equal(filters({ inputFilter: '$[0,-1]' }).inputOf('1,2,3', true), '1,3');
});

test('a result of CSV is appended to its line', () => {
  assert.equal(filters({ joins: true }).outputOf('"a,b",2', '0.5,0.5', true), '"a,b",2,0.5,0.5');
  assert.equal(filters({ joins: true, outputFilter: '$[0,-1]' }).outputOf('7,8', '0.25,0.75', true), '7,0.75');
});

test('a JSON object gets SageMakerOutput, and keeps its numbers as they were written', () => {
  assert.equal(
    filters({ joins: true }).outputOf(' {"id": 9007199254740993} ', '[1]', false),
    '{"id": 9007199254740993,"SageMakerOutput":[1]}',
  );
  assert.equal(filters({ joins: true }).outputOf('{ }', '[1]', false), '{"SageMakerOutput":[1]}');
  assert.equal(filters({ joins: true }).outputOf('[1,2]', '3', false), '{"SageMakerInput":[1,2],"SageMakerOutput":3}');
});

test('filters of JSON go by names', () => {
  const both = filters({ joins: true, inputFilter: '$.features', outputFilter: "$['id','SageMakerOutput']" });
  assert.equal(both.inputOf('{"id":1,"features":[1,2]}', false), '[1,2]');
  assert.equal(both.outputOf('{"id":1,"features":[1,2]}', '{"label":3}', false), '{"id":1,"SageMakerOutput":{"label":3}}');
});

test('columns that are no features are left out by name under a header, or by number, and kept ones stand before the result', () => {
  const named = filters({ kept: ['id'], ignored: ['label'] });
  assert.equal(named.namesColumns, true);
  const under = named.under('id,a,label,b');
  assert.equal(under.inputOf('x7,1,cat,2', true), '1,2');
  assert.equal(under.outputOf('"x,7",1,cat,2', '0.5', true), '"x,7",0.5');
  const counted = filters({ ignored: ['-1'], kept: ['0'] });
  assert.equal(counted.namesColumns, false);
  assert.deepEqual([counted.inputOf('7,1,2,0', true), counted.outputOf('7,1,2,0', '0.5', true)], ['1,2', '7,0.5']);
});

test('members of JSON are left out by name, elements of a list by number', () => {
  assert.equal(filters({ ignored: ['id'] }).inputOf('{"id":1,"pixels":[2]}', false), '{"pixels":[2]}');
  assert.equal(filters({ ignored: ['0'] }).inputOf('[1,2,3]', false), '[2,3]');
});

for (const { what, ignored, record, seen } of [
  {
    what: 'members of each',
    ignored: ['id'],
    record: '{"id":7,"instances":[{"id":1,"x":[2]},{"x":[3]}]}',
    seen: '{"instances":[{"x":[2]},{"x":[3]}]}',
  },
  { what: 'elements of each', ignored: ['0', '-1'], record: '{"instances":[[1,2,3],[4,5,6]]}', seen: '{"instances":[[2],[5]]}' },
  { what: 'nothing of values', ignored: ['id'], record: '{"instances":[1,2]}', seen: '{"instances":[1,2]}' },
  { what: 'members of each, in a list alone', ignored: ['id'], record: '[{"id":1,"x":2},{"x":3}]', seen: '[{"x":2},{"x":3}]' },
]) {
  test(`of instances are left out: ${what}`, () => assert.equal(filters({ ignored }).inputOf(record, false), seen));
}

test('a body that is a list of lists has its rows there, a line its elements', () => {
  assert.equal(filters({ ignored: ['0'] }).inputOfBody('[[1,2],[3,4]]'), '[[2],[4]]');
  assert.equal(filters({ ignored: ['0'] }).inputOf('[[1,2],[3,4]]', false), '[[3,4]]');
  assert.equal(filters({ ignored: ['0'], inputFilter: '$[0:1]' }).inputOfBody('[[1,2],[3,4]]'), '[[2]]');
});

for (const { what, run } of [
  { what: 'a column that no header has', run: () => filters({ ignored: ['label'] }).under('a,b') },
  { what: 'a named column without a header', run: () => filters({ ignored: ['label'] }).inputOf('1,2', true) },
  { what: 'a column beyond the last', run: () => filters({ ignored: ['2'] }).inputOf('1,2', true) },
  { what: 'a name for the elements of an instance', run: () => filters({ ignored: ['id'] }).inputOf('{"instances":[[1,2]]}', false) },
  { what: 'a number for the members of an instance', run: () => filters({ ignored: ['0'] }).inputOf('{"instances":[{"x":1}]}', false) },
  { what: 'a number for the members of a record', run: () => filters({ ignored: ['-1'] }).inputOf('{"x":1}', false) },
  { what: 'a record that is not JSON', run: () => filters({ inputFilter: '$.a' }).inputOf('{', false) },
  { what: 'names for columns', run: () => filters({ inputFilter: '$.a' }).inputOf('1,2', true) },
  { what: 'a column that is not there', run: () => filters({ inputFilter: '$[5]' }).inputOf('1,2', true) },
]) {
  test(`refuses ${what}`, () => assert.throws(run, { code: 'invalid_request' }));
}
