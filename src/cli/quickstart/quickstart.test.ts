import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quickstartDirectory } from './quickstart.ts';

for (const { when, uid, directory } of [
  { when: 'root has it outside of the checkout', uid: 0, directory: '/var/lib/penstock-quickstart' },
  { when: 'a user has it in the current directory', uid: 1000, directory: './penstock-data/quickstart' },
  { when: 'so has a user of a system without user ids', uid: undefined, directory: './penstock-data/quickstart' },
]) {
  test(`data of a quickstart: ${when}`, () => assert.equal(quickstartDirectory(uid), directory));
}
