import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withinCpuMs } from '../../test/cpu-time.ts';
import { readPythonSource } from './python-source.ts';

test('names bound by imports are found', () => {
  const { others, modules } = readPythonSource('from a.b import c, d as e, (f), *\nimport g\nh = 1\n');
  assert.deepEqual(
    [[...others], [...modules]],
    [
      ['c', 'e', 'f', 'h'],
      ['a.b', 'g'],
    ],
  );
});

test('a source of long names takes no longer than any', () => {
  const statement = `from a import ${'a'.repeat(19_000)}-\n`;
  withinCpuMs(500, () => readPythonSource(statement.repeat(50)));
});
