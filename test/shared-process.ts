/**
 * Runs the test files of the environment variable SHARED_TEST_FILES, a JSON list of paths, in this process: `test/run.ts` starts it. Each
 * file is a suite, so its hooks run for its own tests only.
 */
import { join } from 'node:path';
import { describe } from 'node:test';
import { pathToFileURL } from 'node:url';
// Read before the files, so that it ends its databases after all of them.
import './pglite.ts';

const root = join(import.meta.dirname, '..');
const paths = JSON.parse(process.env['SHARED_TEST_FILES'] ?? '[]') as readonly string[];

let last = Promise.resolve();
for (const path of paths) {
  const previous = last;
  const { promise, resolve } = Promise.withResolvers<void>();
  last = promise;
  describe(path, async () => {
    // One after the other: a file may wait for something while it is read.
    await previous;
    try {
      await import(pathToFileURL(join(root, path)).href);
    } finally {
      resolve();
    }
  });
}
