import assert from 'node:assert/strict';
import { test } from 'node:test';
import { releaseBodyMemory, releaseMemory } from './buffer-release.ts';

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
