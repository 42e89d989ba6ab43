import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PartTexts } from './part-texts.ts';

test('parts are joined in order, in whatever order they arrive, empty and non-ASCII ones too', () => {
  const texts = fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.nat()), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(texts, (all) => {
      const parts = new PartTexts(all.length);
      const arrivals = all.map(([text, order], part) => ({ text, order, part })).sort((a, b) => a.order - b.order);
      for (const { part, text } of arrivals) parts.set(part, text);
      assert.equal(parts.joined('{é[', ',', ']}').toString(), `{é[${all.map(([text]) => text).join(',')}]}`);
    }),
  );
});

test('texts of very different lengths fit, and so do parts longer than a block', () => {
  const texts = ['', 'a', 'b'.repeat(3 * 2 ** 20), 'c'.repeat(5000), 'ü'.repeat(2 ** 20)];
  const parts = new PartTexts(texts.length);
  for (const [part, text] of texts.entries()) parts.set(part, text);
  assert.equal(parts.joined('', '\n', '\n').toString(), `${texts.join('\n')}\n`);
});

test('a call without parts has its head and tail', () => {
  assert.equal(new PartTexts(0).joined('[', ',', ']').toString(), '[]');
});
