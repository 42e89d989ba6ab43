import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { FileHasher } from './file-hasher.ts';

const directory = mkdtempSync(join(tmpdir(), 'penstock-hasher-'));
const clock = new VirtualClock();
const hasher = new FileHasher(clock);
after(async () => {
  await hasher.close();
  rmSync(directory, { recursive: true });
});

function fileOf(bytes: number): { readonly path: string; readonly sha256: string } {
  const content = Buffer.alloc(bytes, 7);
  const path = join(directory, `${bytes}`);
  writeFileSync(path, content);
  return { path, sha256: createHash('sha256').update(content).digest('hex') };
}

const small = fileOf(2 ** 20);
const large = fileOf(2 ** 20 + 1);

test('a small file needs no thread', async () => {
  assert.equal(await hasher.sha256Of(small.path), small.sha256);
  assert.equal(hasher.hasThread, false);
});

test('the thread of large files ends when it has had none for a while, and the next one starts it again', async () => {
  for (let round = 0; round < 2; round++) {
    assert.equal(await hasher.sha256Of(large.path), large.sha256);
    clock.advance(4000);
    assert.equal(await hasher.sha256Of(large.path), large.sha256);
    clock.advance(4000);
    assert.equal(hasher.hasThread, true);
    clock.advance(1000);
    assert.equal(hasher.hasThread, false);
  }
});

test('a file that is read at a limited rate does not hold the event loop', async () => {
  assert.equal(await hasher.sha256Of(small.path, 2 ** 30), small.sha256);
  assert.equal(hasher.hasThread, true);
});

test('a missing file is an error that names its code', async () => {
  await assert.rejects(hasher.sha256Of(join(directory, 'missing')), { code: 'ENOENT' });
});
