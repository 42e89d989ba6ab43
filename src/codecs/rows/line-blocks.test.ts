import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Block, BlockCutter, type BlockLimits, recordsOf } from './line-blocks.ts';

const limits: BlockLimits = { recordsMax: 3, bytesMax: 1000, hasQuotes: true };

function cut(text: string, cuts: readonly number[], blockLimits: BlockLimits): Block[] {
  const bytes = Buffer.from(text);
  const cutter = new BlockCutter(blockLimits);
  const ends = [...new Set(cuts.map((at) => at % (bytes.length + 1)))].sort((a, b) => a - b);
  const blocks: Block[] = [];
  let start = 0;
  for (const end of [...ends, bytes.length]) {
    blocks.push(...cutter.push(Buffer.from(bytes.subarray(start, end))));
    start = end;
  }
  return [...blocks, ...cutter.end()];
}

const linesOf = (blocks: readonly Block[], hasQuotes = true): [number, string][] =>
  blocks.flatMap((block) => recordsOf(block, hasQuotes).map(({ line, text }): [number, string] => [line, text.toString()]));

test('cuts whole lines with their numbers, independent of chunk boundaries', () => {
  const line = fc.string({ unit: fc.constantFrom('a', '1', ',', ' ', 'ü'), maxLength: 12 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n'))),
      fc.boolean(),
      fc.array(fc.nat(200), { maxLength: 12 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 30, max: 60 }),
      (lines, isEnded, cuts, recordsMax, bytesMax) => {
        const text = lines.map(([content, end], index) => content + (isEnded || index < lines.length - 1 ? end : '')).join('');
        const expected = lines.map(([content], index): [number, string] => [index + 1, content]).filter(([, content]) => content !== '');
        const blocks = cut(text, cuts, { recordsMax, bytesMax, hasQuotes: true });
        assert.deepEqual(linesOf(blocks), expected);
        for (const { records, bytes } of blocks) assert(records <= recordsMax && bytes.length <= bytesMax);
      },
    ),
  );
});

test('holds no blank lines beyond the size of a block, however many there are', () => {
  for (const blank of ['\n', '\r\n']) {
    const text = `a\n${blank.repeat(100_000)}b\n${blank.repeat(100_000)}`;
    const blocks = cut(text, [1, 5, 70_001], limits);
    assert.deepEqual(linesOf(blocks), [
      [1, 'a'],
      [100_002, 'b'],
    ]);
    for (const { bytes } of blocks) assert(bytes.length <= limits.bytesMax);
  }
});

test('preserves line breaks and quotes in quoted cells', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', 'ü'), maxLength: 6 });
  fc.assert(
    fc.property(fc.array(fc.array(cell, { minLength: 2, maxLength: 3 })), fc.array(fc.nat(200), { maxLength: 12 }), (rows, cuts) => {
      const lines = rows.map((cells) => cells.map((each) => `"${each.replaceAll('"', '""')}"`).join(','));
      const blocks = cut(lines.map((each) => `${each}\n`).join(''), cuts, limits);
      assert.deepEqual(
        linesOf(blocks).map(([, text]) => text),
        lines,
      );
      let before = 0;
      for (const [index, [line]] of linesOf(blocks).entries()) {
        assert.equal(line, before + 1);
        before += (lines[index] as string).split('\n').length;
      }
    }),
  );
});

test('treats a quote in the middle of a cell as an ordinary character', () => {
  assert.deepEqual(linesOf(cut('5" tape,1\n6,""\n7"",8\n', [], limits)), [
    [1, '5" tape,1'],
    [2, '6,""'],
    [3, '7"",8'],
  ]);
});

test('resumes at the end of a block', () => {
  const text = 'a\n\nb\r\nc\nd\ne\n';
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.nat(4), (recordsMax, which) => {
      const blockLimits = { ...limits, recordsMax };
      const blocks = cut(text, [3], blockLimits);
      const block = blocks[which % blocks.length] as Block;
      const cutter = new BlockCutter(blockLimits, { offset: block.endOffset, lines: block.endLine });
      const rest = [...cutter.push(Buffer.from(text).subarray(block.endOffset)), ...cutter.end()];
      assert.deepEqual(linesOf(rest), linesOf(blocks.slice((which % blocks.length) + 1)));
    }),
  );
});

test('rejects a line above the limit with its number, before it is complete', () => {
  const cutter = new BlockCutter({ ...limits, bytesMax: 10 });
  cutter.push(Buffer.from('a\nb\n'));
  assert.throws(() => cutter.push(Buffer.from('x'.repeat(11))), {
    code: 'too_large',
    message: /line 3 is too long: expected at most 10 bytes/,
  });
});

test('reports an unclosed quote', () => {
  const cutter = new BlockCutter({ ...limits, bytesMax: 10 });
  assert.throws(() => cutter.push(Buffer.from('1\n"abcdefgh\nijklmn\n')), { message: /line 2 .* a quote in it is never closed/ });
});
