import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detailWords } from './detail-words.ts';

test('a detail is told as names and values, lists by their places', () => {
  assert.deepEqual(detailWords({ objective: 'p95<=50ms', variants: [{ model: 'digits/1', weight: 1 }], functions: null, notes: [] }), {
    text: 'objective=p95<=50ms, variants.0.model=digits/1, variants.0.weight=1, functions=null, notes=[]',
    whole: null,
  });
  assert.equal(detailWords('by hand')?.text, 'by hand');
  assert.deepEqual([detailWords(null), detailWords({})], [null, null]);
});

test('a long one is cut between two pairs, and whole where it is opened', () => {
  const detail = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`name${i}`, 'value']));
  const words = detailWords(detail);
  assert.match(words?.text ?? '', /=value, …$/);
  assert((words?.text.length ?? 0) <= 165);
  assert.deepEqual(JSON.parse(words?.whole ?? ''), detail);
});

test('a reason is told alone; what there is beside it is kept', () => {
  assert.deepEqual(detailWords({ reason: 'asked for by hand' }), { text: 'asked for by hand', whole: null });
  assert.equal(detailWords({ reason: 'asked for by hand', model: 'digits/2' })?.text, 'asked for by hand');
  assert.match(detailWords({ reason: 'asked for by hand', model: 'digits/2' })?.whole ?? '', /digits\/2/);
});
