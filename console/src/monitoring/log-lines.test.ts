import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logLine } from './log-lines.ts';

test('parses a server line into time, level, message and other fields', () => {
  const raw = '{"level":40,"time":1764165600000,"url":"http://127.0.0.1:8080","msg":"penstock is ready"}';
  assert.deepEqual(logLine(raw, 1), {
    key: 1,
    atMs: 1764165600000,
    level: 'warn',
    text: 'penstock is ready',
    rest: 'url=http://127.0.0.1:8080',
    raw,
  });
});

test('formats a request line as endpoint, status and duration', () => {
  const { text, level } = logLine('{"at":1764165600000,"request":"r1","endpoint":"digits","status":"ok","totalMs":3.217}', 1);
  assert.deepEqual([text, level], ['digits: ok in 3.2 ms', 'info']);
  assert.equal(logLine('{"at":1,"endpoint":"digits","status":"overloaded","totalMs":null}', 2).level, 'warn');
});

test('leaves plain text unchanged and cuts long lines', () => {
  assert.deepEqual(
    [logLine('Traceback (most recent call last):', 3).text, logLine('[1,2]', 4).text],
    ['Traceback (most recent call last):', '[1,2]'],
  );
  assert.equal(logLine('x'.repeat(5000), 5).text.length, 401);
});
