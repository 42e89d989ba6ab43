import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, rmSync } from 'node:fs';
import { chmod, mkdtemp, open, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { PlatformError } from '../../errors.ts';
import { FileHasher } from './file-hasher.ts';
import { FileObjectStore } from './file-object-store.ts';
import { VerifiedFiles } from './verified-files.ts';

let directory = '';
let store: FileObjectStore;
const hasher = new FileHasher();
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-verified-'));
  store = new FileObjectStore(directory);
});
after(async () => {
  await hasher.close();
  await rm(directory, { recursive: true, force: true });
});

/** Counts how often a file is read. */
function verified() {
  const read: string[] = [];
  const files = new VerifiedFiles({
    sha256Of: (path, bytesPerSecond) => {
      read.push(path);
      return hasher.sha256Of(path, bytesPerSecond);
    },
  });
  return { files, read };
}

/** Flips a byte, as a failing disk would. */
async function rot(path: string): Promise<void> {
  await chmod(path, 0o600);
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, 5);
  byte.writeUInt8(byte.readUInt8(0) ^ 128, 0);
  await file.write(byte, 0, 1, 5);
  await file.close();
}

const isDamaged = (error: unknown) =>
  error instanceof PlatformError && error.code === 'unavailable' && /is damaged: expected/.test(error.message);

test('any number of checks read a file once while it is unchanged', async () => {
  const { files, read } = verified();
  const { sha256 } = await store.put(randomBytes(3_000_000));
  const path = store.localPath(sha256);
  await Promise.all([files.check(path), files.check(path), files.check(path)]);
  await files.check(path);
  assert.equal(read.length, 1);
  await utimes(path, 1, 1);
  await files.check(path);
  assert.equal(read.length, 2);
});

test('a damaged file is rejected without reading it again at each try, and a good replacement is accepted', async () => {
  const { files, read } = verified();
  const bytes = randomBytes(100_000);
  const { sha256 } = await store.put(bytes);
  const path = store.localPath(sha256);
  await files.check(path);
  await rot(path);
  await assert.rejects(files.check(path), isDamaged);
  await assert.rejects(files.check(path), isDamaged);
  assert.equal(read.length, 2);
  await store.put(bytes); // The same model is registered again.
  await files.check(path);
});

test('a file that changed without a change of its times is rejected once a recheck has found it', async () => {
  const { files } = verified();
  const { sha256 } = await store.put(randomBytes(10_000));
  const path = store.localPath(sha256);
  await files.check(path);
  assert.equal(await files.recheck(path, 1e9), null);
  await rot(path);
  assert.notEqual(await files.recheck(path, 1e9), null);
  await assert.rejects(files.check(path), isDamaged);
});

test('a missing file is named, and a file without a sha256 in its name is not checked', async () => {
  const { files, read } = verified();
  const path = store.localPath('0'.repeat(64));
  await assert.rejects(files.check(path), { code: 'unavailable', message: /is missing: restore it from a backup/ });
  assert.equal(await files.recheck(path, 1e9), null);
  await files.check(join(directory, 'model.onnx'));
  assert.deepEqual(read, []);
});

test('reads a file no faster than the limit', async () => {
  const { sha256 } = await store.put(randomBytes(3 * 2 ** 20));
  const path = store.localPath(sha256);
  const startMs = performance.now();
  assert.equal(await hasher.sha256Of(path, 10 * 2 ** 20), sha256);
  assert(performance.now() - startMs >= 290, 'it was read faster');
  assert.equal((await stat(path)).size, 3 * 2 ** 20);
});

test('the server’s own change of links and permissions does not cause another read, an external change does', async () => {
  const { files, read } = verified();
  const { sha256 } = await store.put(randomBytes(1000));
  const path = store.localPath(sha256);
  await files.check(path);
  files.change(path, () => linkSync(path, `${path}.link`));
  files.change(path, () => chmodSync(path, 0o640));
  await files.check(path);
  assert.equal(read.length, 1);
  await rot(path);
  files.change(path, () => rmSync(`${path}.link`));
  await assert.rejects(files.check(path), isDamaged);
});
