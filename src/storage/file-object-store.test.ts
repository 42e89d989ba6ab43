import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { FileObjectStore } from './file-object-store.ts';
import { whyNoMount } from './mounting.test.ts';

const modulePath = join(import.meta.dirname, 'file-object-store.ts');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let directory = '';
let count = 0;
const freshRoot = (): string => join(directory, `objects-${count++}`);
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-objects-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

/** Every file below, with its path. */
async function filesIn(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

/** `script` has `store` and `put(bytes)` at hand, and prints what it got. */
function program(root: string, script: string): string {
  return `const { FileObjectStore } = await import(${JSON.stringify(modulePath)});
    const store = new FileObjectStore(${JSON.stringify(root)});
    const put = (bytes) => store.put(Buffer.alloc(bytes, 7)).then(() => console.log('stored'), (error) => console.log(error.code + ' ' + error.message));
    ${script}`;
}

/** Runs a shell command with the program as "$PROGRAM" and Node as "$NODE". */
function shell(command: string, source: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('bash', ['-c', command], { encoding: 'utf8', env: { ...process.env, NODE: process.execPath, PROGRAM: source } });
}

test('stores bytes and streams under the sha256 of their content, once', async () => {
  const root = freshRoot();
  const store = new FileObjectStore(root);
  const bytes = randomBytes(300_000);
  const expected = { sha256: sha256(bytes), bytes: bytes.length };
  assert.deepEqual(await store.put(chunksOf(bytes, 70_000)), expected);
  assert.deepEqual(await store.put(bytes), expected);
  assert.deepEqual(await filesIn(root), [join(root, 'sha256', expected.sha256.slice(0, 2), expected.sha256)]);
  assert.deepEqual(await store.read(expected.sha256), bytes);
  assert.deepEqual(await store.stat(expected.sha256), expected);
  assert.deepEqual(await readFile(store.localPath(expected.sha256)), bytes);
  assert.equal((await stat(store.localPath(expected.sha256))).mode & 0o777, 0o400);
});

test('the same bytes put many times at once are one object', async () => {
  const root = freshRoot();
  const store = new FileObjectStore(root);
  const bytes = randomBytes(50_000);
  const stored = await Promise.all(Array.from({ length: 20 }, () => store.put(chunksOf(bytes, 9000))));
  assert.deepEqual(new Set(stored.map((object) => object.sha256)), new Set([sha256(bytes)]));
  assert.equal((await filesIn(root)).length, 1);
});

test('an empty object is an object', async () => {
  const store = new FileObjectStore(freshRoot());
  const stored = await store.put(new Uint8Array());
  assert.equal(stored.bytes, 0);
  assert.equal((await store.read(stored.sha256)).length, 0);
});

test('what is not there is not found, and may be removed', async () => {
  const store = new FileObjectStore(freshRoot());
  const nothing = '0'.repeat(64);
  assert.equal(await store.has(nothing), false);
  await assert.rejects(store.read(nothing), { code: 'not_found' });
  await assert.rejects(store.stat(nothing), { code: 'not_found' });
  await store.remove(nothing);
  const { sha256: address } = await store.put(Buffer.from('something'));
  await store.remove(address);
  assert.equal(await store.has(address), false);
});

test('an address is never a path', () => {
  const store = new FileObjectStore(freshRoot());
  for (const address of ['../../etc/passwd', '', 'A'.repeat(64), `${'a'.repeat(64)}/x`]) assert.throws(() => store.localPath(address));
});

test('an object beyond the limit is refused and leaves nothing', async () => {
  const root = freshRoot();
  const store = new FileObjectStore(root);
  await assert.rejects(store.put(chunksOf(randomBytes(1001), 100), 1000), { code: 'too_large' });
  assert.deepEqual(await filesIn(root), []);
  assert.equal((await store.put(chunksOf(randomBytes(1000), 100), 1000)).bytes, 1000);
});

test('a source that breaks off leaves nothing and its own error', async () => {
  const root = freshRoot();
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield randomBytes(1000);
    throw new Error('the client went away');
  }
  await assert.rejects(new FileObjectStore(root).put(broken()), /the client went away/);
  assert.deepEqual(await filesIn(root), []);
});

test('an object that was cut short from outside is healed by putting it again', async () => {
  const store = new FileObjectStore(freshRoot());
  const bytes = randomBytes(1000);
  const { sha256: address } = await store.put(bytes);
  await rm(store.localPath(address));
  await writeFile(store.localPath(address), bytes.subarray(0, 10));
  await store.put(bytes);
  assert.deepEqual(await store.read(address), bytes);
});

test('kill -9 in the middle of a put leaves no object, and the next start sweeps what was begun', async () => {
  const root = freshRoot();
  const endless = `async function* endless() { for (let n = 0; ; n++) { yield Buffer.alloc(65536, n); if (n === 20) console.log('halfway'); if (n >= 20) await new Promise(() => setInterval(() => {}, 1000)); } }
    await store.put(endless());`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program(root, endless)], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    for await (const line of createInterface({ input: child.stdout })) if (line === 'halfway') break;
  } finally {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  const left = await filesIn(root);
  assert.equal(left.length, 1);
  assert.match(left[0] ?? '', /\/temporary\//);
  const store = new FileObjectStore(root);
  await store.sweepTemporary();
  assert.deepEqual(await filesIn(root), []);
  await store.put(Buffer.from('goes on'));
});

describe('where the disk does not take it', () => {
  test('a file-size limit is a clear error, and nothing is left', async () => {
    const root = freshRoot();
    const source = program(root, 'await put(10_000_000); await put(1000);');
    const { stdout, stderr } = shell(`trap '' XFSZ; ulimit -f 1000; exec "$NODE" --input-type=module -e "$PROGRAM"`, source);
    assert.match(stdout, /^unavailable cannot store an artifact in .*: the disk is full .*free space.*\nstored\n$/, stderr);
    assert.equal((await filesIn(root)).length, 1);
  });

  test('a full disk is a clear error, nothing is left, and smaller objects still fit', { skip: whyNoMount() }, () => {
    const root = freshRoot();
    const source = program(root, `await put(4_000_000); await put(1000);`);
    const mount = `mkdir -p ${root} && mount -t tmpfs -o size=1m tmpfs ${root}`;
    const command = `unshare -m bash -c '${mount} && "$NODE" --input-type=module -e "$PROGRAM" && find ${root} -type f | wc -l'`;
    const { stdout, stderr } = shell(command, source);
    assert.match(stdout, /^unavailable cannot store an artifact in .*: the disk is full .*\nstored\n1\n$/, stderr);
  });

  test('a read-only directory is a clear error, and what it holds can still be read', { skip: whyNoMount() }, async () => {
    const root = freshRoot();
    const { sha256: address } = await new FileObjectStore(root).put(Buffer.from('kept'));
    const source = program(root, `await put(1000); console.log(String(await store.read('${address}')));`);
    const mount = `mount --bind ${root} ${root} && mount -o remount,ro,bind ${root}`;
    const { stdout, stderr } = shell(`unshare -m bash -c '${mount} && "$NODE" --input-type=module -e "$PROGRAM"'`, source);
    assert.match(stdout, /^unavailable cannot store an artifact in .*: it is not writable: check the mount.*\nkept\n$/, stderr);
  });
});
