import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordFilters } from './record-filters.ts';

const filters = (more: Partial<ConstructorParameters<typeof RecordFilters>[0]>) =>
  new RecordFilters({ inputFilter: '$', outputFilter: '$', joins: false, ...more });

test('selects CSV columns by index and quotes cells if necessary', () => {
  assert.equal(filters({ inputFilter: '$[1:]' }).inputOf('id,"a,b",2', true), '"a,b",2');
  assert.equal(filters({ inputFilter: '$[0,-1]' }).inputOf('1,2,3', true), '1,3');
});

test('appends a CSV result to its line', () => {
  assert.equal(filters({ joins: true }).outputOf('"a,b",2', '0.5,0.5', true), '"a,b",2,0.5,0.5');
  assert.equal(filters({ joins: true, outputFilter: '$[0,-1]' }).outputOf('7,8', '0.25,0.75', true), '7,0.75');
});

test('adds SageMakerOutput to a JSON object without changing its numbers', () => {
  assert.equal(
    filters({ joins: true }).outputOf(' {"id": 9007199254740993} ', '[1]', false),
    '{"id": 9007199254740993,"SageMakerOutput":[1]}',
  );
  assert.equal(filters({ joins: true }).outputOf('{ }', '[1]', false), '{"SageMakerOutput":[1]}');
  assert.equal(filters({ joins: true }).outputOf('[1,2]', '3', false), '{"SageMakerInput":[1,2],"SageMakerOutput":3}');
});

test('filters JSON by names', () => {
  const both = filters({ joins: true, inputFilter: '$.features', outputFilter: "$['id','SageMakerOutput']" });
  assert.equal(both.inputOf('{"id":1,"features":[1,2]}', false), '[1,2]');
  assert.equal(both.outputOf('{"id":1,"features":[1,2]}', '{"label":3}', false), '{"id":1,"SageMakerOutput":{"label":3}}');
});

test('hides columns by header name or index, and writes kept ones before the result', () => {
  const named = filters({ kept: ['id'], ignored: ['label'] });
  assert.equal(named.namesColumns, true);
  const under = named.under('id,a,label,b');
  assert.equal(under.inputOf('x7,1,cat,2', true), '1,2');
  assert.equal(under.outputOf('"x,7",1,cat,2', '0.5', true), '"x,7",0.5');
  const counted = filters({ ignored: ['-1'], kept: ['0'] });
  assert.equal(counted.namesColumns, false);
  assert.deepEqual([counted.inputOf('7,1,2,0', true), counted.outputOf('7,1,2,0', '0.5', true)], ['1,2', '7,0.5']);
});

test('hides JSON members by name and list elements by index', () => {
  assert.equal(filters({ ignored: ['id'] }).inputOf('{"id":1,"pixels":[2]}', false), '{"pixels":[2]}');
  assert.equal(filters({ ignored: ['0'] }).inputOf('[1,2,3]', false), '[2,3]');
});

for (const { what, ignored, record, expected } of [
  {
    what: 'members of each',
    ignored: ['id'],
    record: '{"id":7,"instances":[{"id":1,"x":[2]},{"x":[3]}]}',
    expected: '{"instances":[{"x":[2]},{"x":[3]}]}',
  },
  { what: 'elements of each', ignored: ['0', '-1'], record: '{"instances":[[1,2,3],[4,5,6]]}', expected: '{"instances":[[2],[5]]}' },
  { what: 'nothing of scalars', ignored: ['id'], record: '{"instances":[1,2]}', expected: '{"instances":[1,2]}' },
  { what: 'members of each, in a list alone', ignored: ['id'], record: '[{"id":1,"x":2},{"x":3}]', expected: '[{"x":2},{"x":3}]' },
]) {
  test(`hides of instances: ${what}`, () => assert.equal(filters({ ignored }).inputOf(record, false), expected));
}

test('treats nested lists as rows in a body, but as elements in a line', () => {
  assert.equal(filters({ ignored: ['0'] }).inputOfBody('[[1,2],[3,4]]'), '[[2],[4]]');
  assert.equal(filters({ ignored: ['0'] }).inputOf('[[1,2],[3,4]]', false), '[[3,4]]');
  assert.equal(filters({ ignored: ['0'], inputFilter: '$[0:1]' }).inputOfBody('[[1,2],[3,4]]'), '[[2]]');
});

for (const { what, run } of [
  { what: 'a column missing in the header', run: () => filters({ ignored: ['label'] }).under('a,b') },
  { what: 'a named column without a header', run: () => filters({ ignored: ['label'] }).inputOf('1,2', true) },
  { what: 'a column beyond the last', run: () => filters({ ignored: ['2'] }).inputOf('1,2', true) },
  { what: 'a name for the elements of an instance', run: () => filters({ ignored: ['id'] }).inputOf('{"instances":[[1,2]]}', false) },
  { what: 'a number for the members of an instance', run: () => filters({ ignored: ['0'] }).inputOf('{"instances":[{"x":1}]}', false) },
  { what: 'a number for the members of a record', run: () => filters({ ignored: ['-1'] }).inputOf('{"x":1}', false) },
  { what: 'a record that is not JSON', run: () => filters({ inputFilter: '$.a' }).inputOf('{', false) },
  { what: 'names for columns', run: () => filters({ inputFilter: '$.a' }).inputOf('1,2', true) },
  { what: 'a missing column', run: () => filters({ inputFilter: '$[5]' }).inputOf('1,2', true) },
]) {
  test(`rejects ${what}`, () => assert.throws(run, { code: 'invalid_request' }));
}
