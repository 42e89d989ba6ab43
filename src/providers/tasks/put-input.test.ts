/** Inputs of a task are written only while the disk has room. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createGunzip, gzipSync } from 'node:zlib';
import { putTaskInput } from './put-input.ts';

const mebibyte = 2 ** 20;

describe('an input of a task', () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-put-'));
  after(() => rmSync(folder, { recursive: true }));

  test('is a copy of its object, or the whole stream', async () => {
    writeFileSync(join(folder, 'object'), 'rows', { mode: 0o400 });
    const file = async (): Promise<string> => join(folder, 'object');
    await putTaskInput(join(folder, 'deep/er/a'), { kind: 'object', sha256: '', file }, () => mebibyte);
    await putTaskInput(join(folder, 'b'), { kind: 'stream', content: [Buffer.from('one '), Buffer.from('two')] }, () => 2 ** 40);
    assert.deepEqual(
      ['object', 'deep/er/a', 'b'].map((name) => readFileSync(join(folder, name), 'utf8')),
      ['rows', 'rows', 'one two'],
    );
    assert.equal(statSync(join(folder, 'deep/er/a')).mode & 0o777, 0o644);
  });

  test('that unpacks to more than the disk has room for is cut off', async () => {
    const bomb = createGunzip();
    bomb.end(gzipSync(Buffer.alloc(64 * mebibyte)));
    const target = join(folder, 'bomb');
    const written = (): number => statSync(target, { throwIfNoEntry: false })?.size ?? 0;
    await assert.rejects(
      putTaskInput(target, { kind: 'stream', content: bomb }, () => 24 * mebibyte - written()),
      /does not fit on the disk of the server/,
    );
    assert.ok(written() <= 32 * mebibyte, `${written()} bytes`);
  });
});
