import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { whyNoMount } from '../../test/mounting.ts';
import { SystemClock } from '../clock.ts';
import { checkReserve } from './reserve.ts';

const program = `
  const { openDataDirectory } = await import(${JSON.stringify(join(import.meta.dirname, 'data-directory.ts'))});
  try { (await openDataDirectory(process.argv[1])).release(); console.log('started'); }
  catch (error) { console.log(error.code + ' ' + error.message); }
  process.exit();`;

/** Starts on a full disk of 24 MiB, after running `before` in the directory. */
function startOnFullDisk(before: string): string {
  const path = mkdtempSync(join(tmpdir(), 'penstock-full-'));
  const fill = `mount -t tmpfs -o size=24m tmpfs ${path} && cd ${path} && touch lock.held && ${before} && { dd if=/dev/zero of=others bs=64k 2>/dev/null; true; }`;
  const env = { ...process.env, NODE: process.execPath, PROGRAM: program };
  const script = `${fill} && "$NODE" --input-type=module -e "$PROGRAM" ${path}; ls ${path}`;
  const { stdout, stderr } = spawnSync('unshare', ['-m', 'bash', '-c', script], { encoding: 'utf8', env });
  rmSync(path, { recursive: true, force: true });
  return stdout + stderr;
}

test('a server that died on a full disk starts, because the reserve frees space', { skip: whyNoMount() }, () => {
  assert.match(startOnFullDisk('true'), /^unavailable .*the disk is full/); // Without the reserve it cannot start.
  const started = startOnFullDisk('head -c 16M /dev/urandom > reserve');
  assert.match(started, /^started/);
  assert.doesNotMatch(started, /reserve/);
});

test('a partial reserve of a killed server also frees space', { skip: whyNoMount() }, () => {
  const started = startOnFullDisk('head -c 16M /dev/urandom > reserve.tmp');
  assert.match(started, /^started/);
  assert.doesNotMatch(started, /reserve/);
});

test('a reserve that cannot be written leaves nothing behind', {
  skip: spawnSync('prlimit', ['--version']).error !== undefined,
}, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-reserve-'));
  try {
    const module = JSON.stringify(join(import.meta.dirname, 'reserve.ts'));
    const check = `const { checkReserve } = await import(${module});
      process.on('SIGXFSZ', () => {});
      await checkReserve({ directory: process.argv[1], onReleased() {} }).then(() => console.log('nothing failed'), (error) => console.log(error.code));`;
    const node = [process.execPath, '--input-type=module', '-e', check, directory];
    const { stdout } = spawnSync('prlimit', ['--fsize=1048576', ...node], { encoding: 'utf8' });
    if (stdout === 'nothing failed\n') return t.skip('this disk has less than 128 MiB free');
    assert.equal(stdout, 'EFBIG\n');
    assert.deepEqual(readdirSync(directory), []);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('the reserve is created once if there is enough space', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-reserve-'));
  try {
    const deps = { directory, clock: new SystemClock(), onReleased: () => assert.fail('it was released'), onFailure: assert.ifError };
    await checkReserve(deps);
    const path = join(directory, 'reserve');
    if (!existsSync(path)) return t.skip('this disk has less than 128 MiB free');
    const { ino, size, mode } = statSync(path);
    assert.deepEqual([size, mode & 0o777], [16 * 2 ** 20, 0o600]);
    await checkReserve(deps);
    assert.equal(statSync(path).ino, ino);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
