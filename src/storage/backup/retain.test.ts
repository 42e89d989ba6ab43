import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { isRetained, retainObjects } from './retain.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'penstock-retain-'));
});
afterEach(async () => rm(root, { recursive: true, force: true }));

test('after one of two backups ends, objects remain retained for the other', async () => {
  const clock = new VirtualClock();
  const [first, second] = [await retainObjects([root], root, clock), await retainObjects([root], root, clock)];
  const nowMs = Date.now();
  await first.end();
  assert.equal(await isRetained(root, nowMs), true);
  await second.end();
  assert.equal(await isRetained(root, nowMs), false);
  assert.deepEqual(await readdir(root), []);
});

test('a snapshot may take an hour; the marker of a killed backup expires after a minute and is deleted after a day', async () => {
  const clock = new VirtualClock();
  const begunAtMs = clock.wallMs();
  const { beginSnapshot, end } = await retainObjects([root], root, clock);
  beginSnapshot();
  const [name = ''] = await readdir(root);
  assert.equal((await stat(join(root, name))).mtimeMs, begunAtMs + 3_600_000);
  assert.equal(await isRetained(root, begunAtMs + 3_650_000), true);
  assert.equal(await isRetained(root, begunAtMs + 3_670_000), false);
  await end();
  await writeFile(join(root, name), '');
  await utimes(join(root, name), begunAtMs / 1000 - 90_000, begunAtMs / 1000 - 90_000);
  await (await retainObjects([root], root, clock)).end();
  assert.deepEqual(await readdir(root), []);
});

test('retains objects if the markers cannot be read, but not if the folder does not exist', async () => {
  await writeFile(join(root, 'file'), '');
  assert.equal(await isRetained(join(root, 'file'), 0), true);
  assert.equal(await isRetained(join(root, 'missing'), 0), false);
});
