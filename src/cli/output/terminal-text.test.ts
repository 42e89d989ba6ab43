import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { terminalJson, terminalText } from './terminal-text.ts';

test('a text from the server cannot control the terminal', () => {
  assert.equal(terminalText('a\u001b[2Jb\r\u009b1m\u202ec\n\td'), 'a\\x1b[2Jb\\x0d\\x9b1m\\u202ec\n\td');
});

test('the strings of a JSON text are those of the terminal, and everything else is unchanged', () => {
  const text = fc.string({
    unit: fc.oneof(fc.constantFrom('\u001b', '\r', '\b', '\n', '"', '\\', 'u001b', '\u0085', '\u202e'), fc.string()),
  });
  fc.assert(
    fc.property(fc.array(fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }))), (values) => {
      const expected = values.map((value) => (typeof value === 'string' ? terminalText(value) : value));
      assert.deepEqual(JSON.parse(terminalJson(JSON.stringify(values))), JSON.parse(JSON.stringify(expected)));
    }),
  );
});
