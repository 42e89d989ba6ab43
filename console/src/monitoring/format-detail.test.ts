import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDetail } from './format-detail.ts';

test('formats a detail as names and values, with list items by index', () => {
  assert.deepEqual(formatDetail({ objective: 'p95<=50ms', variants: [{ model: 'digits/1', weight: 1 }], functions: null, notes: [] }), {
    text: 'objective=p95<=50ms, variants.0.model=digits/1, variants.0.weight=1, functions=null, notes=[]',
    whole: null,
  });
  assert.equal(formatDetail('by hand')?.text, 'by hand');
  assert.deepEqual([formatDetail(null), formatDetail({})], [null, null]);
});

test('cuts a long detail between two pairs and provides it in full', () => {
  const detail = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`name${i}`, 'value']));
  const text = formatDetail(detail);
  assert.match(text?.text ?? '', /=value, …$/);
  assert((text?.text.length ?? 0) <= 165);
  assert.deepEqual(JSON.parse(text?.whole ?? ''), detail);
});

test('shows a reason alone and provides the other fields in full', () => {
  assert.deepEqual(formatDetail({ reason: 'requested manually' }), { text: 'requested manually', whole: null });
  assert.equal(formatDetail({ reason: 'requested manually', model: 'digits/2' })?.text, 'requested manually');
  assert.match(formatDetail({ reason: 'requested manually', model: 'digits/2' })?.whole ?? '', /digits\/2/);
});
