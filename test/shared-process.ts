/**
 * Runs the test files of the environment variable SHARED_TEST_FILES, a JSON list of paths, in this process: `test/run.ts` starts it. Each
 * file is a suite, so its hooks run for its own tests only.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { before, describe } from 'node:test';
import { startsFile } from './file-cpu.ts';
// Read before the files, so that it ends its databases after all of them.
import './pglite.ts';

const require = createRequire(import.meta.url);
const root = join(import.meta.dirname, '..');
const paths = JSON.parse(process.env['SHARED_TEST_FILES'] ?? '[]') as readonly string[];

// Read at once: what a file registers after an await belongs to no suite.
startsFile('test/shared-process.ts');
for (const path of paths) {
  describe(path, () => {
    before(() => startsFile(path));
    require(join(root, path));
  });
}
