import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnTitles } from './drift.ts';

const tensor = (name: string, width: number) => ({ name, datatype: 'FP32', shape: [-1, width] }) as const;
const one = { inputs: [tensor('X', 2)], outputs: [] };

test('maps features to the header titles, without the label', () => {
  const body = Buffer.from('target,mean radius,"area, worst"\n1,2,3\n');
  assert.deepEqual(columnTitles(one, 'text/csv; charset=utf-8', body, 'target'), { 'X[0]': 'mean radius', 'X[1]': 'area, worst' });
});

for (const { when, signature = one, type = 'text/csv', text = 'a,b\n1,2\n' } of [
  { when: 'there is no header', text: '1,2\n3,4\n' },
  { when: 'the body is not CSV', type: 'application/json', text: '[[1,2]]' },
  { when: 'the model has several inputs', signature: { inputs: [tensor('a', 1), tensor('b', 1)], outputs: [] } },
]) {
  test(`maps no titles if ${when}`, () => {
    assert.deepEqual(columnTitles(signature, type, Buffer.from(text), undefined), {});
  });
}
