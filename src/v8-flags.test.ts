import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { servingFlags, v8Flags, youngGeneration } from './v8-flags.ts';

test('the running V8 knows every flag', () => {
  for (const flag of [...v8Flags, ...Object.values(youngGeneration), ...servingFlags])
    assert.equal(spawnSync(process.execPath, [flag, '--eval', '']).status, 0, `unknown: ${flag}`);
  assert.notEqual(spawnSync(process.execPath, ['--no-such-flag', '--eval', '']).status, 0);
});
