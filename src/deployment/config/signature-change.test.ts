import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TensorSpec } from '../../tensor.ts';
import { signatureChange } from './signature-change.ts';

const x: TensorSpec = { name: 'x', datatype: 'FP32', shape: [-1, 30] };
const y: TensorSpec = { name: 'y', datatype: 'INT64', shape: [-1] };

function version(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[], more: object = {}) {
  return { name: 'm/1', signature: { inputs, outputs }, runtime: { kind: 'onnx' }, batchable: true, ...more } as Parameters<
    typeof signatureChange
  >[0];
}

for (const { what, now, says, before = version([x], [y]) } of [
  { what: 'the same signature', now: version([x], [y]), says: null },
  { what: 'another batch dimension', now: version([{ ...x, shape: [8, 30] }], [y]), says: null },
  {
    what: 'a batch dimension instead of a single row',
    before: version([{ ...x, shape: [1, 30] }], [{ ...y, shape: [1] }], { batchable: false }),
    now: version([x], [y]),
    says: null,
  },
  {
    what: 'a fixed number of rows instead of any',
    now: version([{ ...x, shape: [8, 30] }], [y], { batchable: false }),
    says: 'input x is FP32 [8,30], was FP32 [-1,30]',
  },
  { what: 'one more output', now: version([x], [y, { ...y, name: 'p' }]), says: null },
  { what: 'an input of any size', now: version([{ ...x, shape: [-1, -1] }], [y]), says: null },
  { what: 'a process', now: version([], [], { runtime: { kind: 'process' } }), says: null },
  { what: 'another input name', now: version([{ ...x, name: 'z' }], [y]), says: 'it has no input x' },
  { what: 'another datatype', now: version([{ ...x, datatype: 'FP64' }], [y]), says: 'input x is FP64 [-1,30], was FP32 [-1,30]' },
  { what: 'another shape', now: version([{ ...x, shape: [-1, 12] }], [y]), says: 'input x is FP32 [-1,12], was FP32 [-1,30]' },
  { what: 'one more input', now: version([x, { ...x, name: 'z' }], [y]), says: 'it requires another input, z FP32 [-1,30]' },
  { what: 'one output less', now: version([x], []), says: 'it has no output y' },
  {
    what: 'another first dimension without batching',
    before: version([{ ...x, shape: [4] }], [y], { batchable: false }),
    now: version([{ ...x, shape: [5] }], [y]),
    says: 'input x is FP32 [5], was FP32 [4]',
  },
]) {
  test(`with ${what}, ${says === null ? 'callers need no change' : 'the breaking change is reported'}`, () =>
    assert.equal(signatureChange(before, now), says));
}
