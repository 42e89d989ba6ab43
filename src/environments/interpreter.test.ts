import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { python } from '../../test/interpreter.ts';
import { findInterpreter, inspectInterpreter } from './interpreter.ts';

test('finds the interpreter behind a script on the path, and skips what is not Python or too old', { skip: python === null }, async (t) => {
  assert(python !== null);
  const folder = mkdtempSync(join(tmpdir(), 'penstock-interpreter-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const at = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o755 });
    return path;
  };
  const shim = at('python3', `#!/bin/sh\nexec ${python.path} "$@"\n`);
  const found = await findInterpreter(`relative:/nowhere:${folder}`);
  assert.deepEqual([found?.path, found?.version], [python.path, python.version]);
  assert.equal((await inspectInterpreter(shim)).path, shim, 'an interpreter of the operator may be a wrapper');
  at('python3', '#!/bin/sh\necho no JSON\n');
  assert.equal(await findInterpreter(folder), null);
  const old = at(
    'python3',
    `#!/bin/sh\necho '{"program": "/x", "executable": "/x", "version": "3.8.19", "platform": "p", "folders": []}'\n`,
  );
  assert.equal(await findInterpreter(folder), null);
  await assert.rejects(inspectInterpreter(old), { code: 'unsupported', message: /is Python 3\.8\.19: expected 3\.9 or newer/ });
  await assert.rejects(inspectInterpreter('/nowhere/python3'), { code: 'unavailable' });
});
