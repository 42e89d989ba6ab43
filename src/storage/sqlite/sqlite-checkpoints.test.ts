import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { SystemClock, VirtualClock } from '../../clock.ts';
import { type OpenDatabase, openDatabase } from '../database.ts';
import { inSharedTransaction } from '../shared-transactions.ts';
import { Checkpointer } from './checkpointer.ts';
import { type CheckpointOptions, isCheckpointDue, knowsLogLength } from './sqlite-checkpoints.ts';

const directory = mkdtempSync(join(tmpdir(), 'penstock-checkpoints-'));
after(async () => rm(directory, { recursive: true, force: true }));

const noLimit = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not installed here';
const framesMax = 100;
const frameBytes = 4096 + 24;

for (const { when, frames, copied, isDue } of [
  { when: 'a short log may grow', frames: 99, copied: 0, isDue: false },
  { when: 'a long log is copied', frames: 100, copied: 0, isDue: true },
  { when: 'a log copied except for a few frames cannot restart yet', frames: 100, copied: 99, isDue: true },
  { when: 'a completely copied log restarts by itself', frames: 100, copied: 100, isDue: false },
]) {
  test(`checkpoint due: ${when}`, () => assert.equal(isCheckpointDue({ frames, copied }, framesMax), isDue));
}

test('an SQLite that cannot report the length of its log is left alone', () => {
  assert.deepEqual(['3.49.1', '3.51.0', '3.53.4', '4.0.0', '0'].map(knowsLogLength), [false, true, true, true, false]);
});

/** A database whose log is copied on a thread, with cleanup. */
async function opened(name: string, options: Partial<CheckpointOptions> = {}) {
  const file = join(directory, `${name}.db`);
  const failures: unknown[] = [];
  const checkpointer = options.checkpointer ?? new Checkpointer();
  const checkpoints = {
    checkpointer,
    clock: new SystemClock(),
    onFailure: (error: unknown) => failures.push(error),
    framesMax,
    ...options,
  };
  const database = await openDatabase({ file, synchronous: 'FULL', checkpoints }, ['state']);
  const close = () => database.close().then(() => checkpointer.close());
  return { file, failures, database, close };
}

const write = ({ db }: OpenDatabase, name: string): Promise<unknown> =>
  inSharedTransaction(db, (tx) => tx.insertInto('s3_buckets').values({ name, created_at: 1 }).execute());

async function writeMany(database: OpenDatabase, count: number, prefix = 'b'): Promise<void> {
  for (let i = 0; i < count; i++) await write(database, `${prefix}${i}`);
}

/** Frames in the log file. The file never shrinks, so this is the maximum length of the log so far. */
const framesOf = (file: string): number => statSync(`${file}-wal`).size / frameBytes;

/** Frames since the log restarted. */
function usedFramesOf(file: string): number {
  const asking = new DatabaseSync(file);
  const row = asking.prepare('pragma wal_checkpoint(NOOP)').get();
  asking.close();
  return Number(row?.['log']);
}

/** A thread that runs the script for each `order`. */
const threadOf = (script: string): URL =>
  new URL(`data:text/javascript,${encodeURIComponent(`import { parentPort as port } from 'node:worker_threads'; ${script}`)}`);

describe('a log copied on a thread', () => {
  test('restarts repeatedly under continuous writes', async () => {
    const { file, failures, database, close } = await opened('writers');
    await Promise.all(['a', 'b', 'c', 'd'].map((prefix) => writeMany(database, 1000, prefix)));
    assert.ok(framesOf(file) < 6 * framesMax, `${framesOf(file)} frames`);
    assert.deepEqual(failures, []);
    await close();
  });

  test('restarts under continuous short reads', async () => {
    const { file, failures, database, close } = await opened('readers');
    let isWriting = true;
    const reading = async (): Promise<void> => {
      let last = begin(file);
      while (isWriting) {
        const next = begin(file); // Starts before the last one has ended.
        last.close();
        last = next;
        await turn();
      }
      last.close();
    };
    await Promise.all([reading(), writeMany(database, 400).finally(() => (isWriting = false))]);
    assert.ok(framesOf(file) < 6 * framesMax, `${framesOf(file)} frames`);
    assert.deepEqual(failures, []);
    await close();
  });

  test('grows during a long read, loses nothing, and restarts afterwards', async () => {
    const clock = new VirtualClock();
    const { file, database, close } = await opened('long', { clock });
    const reader = begin(file);
    await writeMany(database, 300, 'meanwhile');
    assert.ok(framesOf(file) > 2 * framesMax);
    reader.close();
    let written = 300;
    while (usedFramesOf(file) >= framesMax) {
      clock.advance(10_000); // each time: a copy that began during the read may end only now, and is tried again after a while
      await write(database, `afterwards${written++}`);
    }
    const { n } = await database.db
      .selectFrom('s3_buckets')
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow();
    assert.equal(n, written);
    await close();
  });

  test('is removed by an orderly close, with all data in the file', async () => {
    const { file, database, close } = await opened('clean');
    await writeMany(database, 200);
    await close();
    assert.equal(existsSync(`${file}-wal`), false);
    const reader = begin(file);
    assert.equal(reader.prepare('select count(*) as n from s3_buckets').get()?.['n'], 200);
    reader.close();
  });

  test('starts no thread before there is something to copy', async () => {
    const { failures, database, close } = await opened('idle', {
      checkpointer: new Checkpointer({ threadUrl: threadOf('throw new Error("started")') }),
      framesMax: 5000,
    });
    await writeMany(database, 10);
    await close();
    assert.deepEqual(failures, []);
  });
});

for (const [what, script, says] of [
  [
    'a full disk',
    `port.postMessage({ error: 'database or disk is full', code: 'ERR_SQLITE_ERROR', errcode: 13 })`,
    /cannot copy .*disk is full/,
  ],
  ['a thread that dies', 'process.exit(7)', /ended: exit code 7/],
] as const) {
  test(`${what} is reported and retried, and writers are not affected`, async () => {
    const clock = new VirtualClock();
    const reported = [Promise.withResolvers<unknown>(), Promise.withResolvers<unknown>()] as const;
    let failures = 0;
    const threadUrl = threadOf(`port.on('message', ({ mode }) => mode === 'close' ? port.postMessage({ isWhole: true }) : (${script}))`);
    const { file, database, close } = await opened(what.replaceAll(' ', '-'), {
      checkpointer: new Checkpointer({ threadUrl }),
      clock,
      onFailure: (error) => reported[failures++]?.resolve(error),
    });
    await writeMany(database, 120);
    assert.match(String(await reported[0].promise), says);
    await writeMany(database, 60, 'meanwhile');
    clock.advance(1000);
    assert.match(String(await reported[1].promise), says);
    await close();
    const reader = begin(file);
    assert.equal(reader.prepare('select count(*) as n from s3_buckets').get()?.['n'], 180);
    reader.close();
  });
}

test('a database that cannot grow is reported and retried; once it can, the log restarts', { skip: noLimit }, async () => {
  const clock = new VirtualClock();
  const reported = Promise.withResolvers<unknown>();
  const large = 'x'.repeat(2000);
  const before = await opened('limited');
  await writeMany(before.database, 400, large);
  await before.close();
  const { file, database, close } = await opened('limited', { clock, onFailure: reported.resolve });
  limitFiles(String(statSync(file).size));
  await writeMany(database, 40, `more-${large}`);
  assert.match(String(await reported.promise), /cannot copy .*disk is full/);
  limitFiles('unlimited');
  let written = 440;
  while (usedFramesOf(file) >= framesMax) {
    clock.advance(1000);
    await write(database, `after${written++}`);
  }
  await close();
  const reader = begin(file);
  assert.equal(reader.prepare('select count(*) as n from s3_buckets').get()?.['n'], written);
  reader.close();
});

describe('a process that is otherwise idle', () => {
  const ending = (name: string, script: string) => {
    const file = join(directory, `${name}.db`);
    const path = join(directory, `${name}.ts`);
    writeFileSync(path, `${opening(file)} ${script}`);
    const { status, stdout } = spawnSync(process.execPath, [path], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 30_000,
    });
    return { status, stdout, hasLog: existsSync(`${file}-wal`) };
  };
  const twenty = "for (let i = 0; i < 20; i++) await write('b' + i);";

  test('closes the database completely', () => {
    const script = `${twenty} await close(); await checkpointer.close(); process.stdout.write('closed');`;
    assert.deepEqual(ending('closing', script), { status: 0, stdout: 'closed', hasLog: false });
  });

  test("waits for the thread's response, which may wait for the disk", () => {
    const slowDisk = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)';
    const threadUrl = threadOf(`port.on('message', () => { ${slowDisk}; port.postMessage({ isWhole: true }); })`);
    const script = `const slow = new Checkpointer({ threadUrl: new URL(${JSON.stringify(threadUrl)}) });
      for (const mode of ['PASSIVE', 'RESTART']) process.stdout.write(mode + (await slow.checkpoint(file, mode)) + ' ');`;
    assert.deepEqual(ending('waiting', script), { status: 0, stdout: 'PASSIVEtrue RESTARTtrue ', hasLog: false });
  });

  test('exits without stopping the thread', () => {
    const script = `${twenty} process.stdout.write(String(await checkpointer.checkpoint(file, 'PASSIVE')));`;
    assert.deepEqual(ending('leaving', script), { status: 0, stdout: 'true', hasLog: false });
  });
});

test('kill -9 during a checkpoint loses no acknowledged write', async () => {
  for (const acknowledgedMin of [50, 137, 260]) {
    const file = join(directory, `killed-${acknowledgedMin}.db`);
    const script = join(directory, `writer-${acknowledgedMin}.ts`);
    writeFileSync(script, endlessWriter(file));
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      text += chunk as string;
      if (text.split('\n').length > acknowledgedMin) child.kill('SIGKILL');
    }
    const acknowledged = text.split('\n').slice(0, -1);
    assert.ok(acknowledged.length >= acknowledgedMin);
    const reader = begin(file);
    const retained = new Set(
      reader
        .prepare('select name from s3_buckets')
        .all()
        .map(({ name }) => name),
    );
    assert.deepEqual(
      acknowledged.filter((name) => !retained.has(name)),
      [],
    );
    assert.equal(reader.prepare('pragma integrity_check').get()?.['integrity_check'], 'ok');
    reader.close();
  }
});

/** The start of a script that opens the database and checkpoints almost continuously. */
function opening(file: string): string {
  const from = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  return `
    import { SystemClock } from ${from('../../clock.ts')};
    import { Checkpointer } from ${from('./checkpointer.ts')};
    import { openDatabase } from ${from('../database.ts')};
    import { inSharedTransaction } from ${from('../shared-transactions.ts')};
    const file = ${JSON.stringify(file)};
    const checkpointer = new Checkpointer();
    const checkpoints = { checkpointer, clock: new SystemClock(), onFailure: (error) => console.error(error), framesMax: 5 };
    const { db, close } = await openDatabase({ file, synchronous: 'FULL', checkpoints }, ['state']);
    const write = (name) => inSharedTransaction(db, (tx) => tx.insertInto('s3_buckets').values({ name, created_at: 1 }).execute());
  `;
}

/** A script that writes endlessly and prints acknowledged writes. */
function endlessWriter(file: string): string {
  return `${opening(file)}
    for (const who of ['a', 'b', 'c']) void (async () => {
      for (let i = 0; ; i++) {
        await write(who + i);
        process.stdout.write(who + i + '\\n');
      }
    })();
  `;
}

/** Limits file sizes of this process, in bytes: larger writes fail. */
function limitFiles(bytes: string): void {
  assert.equal(spawnSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]).status, 0);
}

/** Opens another connection with a read transaction that lasts until it is closed. */
function begin(file: string): DatabaseSync {
  const reader = new DatabaseSync(file);
  reader.exec('begin; select count(*) from s3_buckets');
  return reader;
}
