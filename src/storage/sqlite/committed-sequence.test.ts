import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { openFileDatabase } from '../../../test/empty-database.ts';
import { VirtualClock } from '../../clock.ts';
import type { OpenDatabase } from '../database.ts';
import { CommittedSequence } from './committed-sequence.ts';

let path = '';
let opened: OpenDatabase;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'penstock-sequence-'));
  opened = await openFileDatabase(join(path, 'state.db'));
});
afterEach(async () => {
  await opened.close();
  await rm(path, { recursive: true, force: true });
});

const sequence = () =>
  new CommittedSequence({ db: opened.db, clock: new VirtualClock(), file: join(path, 'state.db.sequence'), onFailure: assert.ifError });
const setSeq = (seq: number) => opened.db.updateTable('event_head').set({ seq }).execute();

test('reports nothing at the first start or after an orderly shutdown', async () => {
  assert.equal(await sequence().check(), null);
  await setSeq(7);
  await sequence().close();
  assert.equal(await sequence().check(), null);
});

test('reports lost commits if the database knows fewer events than recorded', async () => {
  await setSeq(7);
  await sequence().record();
  await setSeq(5);
  assert.deepEqual(await sequence().check(), { recorded: 7, found: 5 });
  await sequence().record(); // Reported only once.
  assert.equal(await sequence().check(), null);
});

test('ignores a record that a power loss damaged', async () => {
  await writeFile(join(path, 'state.db.sequence'), '');
  assert.equal(await sequence().check(), null);
});
