import assert from 'node:assert/strict';
import { test } from 'node:test';
import { releaseBodyMemory, releaseMemory, releaseResultMemory } from './buffer-release.ts';

const large = (): Buffer => Buffer.allocUnsafeSlow(100_000).fill(7);

test('frees whole buffers, but not parts of larger ones', () => {
  const whole = large();
  releaseMemory(whole);
  assert.equal(whole.length, 0);
  const part = large().subarray(1);
  releaseMemory(part);
  assert.equal(part.length, 99_999);
});

test('frees a large body once it is decoded, unless a tensor is a view of it', () => {
  const others = [{ inputs: [{ data: new Uint8Array(3) }] }, { inputs: [{ data: new Uint8Array(4) }] }];
  const text = large();
  releaseBodyMemory(text, others);
  assert.equal(text.length, 0);
  const binary = large();
  const view = binary.subarray(50_000);
  releaseBodyMemory(binary, [...others, { inputs: [{ data: new Uint8Array(3) }, { data: view }] }]);
  assert.deepEqual([binary.length, view[0]], [100_000, 7]);
  const small = Buffer.allocUnsafeSlow(1000);
  releaseBodyMemory(small);
  assert.equal(small.length, 1000);
});

test('frees the memory of large results, but not what holds other frames, too', () => {
  const frame = large();
  const [first, second] = [frame.subarray(24, 50_000), frame.subarray(50_016)];
  releaseResultMemory([first, second]);
  assert.deepEqual([first.length, second.length, frame.length], [0, 0, 0]);
  const [a, b] = [large(), large()];
  releaseResultMemory([a, b]);
  const part = large().subarray(0, 80_000);
  releaseResultMemory([part]);
  const small = Buffer.allocUnsafeSlow(60_000);
  releaseResultMemory([small]);
  releaseResultMemory([]);
  assert.deepEqual([a.length, b.length, part.length, small.length], [100_000, 100_000, 80_000, 60_000]);
});
