/**
 * `npm run soak:pickles`: what Python imports when it opens random pickles is what their static reader lists, unless it rejects the file or
 * says that it may import more. `PENSTOCK_FUZZ_SEED` and `PENSTOCK_FUZZ_SCALE` as for the other fuzzers.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemClock } from '../../src/clock.ts';
import { PlatformError } from '../../src/errors.ts';
import { recogniseModel } from '../../src/python-files/index.ts';
import { ThreadPool } from '../../src/threads/index.ts';
import { pythonEnvironment } from '../compat/python-environment.ts';
import { fuzzScale, fuzzSeed } from './campaign.ts';

const count = Math.ceil(3000 * fuzzScale);
const limits = { bytesMax: 2 ** 26, opcodesMax: 1_000_000 };
const environment = await pythonEnvironment('penstock-pickles', join(import.meta.dirname, 'python/requirements-pickles.txt'));

interface Opened {
  readonly imports: readonly string[];
  readonly opens: boolean;
}

/** Names of modules in Python 2, as Python 3 reads them. */
const renamed = (name: string): string => name.replace(/^__builtin__\./, 'builtins.').replace(/^copy_reg\./, 'copyreg.');

test(`${count} random pickles`, { skip: typeof environment === 'string' && environment }, async () => {
  assert(typeof environment !== 'string');
  const folder = mkdtempSync(join(tmpdir(), 'penstock-pickles-'));
  const threads = new ThreadPool({ clock: new SystemClock(), threadsMax: 1 });
  try {
    const script = join(import.meta.dirname, 'python/pickles.py');
    execFileSync(join(environment.bin, 'python'), [script, folder, String(fuzzSeed), String(count)], { stdio: 'inherit' });
    const results = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as Readonly<Record<string, Opened>>;
    let compared = 0;
    for (const [name, { imports }] of Object.entries(results)) {
      const found = await recogniseModel(join(folder, name), { limits, threads }).catch((error: unknown) => {
        assert(error instanceof PlatformError && error.code !== 'internal', String(error));
        return null;
      });
      const listed = found?.imports ?? null;
      if (listed === null || listed.outside.some((text) => text.startsWith('('))) continue;
      compared++;
      const unlisted = imports.map(renamed).filter((path) => /^[\w.]+$/.test(path) && !listed.all.includes(path));
      assert.deepEqual(unlisted, [], `${name}: ${readFileSync(join(folder, name)).toString('base64')}`);
    }
    assert(compared > count / 50, `only ${compared} of ${count} could be compared`);
  } finally {
    await threads.close();
    rmSync(folder, { recursive: true });
  }
});
