/** Kills a store with SIGKILL while it writes: acknowledged objects are complete, and nothing partial remains. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { SystemClock } from '../../clock.ts';
import { openLogs } from '../../logs/index.ts';
import { FileObjectStore, openDatabase, type SweepOptions } from '../../storage/index.ts';
import { S3Store } from './objects/store.ts';

const rounds = 6;
const log = openLogs(null, 'silent').platform;

const sweepOptions = (): SweepOptions => ({
  nowMs: () => 1,
  onTrashed: () => undefined,
  onRestored: () => undefined,
  onFailure: assert.ifError,
});

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-s3-crash-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

async function openStore(): Promise<{ store: S3Store; close: () => Promise<void>; db: Awaited<ReturnType<typeof openDatabase>>['db'] }> {
  const { db, close } = await openDatabase({ file: join(directory, 'state.db'), synchronous: 'FULL' });
  const store = new S3Store({
    db,
    files: new FileObjectStore(join(directory, 'buckets')),
    clock: new SystemClock(),
    log,
    contentBytesMax: 0,
  });
  await store.sweep(sweepOptions());
  return { store, close, db };
}

/**
 * The killed process puts, overwrites, copies and deletes objects and completes uploads concurrently. It prints `KEY ?` before each write,
 * and `KEY ETAG` or `KEY -` once it is acknowledged. Each key has one writer.
 */
const writer = (round: number): string => `
  const at = (path) => import(${JSON.stringify(`${import.meta.dirname}/`)} + path);
  const { S3Store } = await at('objects/store.ts');
  const { FileObjectStore, openDatabase } = await at('../../storage/index.ts');
  const { SystemClock } = await at('../../clock.ts');
  const { createHash } = await import('node:crypto');
  const { db } = await openDatabase({ file: ${JSON.stringify(join(directory, 'state.db'))}, synchronous: 'FULL' });
  const log = { warn: console.error };
  const store = new S3Store({ db, files: new FileObjectStore(${JSON.stringify(join(directory, 'buckets'))}), clock: new SystemClock(), log, contentBytesMax: 0 });
  await store.sweep({ nowMs: () => 1, onTrashed: () => {}, onRestored: () => {}, onFailure: (error) => { throw error; } });
  const say = (key, what) => require('node:fs').writeSync(1, key + ' ' + what + '\\n');
  async function* slowly(bytes) {
    for (let i = 0; i < bytes.length; i += 4096) { yield bytes.subarray(i, i + 4096); await new Promise(setImmediate); }
  }
  async function one(lane) {
    for (let n = 0; ; n++) {
      const key = lane + '/' + (n % 5);
      const bytes = Buffer.alloc(1 + (n * 7919) % 60000, String(${round} + lane + n));
      say(key, '?');
      if (n % 7 === 6) { await store.delete('bucket', key); say(key, '-'); continue; }
      if (n % 7 === 5) {
        const upload = await store.uploads.create('bucket', key, {});
        const part = await store.uploads.putPart(upload, 1, slowly(bytes));
        const { etag } = await store.uploads.complete(upload, [{ number: 1, etag: part.md5, checksums: {} }]);
        say(key, etag);
        continue;
      }
      const { etag } = await store.put('bucket', key, slowly(bytes));
      say(key, etag);
      const copy = key + '-copy';
      say(copy, '?');
      say(copy, (await store.copy({ bucket: 'bucket', key }, { bucket: 'bucket', key: copy })).etag);
    }
  }
  await Promise.all(Array.from({ length: 6 }, (_, lane) => one(lane)));
`;

/** Kills the process after a number of acknowledged writes and returns its output lines. */
async function killAfter(round: number, acknowledged: number): Promise<string[]> {
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { createRequire } from 'node:module'; const require = createRequire('file:///');${writer(round)}`,
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const lines: string[] = [];
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (lines.length === acknowledged) child.kill('SIGKILL'); // Output written before the kill still arrives.
    }
  } finally {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  assert(lines.length >= acknowledged, 'the writer exited by itself');
  return lines;
}

test(`after each of ${rounds} kills every acknowledged object is complete, and no file is orphaned`, { timeout: 120_000 }, async () => {
  const first = await openStore();
  await first.store.createBucket('bucket');
  await first.close();
  /** By key: the last acknowledged ETag, `-` for none, `?` for an unfinished write with unknown outcome. */
  const known = new Map<string, string>();
  for (let round = 1; round <= rounds; round++) {
    for (const line of await killAfter(round, 60 + 37 * round)) {
      const [key = '', what = ''] = line.split(' ');
      known.set(key, what);
    }
    const { store, close, db } = await openStore();
    const { objects } = await store.list('bucket', { itemsMax: 1000 });
    const there = new Map(objects.map(({ key, etag }) => [key, etag]));
    for (const [key, what] of known) if (what !== '?') assert.equal(there.get(key) ?? '-', what, `${key} in round ${round}`);
    for (const { key, etag, bytes } of objects) {
      const read = await buffer((await store.open('bucket', key))?.stream() ?? assert.fail());
      assert.equal(read.length, bytes);
      const md5 = createHash('md5').update(read);
      const expected = etag.endsWith('-1') ? `${createHash('md5').update(md5.digest()).digest('hex')}-1` : md5.digest('hex');
      assert.equal(expected, etag, `${key} in round ${round}`);
      known.set(key, etag);
    }
    const needed = await db.selectFrom('s3_pieces').select('sha256').distinct().execute();
    // Orphaned files were swept to the trash, which is not checked here.
    const entries = await readdir(join(directory, 'buckets/sha256'), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    assert.deepEqual(files.sort(), needed.map(({ sha256 }) => sha256).sort());
    for (const key of known.keys()) if (!there.has(key)) known.set(key, '-');
    await close();
  }
});
