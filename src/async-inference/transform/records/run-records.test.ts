import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LineRecord } from '../../../codecs/index.ts';
import { decodeCsv } from '../../../codecs/index.ts';
import { PlatformError } from '../../../errors.ts';
import { oneByOne, readableMessage } from './run-records.ts';

test('reports a stray column with the hint for transforms', () => {
  const signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }], outputs: [] } as const;
  const refusal = (): unknown => {
    try {
      return decodeCsv(signature, '1,2,x\n');
    } catch (error) {
      return error;
    }
  };
  assert.match(
    readableMessage(refusal()),
    /; hide columns that are not features with --ignore NAME \(or an index, -1 for the last\) or an input filter such as \$\[:-1\]$/,
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
  test(`reports the first bad lines and counts the others, without running the model: ${when}`, async () => {
    const parse = ({ line }: LineRecord): void => {
      if (bad.includes(line)) throw new PlatformError('invalid_request', `no ${line}`);
    };
    const failed = oneByOne(records, async () => assert.fail('the model ran'), 'fail', parse);
    await assert.rejects(failed, { name: 'UnreadableObject', message: says });
  });
}

test('groups lines with the same error', async () => {
  const parse = ({ line }: LineRecord): void => {
    if (line !== 4) throw new PlatformError('invalid_request', line < 7 ? 'it has 3 columns' : 'it has 4 columns');
  };
  await assert.rejects(
    oneByOne(records, async () => '', 'fail', parse),
    {
      message: 'lines 2, 3, 5, 6: it has 3 columns; lines 7, 8, 9, 10, 11 and 2 more up to line 13: it has 4 columns',
    },
  );
});

test('includes the hint only once', async () => {
  const parse = ({ line }: LineRecord): void => {
    if (line < 4) throw new PlatformError('invalid_request', `'x${line}' is not a number; leave out columns that are not inputs`);
  };
  await assert.rejects(
    oneByOne(records, async () => '', 'fail', parse),
    /^UnreadableObject: line 2: 'x2' is not a number; line 3: 'x3' is not a number; hide columns that are not features [^;]*$/,
  );
});

test('reports the first record that the model rejects if all can be parsed', async () => {
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
