import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeCsv } from '../../codecs/index.ts';
import { plainly } from './run-records.ts';

test('a column that is no input is told of with what helps in a transform', () => {
  const signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }], outputs: [] } as const;
  const refusal = (): unknown => {
    try {
      return decodeCsv(signature, '1,2,x\n');
    } catch (error) {
      return error;
    }
  };
  assert.match(
    plainly(refusal()),
    /; columns that are no features are left out with --ignore NAME \(or a number, -1 for the last\), or an input filter such as \$\[:-1\]$/,
  );
});
