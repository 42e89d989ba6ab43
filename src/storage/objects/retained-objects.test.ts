import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setImmediate as aMoment } from 'node:timers/promises';
import fc from 'fast-check';
import { FileObjectStore } from './file-object-store.ts';
import { RetainedObjects } from './retained-objects.ts';
import type { SweepOptions } from './sweep.ts';

let directory = '';
let count = 0;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-retained-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

const address = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Objects whose rows are counters. Lookups are asynchronous, as in a database. */
function fixture() {
  const root = join(directory, String(count++));
  const rows = new Map<string, number>();
  const failures: unknown[] = [];
  const objects = new FileObjectStore(root);
  const retained = new RetainedObjects({
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
  return { retained, objects, rows, files, change, failures };
}

test('an object remains while it is held or referenced, and is removed afterwards', async () => {
  const { retained, files, change } = fixture();
  const { sha256 } = await retained.store(Buffer.from('text'));
  await retained.hold(sha256);
  await retained.release(sha256);
  assert.deepEqual(await files(), [sha256]);
  change('text', 1);
  await retained.release(sha256);
  assert.deepEqual(await files(), [sha256]);
  await retained.discard(sha256);
  assert.deepEqual(await files(), [sha256]);
  change('text', -1);
  await retained.discard(sha256);
  assert.deepEqual(await files(), []);
});

test('a failed store holds nothing', async () => {
  const { retained, files } = fixture();
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half');
    throw new Error('the source failed');
  }
  await assert.rejects(retained.store(broken()), /the source failed/);
  await assert.rejects(retained.store(Buffer.from('too long'), 3), { code: 'too_large' });
  assert.deepEqual(await files(), []);
});

function sweepLog() {
  const calls: { trashed: string[]; restored: string[]; failures: unknown[] } = { trashed: [], restored: [], failures: [] };
  const options: SweepOptions = {
    nowMs: () => 1000,
    onTrashed: (sha256s) => void calls.trashed.push(...sha256s),
    onRestored: (sha256s) => void calls.restored.push(...sha256s),
    onFailure: (error) => void calls.failures.push(error),
  };
  return { ...calls, options };
}

test('a sweep deletes nothing: unreferenced objects move to the trash, and return if a row references them again', async () => {
  const { retained, objects, files, change } = fixture();
  for (const text of ['needed', 'not', 'nor this']) await objects.put(Buffer.from(text));
  change('needed', 1);
  const first = sweepLog();
  await retained.sweep(first.options);
  assert.deepEqual(await files(), [address('needed'), `1000-${address('not')}`, `1000-${address('nor this')}`].sort());
  assert.deepEqual(first.trashed.sort(), [address('not'), address('nor this')].sort());
  change('not', 1);
  const second = sweepLog();
  await retained.sweep(second.options);
  assert.deepEqual(second.restored, [address('not')]);
  assert.deepEqual(await objects.read(address('not')), Buffer.from('not'));
  assert.deepEqual([first.failures, second.failures], [[], []]);
});

test('a sweep moves nothing if the database cannot be read', async () => {
  const { retained, objects, files, rows } = fixture();
  await objects.put(Buffer.from('text'));
  rows.get = () => {
    throw new Error('the database is down');
  };
  const { options, failures, trashed } = sweepLog();
  await retained.sweep(options);
  assert.deepEqual([await files(), trashed, failures.map(String)], [[address('text')], [], ['Error: the database is down']]);
});

test('a failed lookup is reported and leaves the object, which a later one removes', async () => {
  const { retained, files, rows, failures } = fixture();
  const { sha256 } = await retained.store(Buffer.from('text'));
  const get = rows.get.bind(rows);
  rows.get = () => {
    throw new Error('the database is away');
  };
  await retained.release(sha256);
  assert.equal(failures.length, 1);
  assert.deepEqual(await files(), [sha256]);
  rows.get = get;
  await retained.discard(sha256);
  assert.deepEqual(await files(), []);
});

test('concurrent stores, references and discards of the same objects neither lose nor leak any', async () => {
  const text = fc.constantFrom('a', 'b', 'c');
  const step = fc.record({ text, pauses: fc.integer({ min: 0, max: 4 }), keeps: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 6 }), { minLength: 2, maxLength: 6 }), async (lanes) => {
      const { retained, objects, files, rows, change } = fixture();
      const walk = async (steps: (typeof lanes)[number]): Promise<void> => {
        for (const { text: content, pauses, keeps } of steps) {
          const { sha256 } = await retained.store(Buffer.from(content));
          for (let i = 0; i < pauses; i++) await aMoment();
          assert(await objects.has(sha256), 'a held object was removed');
          change(content, 1);
          await retained.release(sha256);
          assert(await objects.has(sha256), 'a referenced object was removed');
          if (keeps) continue;
          for (let i = 0; i < pauses; i++) await aMoment();
          change(content, -1);
          await retained.discard(sha256);
        }
      };
      await Promise.all(lanes.map(walk));
      const needed = [...rows].filter(([, times]) => times > 0).map(([sha256]) => sha256);
      assert.deepEqual((await files()).sort(), needed.sort());
    }),
    { numRuns: 60 },
  );
});
