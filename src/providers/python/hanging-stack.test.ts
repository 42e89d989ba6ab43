import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hangingStack } from './hanging-stack.ts';

const printed = [
  'a line of the model',
  'Thread 0x00007f01 (most recent call first):',
  '  File "/usr/lib/python3.11/threading.py", line 324 in wait',
  '  File "/penstock/in/model/model.py", line 30 in watch',
  'Current thread 0x00007f02 (most recent call first):',
  '  File "/opt/venv/lib/python3.11/site-packages/numpy/linalg.py", line 88 in solve',
  '  File "/penstock/in/model/model.py", line 12 in predict',
  '  File "/opt/penstock/python/penstock_worker/flavours/code.py", line 50 in run',
  '  File "/opt/penstock/python/penstock_worker/worker.py", line 60 in serve',
  '  File "<frozen runpy>", line 88 in _run_code',
];

test('a stack names the frames of the model, and the line of it that the run is in', () => {
  const { lines, place } = hangingStack(printed);
  assert.equal(place, 'predict (model.py, line 12)');
  assert.deepEqual(lines, [printed[4], printed[5], printed[6], printed[1], printed[2], printed[3]]);
});

test('a library that hangs while no file of the model is on the stack is named itself', () => {
  const { place } = hangingStack(printed.filter((line) => !line.includes('model.py')));
  assert.equal(place, 'solve (linalg.py, line 88)');
});

test('output without a stack, and a stack of thousands of lines, are bounded', () => {
  assert.deepEqual(hangingStack(['hello', '  File "x"', '']), { lines: [], place: null });
  const name = 'x'.repeat(10_000);
  const frames = Array.from({ length: 500 }, () => `  File "/m/${name}.py", line 1 in f`);
  const { lines, place } = hangingStack([printed[4] as string, ...frames, printed[8] as string]);
  assert.deepEqual([lines.length, place?.length], [40, 200]);
});
