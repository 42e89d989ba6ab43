import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { SystemClock, VirtualClock } from '../clock.ts';
import { Checkpointer } from './checkpointer.ts';
import { type OpenDatabase, openDatabase } from './database.ts';
import { inSharedTransaction } from './shared-transactions.ts';
import { type CheckpointOptions, isCheckpointDue, knowsLogLength } from './sqlite-checkpoints.ts';

const directory = mkdtempSync(join(tmpdir(), 'penstock-checkpoints-'));
after(async () => rm(directory, { recursive: true, force: true }));

const noLimit = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not installed here';
const framesMax = 100;
const frameBytes = 4096 + 24;

for (const { when, frames, copied, isDue } of [
  { when: 'a short one is let grow', frames: 99, copied: 0, isDue: false },
  { when: 'a long one is copied', frames: 100, copied: 0, isDue: true },
  { when: 'one that is copied but for a little cannot begin anew yet', frames: 100, copied: 99, isDue: true },
  { when: 'one that is all copied begins anew by itself', frames: 100, copied: 100, isDue: false },
]) {
  test(`of logs, ${when}`, () => assert.equal(isCheckpointDue({ frames, copied }, framesMax), isDue));
}

test('an SQLite that cannot tell the length of its log is let alone', () => {
  assert.deepEqual(['3.49.1', '3.51.0', '3.53.4', '4.0.0', '0'].map(knowsLogLength), [false, true, true, true, false]);
});

/** A database whose log is copied beside, and what to end. */
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

/** Of the file: as long as the log ever was. */
const framesOf = (file: string): number => statSync(`${file}-wal`).size / frameBytes;

/** Since the log began anew. */
function usedFramesOf(file: string): number {
  const asking = new DatabaseSync(file);
  const row = asking.prepare('pragma wal_checkpoint(NOOP)').get();
  asking.close();
  return Number(row?.['log']);
}

/** A thread that does as the script says with `order`. */
const threadOf = (script: string): URL =>
  new URL(`data:text/javascript,${encodeURIComponent(`import { parentPort as port } from 'node:worker_threads'; ${script}`)}`);

describe('a log that is copied beside', () => {
  test('begins anew again and again under writers that never rest', async () => {
    const { file, failures, database, close } = await opened('writers');
    await Promise.all(['a', 'b', 'c', 'd'].map((prefix) => writeMany(database, 1000, prefix)));
    assert.ok(framesOf(file) < 6 * framesMax, `${framesOf(file)} frames`);
    assert.deepEqual(failures, []);
    await close();
  });

  test('begins anew too where somebody always reads, each for a moment', async () => {
    const { file, failures, database, close } = await opened('readers');
    let isWriting = true;
    const reading = async (): Promise<void> => {
      let last = begin(file);
      while (isWriting) {
        const next = begin(file); // before the last one has ended
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

  test('grows while somebody reads for long, loses nothing, and begins anew afterwards', async () => {
    const clock = new VirtualClock();
    const { file, database, close } = await opened('long', { clock });
    const reader = begin(file);
    await writeMany(database, 300, 'meanwhile');
    assert.ok(framesOf(file) > 2 * framesMax);
    reader.close();
    clock.advance(10_000);
    let written = 300;
    while (usedFramesOf(file) >= framesMax) await write(database, `afterwards${written++}`);
    const { n } = await database.db
      .selectFrom('s3_buckets')
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow();
    assert.equal(n, written);
    await close();
  });

  test('is gone after a clean end, and all of it is in the file', async () => {
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
  test(`${what} is told and tried again, and nobody who writes is troubled`, async () => {
    const clock = new VirtualClock();
    const told = [Promise.withResolvers<unknown>(), Promise.withResolvers<unknown>()] as const;
    let failures = 0;
    const threadUrl = threadOf(`port.on('message', ({ mode }) => mode === 'close' ? port.postMessage({ isWhole: true }) : (${script}))`);
    const { file, database, close } = await opened(what.replaceAll(' ', '-'), {
      checkpointer: new Checkpointer({ threadUrl }),
      clock,
      onFailure: (error) => told[failures++]?.resolve(error),
    });
    await writeMany(database, 120);
    assert.match(String(await told[0].promise), says);
    await writeMany(database, 60, 'meanwhile');
    clock.advance(1000);
    assert.match(String(await told[1].promise), says);
    await close();
    const reader = begin(file);
    assert.equal(reader.prepare('select count(*) as n from s3_buckets').get()?.['n'], 180);
    reader.close();
  });
}

test('a database that may not grow is told and tried again; when it may, the log begins anew', { skip: noLimit }, async () => {
  const clock = new VirtualClock();
  const told = Promise.withResolvers<unknown>();
  const large = 'x'.repeat(2000);
  const before = await opened('limited');
  await writeMany(before.database, 400, large);
  await before.close();
  const { file, database, close } = await opened('limited', { clock, onFailure: told.resolve });
  limitFiles(String(statSync(file).size));
  await writeMany(database, 40, `more-${large}`);
  assert.match(String(await told.promise), /cannot copy .*disk is full/);
  limitFiles('unlimited');
  clock.advance(1000);
  let written = 440;
  while (usedFramesOf(file) >= framesMax) await write(database, `after${written++}`);
  await close();
  const reader = begin(file);
  assert.equal(reader.prepare('select count(*) as n from s3_buckets').get()?.['n'], written);
  reader.close();
});

describe('a process that has nothing else to do', () => {
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

  test('closes the database to the end', () => {
    const script = `${twenty} await close(); await checkpointer.close(); process.stdout.write('closed');`;
    assert.deepEqual(ending('closing', script), { status: 0, stdout: 'closed', hasLog: false });
  });

  test('waits for what it asked of the thread, which may have to wait for the disk', () => {
    const slowDisk = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)';
    const threadUrl = threadOf(`port.on('message', () => { ${slowDisk}; port.postMessage({ isWhole: true }); })`);
    const script = `const slow = new Checkpointer({ threadUrl: new URL(${JSON.stringify(threadUrl)}) });
      for (const mode of ['PASSIVE', 'RESTART']) process.stdout.write(mode + (await slow.checkpoint(file, mode)) + ' ');`;
    assert.deepEqual(ending('waiting', script), { status: 0, stdout: 'PASSIVEtrue RESTARTtrue ', hasLog: false });
  });

  test('ends, though nobody ends the thread', () => {
    const script = `${twenty} process.stdout.write(String(await checkpointer.checkpoint(file, 'PASSIVE')));`;
    assert.deepEqual(ending('leaving', script), { status: 0, stdout: 'true', hasLog: false });
  });
});

test('kill -9 while it is copied loses nothing that was acknowledged', async () => {
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
    const kept = new Set(
      reader
        .prepare('select name from s3_buckets')
        .all()
        .map(({ name }) => name),
    );
    assert.deepEqual(
      acknowledged.filter((name) => !kept.has(name)),
      [],
    );
    assert.equal(reader.prepare('pragma integrity_check').get()?.['integrity_check'], 'ok');
    reader.close();
  }
});

/** What a process begins with that opens the database, and copies its log nearly always. */
function opening(file: string): string {
  const from = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  return `
    import { SystemClock } from ${from('../clock.ts')};
    import { Checkpointer } from ${from('./checkpointer.ts')};
    import { openDatabase } from ${from('./database.ts')};
    import { inSharedTransaction } from ${from('./shared-transactions.ts')};
    const file = ${JSON.stringify(file)};
    const checkpointer = new Checkpointer();
    const checkpoints = { checkpointer, clock: new SystemClock(), onFailure: (error) => console.error(error), framesMax: 5 };
    const { db, close } = await openDatabase({ file, synchronous: 'FULL', checkpoints }, ['state']);
    const write = (name) => inSharedTransaction(db, (tx) => tx.insertInto('s3_buckets').values({ name, created_at: 1 }).execute());
  `;
}

/** A script that writes for ever, and says what was acknowledged. */
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

/** For this process, in bytes: writing beyond it fails. */
function limitFiles(bytes: string): void {
  assert.equal(spawnSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]).status, 0);
}

/** Another connection that reads what there is now, until it is closed. */
function begin(file: string): DatabaseSync {
  const reader = new DatabaseSync(file);
  reader.exec('begin; select count(*) from s3_buckets');
  return reader;
}
