/** The contract of every object store, and of those on other machines. The tests of each call these functions. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import type { PlatformError } from '../../errors.ts';
import type { Blobs } from './blobs.ts';
import { FileHasher } from './file-hasher.ts';
import type { ObjectStore } from './object-store.ts';
import { RemoteObjectStore } from './remote-object-store.ts';
import { VerifiedFiles } from './verified-files.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** `open` returns an empty store. */
export function objectStoreContract(name: string, open: () => Promise<ObjectStore>): void {
  describe(`${name} as the object store`, () => {
    let store: ObjectStore;
    before(async () => {
      store = await open();
    });

    test('stores bytes and streams under the SHA-256 of their content, and returns them whole or in part', async () => {
      const bytes = randomBytes(300_000);
      const expected = { sha256: sha256(bytes), bytes: bytes.length };
      assert.deepEqual(await store.put(chunksOf(bytes, 70_000)), expected);
      assert.deepEqual(await store.put(bytes), expected, 'storing it again changes nothing');
      assert.deepEqual(await store.stat(expected.sha256), expected);
      assert.deepEqual(await store.read(expected.sha256), bytes);
      assert.deepEqual(Buffer.concat(await all(store.stream(expected.sha256, 1000, 299_000))), bytes.subarray(1000, 299_000));
      assert.deepEqual(await all(store.stream(expected.sha256, 5, 5)), []);
      assert.deepEqual(await readFile(await store.fetch(expected.sha256)), bytes);
    });

    test('stores an empty object, and one of several parts', async () => {
      const large = Buffer.alloc(11 * 2 ** 20 + 3, randomBytes(1000));
      for (const bytes of [Buffer.alloc(0), large]) {
        const { sha256: address } = await store.put(chunksOf(bytes, 2 ** 20));
        assert.equal(address, sha256(bytes));
        assert.equal(sha256(Buffer.concat(await all((await store.readable(address))?.content ?? assert.fail()))), address);
      }
    });

    test('concurrent puts of the same bytes yield one object', async () => {
      const bytes = randomBytes(5000);
      const stored = await Promise.all(Array.from({ length: 8 }, () => store.put(chunksOf(bytes, 900))));
      assert.deepEqual(new Set(stored.map((object) => object.sha256)), new Set([sha256(bytes)]));
      assert.deepEqual(await store.read(sha256(bytes)), bytes);
    });

    test('lists all objects, or those of a group', async () => {
      const stored = await Promise.all(Array.from({ length: 12 }, () => store.put(randomBytes(10))));
      const listed = await all(store.list());
      assert.equal(new Set(listed).size, listed.length);
      for (const object of stored) assert(listed.includes(object.sha256));
      const group = stored[0]?.sha256.slice(0, 2) ?? '';
      assert.deepEqual((await all(store.list(group))).sort(), listed.filter((address) => address.startsWith(group)).sort());
    });

    test('reports an absent object as not found, and removing it succeeds', async () => {
      const nothing = '0'.repeat(64);
      assert.equal(await store.has(nothing), false);
      assert.equal(await store.readable(nothing), null);
      await assert.rejects(store.read(nothing), { code: 'not_found' });
      await assert.rejects(store.stat(nothing), { code: 'not_found' });
      await assert.rejects(all(store.stream(nothing, 0, 10)), { code: 'not_found' });
      await store.remove(nothing);
      await store.moveToTrash(nothing, 1);
      assert.equal(await store.restore(nothing), false);
      const { sha256: address } = await store.put(randomBytes(10));
      await store.remove(address);
      assert.equal(await store.has(address), false);
    });

    test('a source that fails or is too large leaves nothing behind', async () => {
      const before = await all(store.list());
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield randomBytes(1000);
        throw new Error('the client disconnected');
      }
      await assert.rejects(store.put(broken()), /the client disconnected/);
      await assert.rejects(store.put(chunksOf(randomBytes(1001), 100), 1000), { code: 'too_large' });
      assert.equal((await store.put(chunksOf(randomBytes(1000), 100), 1000)).bytes, 1000);
      assert.equal((await all(store.list())).length, before.length + 1);
    });

    test('a staged object appears when it is kept, after its address was announced', async () => {
      const [kept, dropped] = [await store.stage(randomBytes(100)), await store.stage(randomBytes(100))];
      assert.equal(await store.has(kept.sha256), false);
      await store.keep(kept, async (address) => {
        assert.deepEqual([address, await store.has(address)], [kept.sha256, false]);
      });
      await store.drop(dropped);
      assert.deepEqual([await store.has(kept.sha256), await store.has(dropped.sha256)], [true, false]);
    });

    test('an object in the trash is gone, remains readable for backups, and can be restored or deleted', async () => {
      const bytes = randomBytes(2000);
      const { sha256: address } = await store.put(bytes);
      const trashed = { sha256: address, bytes: bytes.length, trashedAtMs: 1_764_288_000_000 };
      await store.moveToTrash(address, trashed.trashedAtMs);
      const entry = async () =>
        (await store.trash.list())
          .filter((each) => each.sha256 === address)
          .map(({ sha256: found, bytes: length, trashedAtMs }) => ({ sha256: found, bytes: length, trashedAtMs }));
      assert.deepEqual([await store.has(address), await entry()], [false, [trashed]]);
      assert.deepEqual(Buffer.concat(await all((await store.readable(address))?.content ?? assert.fail())), bytes);
      assert.equal(await store.restore(address), true);
      assert.deepEqual([await store.read(address), await entry()], [bytes, []]);
      await store.moveToTrash(address, trashed.trashedAtMs);
      await store.trash.delete(trashed);
      assert.deepEqual([await store.restore(address), await entry()], [false, []]);
    });

    test('rejects an address that is a path', async () => {
      for (const address of ['../../etc/passwd', '', 'A'.repeat(64)])
        await assert.rejects(store.fetch(address), { name: 'AssertionError' });
    });
  });
}

/** `open` returns blobs under a prefix that no other test uses. */
export function remoteStoreContract(name: string, open: () => Promise<Blobs>): void {
  const hasher = new FileHasher();
  let [directory, count] = ['', 0];
  let blobs: Blobs;
  const counted = { downloads: 0 };
  const clock = new VirtualClock(Date.now());

  function storeOf(
    options: {
      readonly cacheBytesMax?: number;
      readonly isRetained?: boolean;
      readonly isRemovalUndone?: boolean;
      readonly folder?: string;
    } = {},
  ): RemoteObjectStore {
    const { cacheBytesMax = 2 ** 30, isRetained = false, isRemovalUndone = false, folder = join(directory, `cache-${count++}`) } = options;
    const marks = { isRetained: async () => isRetained };
    const reading = Object.assign(Object.create(blobs) as Blobs, {
      read: (...[key, start, end]: Parameters<Blobs['read']>) => {
        counted.downloads++;
        return blobs.read(key, start, end);
      },
      write: (...[key, blob]: Parameters<Blobs['write']>) => blobs.write(key, blob),
      sizeOf: (key: string) => blobs.sizeOf(key),
      list: (prefix: string) => blobs.list(prefix),
      move: (from: string, to: string) => blobs.move(from, to),
      delete: (key: string) => blobs.delete(key),
      sweepUploads: (beforeMs: number) => blobs.sweepUploads(beforeMs),
    });
    return new RemoteObjectStore({
      blobs: reading,
      name: 'objects',
      marks,
      isRemovalUndone,
      clock,
      verified: new VerifiedFiles(hasher),
      cacheFolder: folder,
      cacheBytesMax,
    });
  }

  describe(`${name} on another machine`, () => {
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'penstock-remote-'));
      blobs = await open();
    });
    after(async () => {
      await hasher.close();
      await rm(directory, { recursive: true, force: true });
    });
    beforeEach(() => {
      counted.downloads = 0;
    });

    objectStoreContract(name, async () => storeOf());

    test('what one machine stores, another one fetches: once, however many ask for it', async () => {
      const bytes = randomBytes(100_000);
      const { sha256: address } = await storeOf().put(bytes);
      const other = storeOf();
      const paths = await Promise.all(Array.from({ length: 20 }, () => other.fetch(address)));
      assert.deepEqual([new Set(paths).size, counted.downloads], [1, 1]);
      assert.deepEqual(await readFile(paths[0] ?? ''), bytes);
      await other.fetch(address);
      assert.equal(counted.downloads, 1);
    });

    test('an object that does not match its address is reported and never served', async () => {
      const { sha256: address } = await storeOf().put(randomBytes(1000));
      const wrong = randomBytes(1000);
      await blobs.write(`objects/sha256/${address}`, { content: wrong, bytes: wrong.length });
      const other = storeOf();
      const isDamaged = (error: PlatformError): boolean =>
        error.code === 'unavailable' && error.message.includes(`is damaged: expected the sha256 in its name, got ${sha256(wrong)}`);
      await assert.rejects(other.fetch(address), isDamaged);
      await assert.rejects(other.read(address), isDamaged);
      await assert.rejects(other.fetch(address), isDamaged);
    });

    test('a copy that was damaged on this disk is replaced by the original', async () => {
      const bytes = randomBytes(1000);
      const store = storeOf();
      const { sha256: address } = await store.put(bytes);
      const path = await store.fetch(address);
      await rm(path);
      await writeFile(path, 'damaged');
      assert.deepEqual(await readFile(await store.fetch(address)), bytes);
      await rm(path);
      assert.deepEqual(await readFile(await store.fetch(address)), bytes);
      assert.equal(counted.downloads, 2);
    });

    test('copies are bounded: those go first whose last use is longest ago, but none of the last minutes', async () => {
      const folder = join(directory, `cache-${count++}`);
      const store = storeOf({ cacheBytesMax: 2500, folder });
      const put = async (): Promise<string> => (await store.put(randomBytes(1000))).sha256;
      const [first, second] = [await put(), await put()];
      const third = await put();
      assert.equal(store.cache.bytes, 3000, 'all were used just now');
      clock.advance(11 * 60_000);
      await store.fetch(first);
      const fourth = await put();
      const names = (await readdir(folder, { recursive: true })).map((path) => path.slice(-64)).filter((each) => each.length === 64);
      assert.deepEqual(names.sort(), [first, fourth].sort());
      assert(!names.includes(second) && !names.includes(third));
      assert.equal(storeOf({ folder }).cache.bytes, 0, 'a new process finds the copies when it first needs one');
      const next = storeOf({ folder });
      await next.fetch(first);
      assert.deepEqual([next.cache.bytes, counted.downloads], [2000, 0]);
      assert.deepEqual((await store.read(second)).length, 1000);
    });

    test('a sweep leaves recent objects alone: another machine may be about to reference them', async () => {
      const store = storeOf();
      const { sha256: address } = await store.put(randomBytes(10));
      assert(!(await all(store.listForSweep(Date.now()))).includes(address));
      assert((await all(store.listForSweep(Date.now() + 3_700_000))).includes(address));
    });

    for (const options of [{ isRetained: true }, { isRemovalUndone: true }, {}]) {
      const goes = 'isRetained' in options || 'isRemovalUndone' in options;
      test(`removed objects ${goes ? 'go to the trash' : 'are deleted'} with ${JSON.stringify(options)}`, async () => {
        const store = storeOf(options);
        const { sha256: address } = await store.put(randomBytes(10));
        await store.remove(address);
        assert.equal(await store.has(address), false);
        assert.equal(await store.restore(address), goes);
      });
    }
  });
}
