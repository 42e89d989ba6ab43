/** Fails each file operation once, in turn: data is complete or absent, the caller gets an error, and the next attempt succeeds. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { writeFileAtomically } from '../../src/data-directory/index.ts';
import { PlatformError } from '../../src/errors.ts';
import { FileObjectStore } from '../../src/storage/index.ts';
import { type Fault, FaultyFiles } from './faulty-files.ts';

const faults: readonly Fault[] = ['EIO', 'ENOSPC', 'short'];
const bytes = Buffer.from('stored data that must be read back unchanged '.repeat(4000));
const isUnavailable = (error: unknown): boolean => error instanceof PlatformError && error.code === 'unavailable';

describe('a file system on which each operation fails once', () => {
  let directory = '';
  let files: FaultyFiles;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'penstock-faulty-'));
    files = new FaultyFiles(directory);
  });
  after(() => {
    files.restore();
    rmSync(directory, { recursive: true, force: true });
  });

  for (const fault of faults) {
    test(`objects are complete or absent (${fault})`, async (t) => {
      const met = new Set<string>();
      for (let call = 0; ; call++) {
        const root = join(directory, `${fault}-${call}`);
        const store = new FileObjectStore(root);
        files.failAt(call, fault);
        const stored = await store.put(pieces()).catch((error: unknown) => {
          assert(isUnavailable(error), String(error));
          return null;
        });
        files.heal();
        if (files.failed === null) break;
        met.add(files.failed);
        const listed: string[] = [];
        for await (const sha256 of store.list()) listed.push(sha256);
        for (const sha256 of listed) assert.deepEqual(await store.read(sha256), bytes, `${fault} of ${files.failed}`);
        if (stored !== null) assert.deepEqual(listed, [stored.sha256], files.failed);
        const again = await store.put(bytes);
        assert.deepEqual(await store.read(again.sha256), bytes);
      }
      t.diagnostic([...met].join(', '));
      assert(met.size >= 4);
    });
  }

  test('an unreadable object is reported and can be read again later', async () => {
    const store = new FileObjectStore(join(directory, 'read'));
    const { sha256 } = await store.put(bytes);
    files.failAt(0, 'EIO');
    await assert.rejects(store.read(sha256), isUnavailable);
    files.heal();
    assert.deepEqual(await store.read(sha256), bytes);
  });

  for (const fault of ['EIO', 'ENOSPC'] as const) {
    test(`a small file holds the old text or the new one (${fault})`, () => {
      const path = join(directory, `keys-${fault}.json`);
      for (let call = 0; ; call++) {
        files.heal();
        writeFileSync(path, 'old');
        files.failAt(call, fault);
        let isDone = false;
        try {
          writeFileAtomically(path, 'new', { mode: 0o600 });
          isDone = true;
        } catch (error) {
          assert(isUnavailable(error), String(error));
        }
        files.heal();
        const text = readFileSync(path, 'utf8');
        assert(text === 'new' || (text === 'old' && !isDone), `${String(files.failed)}: ${text}`);
        if (files.failed === null) break;
      }
    });
  }
});

/** Yields pieces, as a request body does. */
async function* pieces(): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 60_000) yield bytes.subarray(at, at + 60_000);
}
