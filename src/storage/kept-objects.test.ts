import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setImmediate as aMoment } from 'node:timers/promises';
import fc from 'fast-check';
import { FileObjectStore } from './file-object-store.ts';
import { KeptObjects } from './kept-objects.ts';

let directory = '';
let count = 0;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-kept-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

const address = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Objects whose rows are a count each; looking them up takes a moment, as it does in a database. */
function house() {
  const root = join(directory, String(count++));
  const rows = new Map<string, number>();
  const failures: unknown[] = [];
  const objects = new FileObjectStore(root);
  const kept = new KeptObjects({
    objects,
    async neededOf(sha256s) {
      const needed = sha256s.filter((sha256) => (rows.get(sha256) ?? 0) > 0);
      await aMoment();
      return new Set(needed);
    },
    onFailure: (_sha256, error) => failures.push(error),
  });
  const files = async (): Promise<string[]> => {
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  };
  const change = (text: string, by: number): void => void rows.set(address(text), (rows.get(address(text)) ?? 0) + by);
  return { kept, objects, rows, files, change, failures };
}

test('an object stays while it is held or a row needs it, and goes then', async () => {
  const { kept, files, change } = house();
  const { sha256 } = await kept.store(Buffer.from('text'));
  await kept.hold(sha256);
  await kept.release(sha256);
  assert.deepEqual(await files(), [sha256]);
  change('text', 1);
  await kept.release(sha256);
  assert.deepEqual(await files(), [sha256]);
  await kept.discard(sha256);
  assert.deepEqual(await files(), [sha256]);
  change('text', -1);
  await kept.discard(sha256);
  assert.deepEqual(await files(), []);
});

test('what could not be stored is not held', async () => {
  const { kept, files } = house();
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half');
    throw new Error('it broke off');
  }
  await assert.rejects(kept.store(broken()), /it broke off/);
  await assert.rejects(kept.store(Buffer.from('too long'), 3), { code: 'too_large' });
  assert.deepEqual(await files(), []);
});

test('at the next start nothing is left but what rows need', async () => {
  const { kept, objects, files, change } = house();
  for (const text of ['needed', 'not', 'nor this']) await objects.put(Buffer.from(text));
  change('needed', 1);
  await kept.sweep();
  assert.deepEqual(await files(), [address('needed')]);
});

test('a lookup that fails costs room and is told, and a later one removes the object', async () => {
  const { kept, files, rows, failures } = house();
  const { sha256 } = await kept.store(Buffer.from('text'));
  const get = rows.get.bind(rows);
  rows.get = () => {
    throw new Error('the database is away');
  };
  await kept.release(sha256);
  assert.equal(failures.length, 1);
  assert.deepEqual(await files(), [sha256]);
  rows.get = get;
  await kept.discard(sha256);
  assert.deepEqual(await files(), []);
});

test('whoever stores, needs and discards the same few objects at once: none is lost, none is left', async () => {
  const text = fc.constantFrom('a', 'b', 'c');
  const step = fc.record({ text, pauses: fc.integer({ min: 0, max: 4 }), keeps: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 6 }), { minLength: 2, maxLength: 6 }), async (lanes) => {
      const { kept, objects, files, rows, change } = house();
      const walk = async (steps: (typeof lanes)[number]): Promise<void> => {
        for (const { text: content, pauses, keeps } of steps) {
          const { sha256 } = await kept.store(Buffer.from(content));
          for (let i = 0; i < pauses; i++) await aMoment();
          assert(await objects.has(sha256), 'a held object was removed');
          change(content, 1);
          await kept.release(sha256);
          assert(await objects.has(sha256), 'a needed object was removed');
          if (keeps) continue;
          for (let i = 0; i < pauses; i++) await aMoment();
          change(content, -1);
          await kept.discard(sha256);
        }
      };
      await Promise.all(lanes.map(walk));
      const needed = [...rows].filter(([, times]) => times > 0).map(([sha256]) => sha256);
      assert.deepEqual((await files()).sort(), needed.sort());
    }),
    { numRuns: 60 },
  );
});
