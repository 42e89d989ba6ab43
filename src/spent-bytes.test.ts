import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveBack, giveBackBody } from './spent-bytes.ts';

const large = (): Buffer => Buffer.allocUnsafeSlow(100_000).fill(7);

test('bytes that were given back are gone; those that are a part of something larger stay', () => {
  const spent = large();
  giveBack(spent);
  assert.equal(spent.length, 0);
  const part = large().subarray(1);
  giveBack(part);
  assert.equal(part.length, 99_999);
});

test('a large body is given back once it is decoded, unless a tensor is a view of it', () => {
  const others = [{ inputs: [{ data: new Uint8Array(3) }] }, { inputs: [{ data: new Uint8Array(4) }] }];
  const text = large();
  giveBackBody(text, others);
  assert.equal(text.length, 0);
  const binary = large();
  const view = binary.subarray(50_000);
  giveBackBody(binary, [...others, { inputs: [{ data: new Uint8Array(3) }, { data: view }] }]);
  assert.deepEqual([binary.length, view[0]], [100_000, 7]);
  const small = Buffer.allocUnsafeSlow(1000);
  giveBackBody(small);
  assert.equal(small.length, 1000);
});
