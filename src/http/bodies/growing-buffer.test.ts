import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { GrowingBuffer } from './growing-buffer.ts';

const pieceOf = (bytes: number, at = 0): Buffer => Buffer.allocUnsafeSlow(bytes).fill(at);
const isReleased = ({ buffer }: Buffer): boolean => (buffer as ArrayBuffer).detached;

function taken(gathered: GrowingBuffer): Promise<Buffer> {
  return new Promise((resolve) => gathered.take(resolve));
}

describe('a growing buffer', () => {
  test('returns what it was given, in memory of exactly that size', async () => {
    const sizes = fc.array(fc.oneof(fc.nat(20), fc.nat(70_000), fc.nat(600_000)), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.boolean(), async (lengths, isDeclared) => {
        const pieces = lengths.map((length, at) => pieceOf(length, at));
        const expected = Buffer.concat(pieces);
        const gathered = new GrowingBuffer(isDeclared ? expected.length : 64 * 2 ** 20);
        for (const piece of pieces) gathered.add(piece);
        const all = await taken(gathered);
        assert(expected.equals(all));
        assert.equal(all.buffer.byteLength, all.length);
      }),
      { numRuns: 30 },
    );
  });

  test('holds the pieces of the first quarter of a MiB only, whatever was declared', () => {
    for (const bytesMax of [8 * 2 ** 20, 2 ** 30]) {
      const gathered = new GrowingBuffer(bytesMax);
      const pieces = Array.from({ length: 100 }, () => pieceOf(64 * 1024));
      for (const piece of pieces) gathered.add(piece);
      assert.deepEqual(pieces.map(isReleased), [...Array<boolean>(99).fill(true), false]);
    }
  });

  test('releases the last piece after the turn in which it arrived', async () => {
    const pieces = Array.from({ length: 10 }, () => pieceOf(64 * 1024));
    const gathered = new GrowingBuffer(10 * 64 * 1024);
    for (const piece of pieces) gathered.add(piece);
    const all = taken(gathered);
    assert.equal(isReleased(pieces[9] as Buffer), false);
    assert.equal((await all).length, 10 * 64 * 1024);
    await new Promise(setImmediate);
    assert(pieces.every(isReleased));
  });

  test('releases everything when it is dropped', (t) => {
    const few = [pieceOf(10), pieceOf(10)];
    const gathered = new GrowingBuffer(1000);
    for (const piece of few) gathered.add(piece);
    gathered.drop();
    assert.deepEqual(few.map(isReleased), [true, true]);
    // Counted by allocation: the memory of the process changes with every garbage collection.
    const allocated = t.mock.method(Buffer, 'allocUnsafeSlow');
    const large = new GrowingBuffer(32 * 2 ** 20);
    const pieces = Array.from({ length: 80 }, () => Buffer.alloc(64 * 1024));
    for (const piece of pieces) large.add(piece);
    const held = allocated.mock.calls.map(({ result }) => result as Buffer);
    assert.equal(held.at(-1)?.length, 32 * 2 ** 20);
    assert.equal(held.filter((buffer) => !isReleased(buffer)).length, 1);
    large.drop();
    assert(held.every(isReleased));
    assert.deepEqual(pieces.map(isReleased), [...Array<boolean>(79).fill(true), false]);
  });
});
