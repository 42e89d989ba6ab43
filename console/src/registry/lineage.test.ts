import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineageIn } from './lineage.ts';

test('the lineage of a version names its job and its data', () => {
  const text = '{"job":"digits-7","data":{"train":{"uri":"s3://team/digits/","objects":3},"odd":{}},"usd":1}';
  assert.deepEqual(lineageIn(text), { job: 'digits-7', data: [['train', 's3://team/digits/']] });
  assert.deepEqual(lineageIn('{"job":"digits-7"}'), { job: 'digits-7', data: [] });
  for (const bad of [undefined, '', '7', 'null', '{"job":1}', '{"job":"x","data":{"a":null}}']) assert.equal(lineageIn(bad), null);
});
