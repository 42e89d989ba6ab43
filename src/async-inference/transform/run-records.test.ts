import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeCsv } from '../../codecs/index.ts';
import { PlatformError } from '../../errors.ts';
import type { LineRecord } from './line-blocks.ts';
import { oneByOne, plainly } from './run-records.ts';

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

const records = Array.from({ length: 12 }, (_, index): LineRecord => ({ text: Buffer.alloc(0), line: index + 2 }));

for (const { when, bad, says } of [
  { when: 'one bad line', bad: [4], says: 'line 4: no 4' },
  { when: 'two', bad: [4, 9], says: 'line 4: no 4; line 9: no 9' },
  {
    when: 'many',
    bad: [2, 3, 5, 7, 9, 10, 13],
    says: 'line 2: no 2; line 3: no 3; line 5: no 5; line 7: no 7; line 9: no 9; and 2 more up to line 13',
  },
]) {
  test(`of a block with ${when} the first are told and the others counted, and no line is run for that`, async () => {
    const look = ({ line }: LineRecord): void => {
      if (bad.includes(line)) throw new PlatformError('invalid_request', `no ${line}`);
    };
    const spoilt = oneByOne(records, async () => assert.fail('it is run'), 'fail', look);
    await assert.rejects(spoilt, { name: 'ObjectSpoilt', message: says });
  });
}

test('lines with the same fault are told together', async () => {
  const look = ({ line }: LineRecord): void => {
    if (line !== 4) throw new PlatformError('invalid_request', line < 7 ? 'it has 3 columns' : 'it has 4 columns');
  };
  await assert.rejects(
    oneByOne(records, async () => '', 'fail', look),
    {
      message: 'lines 2, 3, 5, 6: it has 3 columns; lines 7, 8, 9, 10, 11 and 2 more up to line 13: it has 4 columns',
    },
  );
});

test('what helps is said once', async () => {
  const look = ({ line }: LineRecord): void => {
    if (line < 4) throw new PlatformError('invalid_request', `'x${line}' is not a number; leave out columns that are no input`);
  };
  await assert.rejects(
    oneByOne(records, async () => '', 'fail', look),
    /^ObjectSpoilt: line 2: 'x2' is not a number; line 3: 'x3' is not a number; columns that are no features [^;]*$/,
  );
});

test('where all can be read, the first that the model refuses is told', async () => {
  const run: number[] = [];
  const runOne = async ({ line }: LineRecord): Promise<string> => {
    run.push(line);
    if (line > 3) throw new PlatformError('model_failed', 'it is too much');
    return '';
  };
  await assert.rejects(
    oneByOne(records, runOne, 'fail', () => {}),
    { message: 'line 4: it is too much' },
  );
  assert.deepEqual(run, [2, 3, 4]);
});
