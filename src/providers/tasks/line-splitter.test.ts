import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { withinCpuMs } from '../../../test/cpu-time.ts';
import { LineSplitter } from './line-splitter.ts';

function linesOf(chunks: readonly Buffer[], bytesMax?: number): readonly string[] {
  const splitter = new LineSplitter(bytesMax);
  const lines = chunks.flatMap((chunk) => splitter.push(chunk));
  const last = splitter.end();
  return last === null ? lines : [...lines, last];
}

describe('the lines of a task', () => {
  test('are the same, however the output arrives', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'é', '😀', '\n', '\r\n', '\0', ' ') });
    fc.assert(
      fc.property(text, fc.array(fc.nat(20), { minLength: 1 }), (output, cuts) => {
        const bytes = Buffer.from(output);
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const length = 1 + (cuts[i % cuts.length] as number);
          chunks.push(bytes.subarray(at, at + length));
          at += length;
        }
        const expected = output.split('\n').map((line) => line.replace(/\r$/, ''));
        // What follows the last line end is not a line if it is empty, and its carriage return is not part of a line end.
        const last = output.slice(output.lastIndexOf('\n') + 1);
        if (last === '') expected.pop();
        else expected[expected.length - 1] = last;
        assert.deepEqual(linesOf(chunks), expected);
      }),
    );
  });

  test('are split where they are too long, never within a character', () => {
    assert.deepEqual(linesOf([Buffer.from('aaaéé\nb')], 4), ['aaa', 'éé', 'b']);
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀') })),
        fc.integer({ min: 4, max: 12 }),
        (pieces, bytesMax) => {
          const lines = linesOf(
            pieces.map((piece) => Buffer.from(piece)),
            bytesMax,
          );
          assert.equal(lines.join(''), pieces.join(''));
          for (const line of lines) assert(Buffer.byteLength(line) <= bytesMax);
        },
      ),
    );
  });

  test('take time in proportion to the output, also if it has no line end', () => {
    const chunk = Buffer.alloc(64 * 1024, 'y');
    const lines = withinCpuMs(5_000, () => linesOf(Array<Buffer>(1600).fill(chunk))); // 100 MiB
    assert.equal(lines.length, 400);
  });

  test('replace what is not UTF-8', () => {
    assert.deepEqual(linesOf([Buffer.from([0xff, 0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80])], 4), [
      '\ufffd',
      '\ufffd\ufffd\ufffd\ufffd',
      '\ufffd\ufffd',
    ]);
  });
});
