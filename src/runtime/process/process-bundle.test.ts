import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { inspectBundle, unpackBundle } from './process-bundle.ts';

const bytesMax = 1024 * 1024;
let folder = '';
let archive = '';
let into = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-bundle-'));
  archive = join(folder, 'model.tar');
  into = join(folder, 'private', 'model');
  mkdirSync(join(folder, 'source'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function add(path: string, text: string, mode = 0o644): void {
  const at = join(folder, 'source', path);
  mkdirSync(dirname(at), { recursive: true });
  writeFileSync(at, text, { mode });
}

function pack(...options: readonly string[]): void {
  const { status, stderr } = spawnSync('tar', ['-c', '-f', archive, '-C', join(folder, 'source'), ...options, '.']);
  assert.equal(status, 0, stderr.toString());
}

test('an archive round-trips, also compressed', async () => {
  add('model.pkl', 'weights');
  add('code/serve.sh', '#!/bin/sh\n', 0o755);
  symlinkSync('../model.pkl', join(folder, 'source/code/weights'));
  for (const options of [[], ['-z']]) {
    pack(...options);
    assert.deepEqual(await inspectBundle(archive, bytesMax), { files: 3, bytes: 17 });
    assert.deepEqual(await unpackBundle(archive, into, bytesMax), { files: 3, bytes: 17 });
    assert.equal(readFileSync(join(into, 'code/weights'), 'utf8'), 'weights');
    assert.equal(readlinkSync(join(into, 'code/weights')), '../model.pkl');
    assert.equal(statSync(join(into, 'code/serve.sh')).mode & 0o777, 0o700);
    assert.equal(statSync(into).mode & 0o777, 0o700);
    rmSync(into, { recursive: true });
  }
});

test('an empty file is an empty folder', async () => {
  writeFileSync(archive, '');
  assert.deepEqual(await unpackBundle(archive, into, bytesMax), { files: 0, bytes: 0 });
  assert(statSync(into).isDirectory());
});

describe('rejects paths out of the folder:', () => {
  for (const [what, options] of [
    ['an absolute name', ['-P', '--transform', 's,^\\./a,/tmp/penstock-evil,']],
    ['a name with a leading ..', ['-P', '--transform', 's,^\\./a,../evil,']],
    ['a name with a later ..', ['-P', '--transform', 's,^\\./a,b/../../evil,']],
  ] as const) {
    test(what, async () => {
      add('a', 'x');
      pack(...options);
      await assert.rejects(inspectBundle(archive, bytesMax), { code: 'invalid_request', message: /leads out of its folder/ });
      await assert.rejects(unpackBundle(archive, into, bytesMax), { code: 'invalid_request' });
    });
  }

  for (const to of ['/etc/passwd', '../x', 'a/../../..', 'deep/../../x', '..']) {
    test(`a link to ${JSON.stringify(to)}`, async () => {
      symlinkSync(to, join(folder, 'source/link'));
      pack();
      await assert.rejects(inspectBundle(archive, bytesMax), { code: 'invalid_request', message: /leads out of its folder/ });
    });
  }

  test('a link behind another link', async () => {
    // s points to the folder itself, so s/l, which goes up by one, would lead out of it.
    symlinkSync('.', join(folder, 'source/s'));
    mkdirSync(join(folder, 'source/t'));
    symlinkSync('..', join(folder, 'source/t/l'));
    pack('--sort=name', '--transform', 's,^\\./t,./s,S');
    await assert.rejects(unpackBundle(archive, into, bytesMax), {
      code: 'invalid_request',
      message: /link behind a link|failed to unpack/,
    });
  });
});

test('an archive above the unpacked limit is rejected, however small it is packed', async () => {
  add('zeros', '\0'.repeat(bytesMax + 1));
  pack('-z');
  assert(statSync(archive).size < 10_000);
  await assert.rejects(unpackBundle(archive, into, bytesMax), { code: 'too_large', message: /limit of 1048576 bytes/ });
});

test('a damaged archive is rejected, wherever the damage is', async () => {
  add('a', 'x'.repeat(5000));
  pack();
  const good = readFileSync(archive);
  for (const bad of [
    gzipSync(good).subarray(0, 60),
    Buffer.from([0x1f, 0x8b, 1, 2, 3]),
    good.subarray(0, 3000),
    Buffer.from('not an archive'),
  ]) {
    writeFileSync(archive, bad);
    await assert.rejects(inspectBundle(archive, bytesMax), { code: 'invalid_request' });
  }
});
