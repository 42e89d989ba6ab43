import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { referencePages } from './reference.ts';

const folder = join(import.meta.dirname, '../../docs/reference');

for (const [name, text] of Object.entries(await referencePages())) {
  test(`docs/reference/${name} describes the options of this version; \`npm run reference\` updates it`, () => {
    assert.equal(readFileSync(join(folder, name), 'utf8'), text);
  });
}
