import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { whyNoMount } from '../../../test/mounting.ts';
import { FileObjectStore } from './file-object-store.ts';

const modulePath = join(import.meta.dirname, 'file-object-store.ts');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let directory = '';
let count = 0;
const freshRoot = (): string => join(directory, `objects-${count++}`);
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-objects-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

/** Every file below the directory, with its path. */
async function filesIn(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

/** `script` can use `store` and `put(bytes)`, which prints the result. */
function program(root: string, script: string): string {
  return `const { FileObjectStore } = await import(${JSON.stringify(modulePath)});
    const store = new FileObjectStore(${JSON.stringify(root)});
    const put = (bytes) => store.put(Buffer.alloc(bytes, 7)).then(() => console.log('stored'), (error) => console.log(error.code + ' ' + error.message));
    ${script}`;
}

/** Runs a shell command with the program as "$PROGRAM" and Node.js as "$NODE". */
function shell(command: string, source: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('bash', ['-c', command], { encoding: 'utf8', env: { ...process.env, NODE: process.execPath, PROGRAM: source } });
}

test('stores bytes and streams once under the SHA-256 of their content', async () => {
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

test('concurrent puts of the same bytes yield one object', async () => {
  const root = freshRoot();
  const store = new FileObjectStore(root);
  const bytes = randomBytes(50_000);
  const stored = await Promise.all(Array.from({ length: 20 }, () => store.put(chunksOf(bytes, 9000))));
  assert.deepEqual(new Set(stored.map((object) => object.sha256)), new Set([sha256(bytes)]));
  assert.equal((await filesIn(root)).length, 1);
});

test('stores an empty object', async () => {
  const store = new FileObjectStore(freshRoot());
  const stored = await store.put(new Uint8Array());
  assert.equal(stored.bytes, 0);
  assert.equal((await store.read(stored.sha256)).length, 0);
});

test('reports an absent object as not found, and removing it succeeds', async () => {
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

test('rejects an address that is a path', () => {
  const store = new FileObjectStore(freshRoot());
  for (const address of ['../../etc/passwd', '', 'A'.repeat(64), `${'a'.repeat(64)}/x`]) assert.throws(() => store.localPath(address));
});

test('rejects an object above the limit and leaves nothing behind', async () => {
  const root = freshRoot();
  const store = new FileObjectStore(root);
  await assert.rejects(store.put(chunksOf(randomBytes(1001), 100), 1000), { code: 'too_large' });
  assert.deepEqual(await filesIn(root), []);
  assert.equal((await store.put(chunksOf(randomBytes(1000), 100), 1000)).bytes, 1000);
});

test('a staged object appears when it is kept, and one that is dropped leaves nothing behind', async () => {
  const root = freshRoot();
  const store = new FileObjectStore(root);
  const [kept, dropped] = [await store.stage(Buffer.from('kept')), await store.stage(Buffer.from('dropped'))];
  assert.equal(await store.has(kept.sha256), false);
  assert.deepEqual(await store.keep(kept), { sha256: sha256(Buffer.from('kept')), bytes: 4 });
  await store.drop(dropped);
  assert.deepEqual(await filesIn(root), [store.localPath(kept.sha256)]);
});

test('a source that fails leaves nothing behind, and its error is passed on', async () => {
  const root = freshRoot();
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield randomBytes(1000);
    throw new Error('the client disconnected');
  }
  await assert.rejects(new FileObjectStore(root).put(broken()), /the client disconnected/);
  assert.deepEqual(await filesIn(root), []);
});

test('putting a truncated object again repairs it', async () => {
  const store = new FileObjectStore(freshRoot());
  const bytes = randomBytes(1000);
  const { sha256: address } = await store.put(bytes);
  await rm(store.localPath(address));
  await writeFile(store.localPath(address), bytes.subarray(0, 10));
  await store.put(bytes);
  assert.deepEqual(await store.read(address), bytes);
});

test('kill -9 during a put leaves no object, and the next start deletes the partial file', async () => {
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

describe('on a disk that rejects writes', () => {
  test('a file-size limit is reported clearly and leaves nothing behind', async () => {
    const root = freshRoot();
    const source = program(root, 'await put(10_000_000); await put(1000);');
    const { stdout, stderr } = shell(`trap '' XFSZ; ulimit -f 1000; exec "$NODE" --input-type=module -e "$PROGRAM"`, source);
    assert.match(stdout, /^unavailable cannot store an artifact in .*: the disk is full .*free space.*\nstored\n$/, stderr);
    assert.equal((await filesIn(root)).length, 1);
  });

  test('a full disk is reported clearly and leaves nothing behind, and smaller objects still fit', { skip: whyNoMount() }, () => {
    const root = freshRoot();
    const source = program(root, `await put(4_000_000); await put(1000);`);
    const mount = `mkdir -p ${root} && mount -t tmpfs -o size=1m tmpfs ${root}`;
    const command = `unshare -m bash -c '${mount} && "$NODE" --input-type=module -e "$PROGRAM" && find ${root} -type f | wc -l'`;
    const { stdout, stderr } = shell(command, source);
    assert.match(stdout, /^unavailable cannot store an artifact in .*: the disk is full .*\nstored\n1\n$/, stderr);
  });

  test('a read-only directory is reported clearly, and its objects remain readable', { skip: whyNoMount() }, async () => {
    const root = freshRoot();
    const { sha256: address } = await new FileObjectStore(root).put(Buffer.from('kept'));
    const source = program(root, `await put(1000); console.log(String(await store.read('${address}')));`);
    const mount = `mount --bind ${root} ${root} && mount -o remount,ro,bind ${root}`;
    const { stdout, stderr } = shell(`unshare -m bash -c '${mount} && "$NODE" --input-type=module -e "$PROGRAM"'`, source);
    assert.match(stdout, /^unavailable cannot store an artifact in .*: it is not writable: check the mount.*\nkept\n$/, stderr);
  });
});
