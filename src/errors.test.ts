import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from './errors.ts';

test('overload errors have no stack trace; all others do', () => {
  const { stackTraceLimit } = Error;
  assert.equal(new PlatformError('deadline_exceeded', 'too late').stack, 'PlatformError: too late');
  assert.match(new PlatformError('internal', 'what is this').stack ?? '', /what is this\n {4}at .*errors\.test\.ts/);
  assert.equal(Error.stackTraceLimit, stackTraceLimit);
});
