import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { FileObjectStore } from './file-object-store.ts';
import type { TrashedObject } from './object-store.ts';
import { TrashEmptier } from './trash.ts';

let directory = '';
let count = 0;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-trash-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

const dayMs = 86_400_000;

/** Puts each text and moves it to the trash at its time. */
async function trashOf(texts: Readonly<Record<string, number>>) {
  const store = new FileObjectStore(join(directory, String(count++)));
  const names = new Map<string, string>();
  for (const [text, atMs] of Object.entries(texts)) {
    const { sha256 } = await store.put(Buffer.from(text));
    await store.moveToTrash(sha256, atMs);
    names.set(sha256, text);
  }
  const left = async () => (await store.trash.list()).map(({ sha256 }) => names.get(sha256));
  return { store, names, left };
}

function emptierOf(store: FileObjectStore, clock: VirtualClock, freeBytes: () => number) {
  const deleted: { object: TrashedObject; reason: string }[] = [];
  const emptier = new TrashEmptier({
    clock,
    trashes: [store.trash],
    onDeleted: (object, reason) => deleted.push({ object, reason }),
    onFailure: assert.ifError,
    freeBytes: async () => freeBytes(),
  });
  return { emptier, deleted };
}

test('an object in the trash is not in the store, and can be restored', async () => {
  const { store, left } = await trashOf({ text: 5 });
  const [entry] = await store.trash.list();
  assert(entry !== undefined);
  assert.deepEqual([entry.bytes, entry.trashedAtMs, await store.has(entry.sha256)], [4, 5, false]);
  assert.equal(await store.restore(entry.sha256), true);
  assert.deepEqual(await store.read(entry.sha256), Buffer.from('text'));
  assert.equal(await store.restore(entry.sha256), false);
  assert.deepEqual(await left(), []);
});

test('objects are deleted after 7 days in the trash, and not earlier', async () => {
  const clock = new VirtualClock(10 * dayMs);
  const { store, left } = await trashOf({ old: 3 * dayMs, young: 3 * dayMs + 1 });
  const { emptier, deleted } = emptierOf(store, clock, () => 2 ** 40);
  await emptier.empty();
  assert.deepEqual(await left(), ['young']);
  assert.match(String(deleted[0]?.reason), /7 days/);
  assert.deepEqual(emptier.size, { objects: 1, bytes: 5 });
  await emptier.close();
});

test('if the disk runs short, only as many as necessary are deleted, oldest first', async () => {
  const clock = new VirtualClock(10 * dayMs);
  const { store, left } = await trashOf({ first: 9 * dayMs, second: 9 * dayMs + 1, third: 9 * dayMs + 2 });
  const { emptier, deleted } = emptierOf(store, clock, () => 512 * 2 ** 20 - 8);
  await emptier.empty();
  assert.deepEqual(await left(), ['third']);
  assert.deepEqual(
    deleted.map(({ reason }) => reason),
    Array(2).fill('the disk is running short of space'),
  );
  await emptier.close();
});
