import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type JsonLimits, tensorLimits } from '../../codecs/index.ts';
import type { Datatype, Signature } from '../../tensor.ts';
import { checkSniffed, sniff } from './sniff.ts';

const taking = (datatype: Datatype): Signature => ({ inputs: [{ name: 'x', datatype, shape: [-1, 4] }], outputs: [] });
/** More lists than a hundred rows have, and fewer than any JSON may have. */
const brackets = '[],'.repeat(200_000);
const rowsMax = 100;
const limitsFor =
  ({ inputs }: Signature) =>
  (text: string): JsonLimits =>
    tensorLimits(text, inputs, rowsMax);

function errorOf(run: () => unknown): unknown {
  try {
    run();
    return null;
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
    return { code, message };
  }
}

describe('a body of unknown type is rejected by its count', () => {
  for (const { what, signature = taking('FP32'), body, isRejected } of [
    { what: 'with too many lists', body: `{"inputs":[${brackets}0]}`, isRejected: true },
    { what: 'that does not end', body: ` {"inputs":[${brackets}`, isRejected: true },
    { what: 'unless it is a text for a model of texts', signature: taking('BYTES'), body: `{"inputs":[${brackets}0]}`, isRejected: false },
    { what: 'unless bytes follow the JSON', body: `{"inputs":[]}${brackets}`, isRejected: false },
    { what: 'unless it is no JSON', body: brackets, isRejected: false },
  ]) {
    test(what, () => {
      const bytes = Buffer.from(body);
      const counted = errorOf(() => checkSniffed(signature, bytes, limitsFor(signature)));
      assert.equal(counted !== null, isRejected);
      if (isRejected)
        assert.deepEqual(
          counted,
          errorOf(() => sniff(signature, bytes, limitsFor(signature))),
          'as after parsing',
        );
    });
  }

  test('and nothing else is', () => {
    for (const body of ['{"instances":[[1,2,3,4]]}', '{"inputs":', '{', '', '\x93NUMPY'])
      checkSniffed(taking('FP32'), Buffer.from(body, 'latin1'), limitsFor(taking('FP32')));
  });
});
