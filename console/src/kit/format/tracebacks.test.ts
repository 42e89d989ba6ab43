import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupTracebacks, lineParts, type WorkerLine } from './tracebacks.ts';

const cause = ['Traceback (most recent call last):', '  File "model.py", line 3, in check', "    item['text']", "KeyError: 'text'"];
const effect = ['Traceback (most recent call last):', '  File "model.py", line 8, in predict', 'ValueError: no text'];
const because = 'The above exception was the direct cause of the following exception:';
const written = (stream: string, lines: readonly string[]): WorkerLine[] =>
  lines.map((line, index) => ({ atMs: index, stream, ...lineParts(line) }));
const textsOf = (lines: readonly WorkerLine[]): unknown[] =>
  groupTracebacks(lines).map(({ text, traceback }) => [text, traceback?.length ?? 0]);

test('the lines of a traceback are one entry, named after its exception', () => {
  assert.deepEqual(textsOf(written('w', ['(the worker is ready)', ...cause, 'a line of the model'])), [
    ['(the worker is ready)', 0],
    ["KeyError: 'text'", 4],
    ['a line of the model', 0],
  ]);
});

test('a cause belongs to its traceback, an unrelated traceback does not', () => {
  assert.deepEqual(textsOf(written('w', [...cause, because, ...effect, ...cause])), [
    ['ValueError: no text', 8],
    ["KeyError: 'text'", 4],
  ]);
});

test('lines of several workers may be mixed, and a traceback may be cut off', () => {
  const [one, other] = [written('a', cause), written('b', effect.slice(0, 2))];
  const mixed = one.flatMap((line, index) => [line, ...(other[index] === undefined ? [] : [other[index]])]);
  assert.deepEqual(textsOf(mixed), [
    ["KeyError: 'text'", 4],
    ['Traceback (most recent call last):', 2],
  ]);
  assert.deepEqual(textsOf([]), []);
});

test('shows the requests for which a traceback was printed', () => {
  const lines = cause.map((line) => `${line} (requests r1, r2)`);
  const [entry, ...others] = groupTracebacks(written('w', lines));
  assert.deepEqual(entry, { atMs: 0, text: "KeyError: 'text'", requests: 'requests r1, r2', traceback: cause });
  assert.deepEqual(others, []);
  assert.deepEqual(lineParts('f(x) (request)'), { text: 'f(x) (request)', requests: '' });
});
