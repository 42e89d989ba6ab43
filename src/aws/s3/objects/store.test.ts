import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { openFileDatabase, openMemoryDatabase } from '../../../../test/empty-database.ts';
import { until } from '../../../../test/end-to-end/poll.ts';
import { openPglite } from '../../../../test/pglite.ts';
import { startPostgres, whyNoPostgres } from '../../../../test/postgres-server.ts';
import { VirtualClock } from '../../../clock.ts';
import { openLogs } from '../../../logs/index.ts';
import { ConnectionLost, FileObjectStore, type OpenDatabase, openDatabase } from '../../../storage/index.ts';
import { S3Store } from './store.ts';
import { partBytesMin } from './uploads.ts';

const md5 = (...chunks: Uint8Array[]): string => createHash('md5').update(Buffer.concat(chunks)).digest('hex');
const log = openLogs(null, 'silent').platform;

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-s3-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

async function filesBelow(root: string): Promise<number> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).length;
}

function storeContract(name: string, open: () => Promise<OpenDatabase>): void {
  describe(`the S3 store on ${name}`, () => {
    const clock = new VirtualClock(1_000_000);
    let opened: OpenDatabase;
    let store: S3Store;
    let root = '';
    let count = 0;
    let bucket = '';
    const textOf = async (key: string, from = bucket): Promise<string | undefined> => {
      const object = await store.open(from, key);
      return object === null ? undefined : String(await buffer(object.stream()));
    };
    const freshBucket = async (): Promise<string> => (await store.createBucket(`bucket-${count++}`)).name;

    before(async () => {
      opened = await open();
      root = join(directory, name);
      store = new S3Store({
        db: opened.db,
        files: new FileObjectStore(root),
        clock,
        log,
        objectBytesMax: 40 * 2 ** 20,
        contentBytesMax: 0,
      });
    });
    after(async () => opened?.close());

    /** Each test has its own bucket and must leave no file behind. */
    const check = (title: string, run: () => Promise<void>): void => {
      test(title, async () => {
        bucket = await freshBucket();
        await run();
        for (const each of await store.buckets()) {
          const { objects } = await store.list(each.name, { itemsMax: 1000 });
          for (const { key } of objects) await store.delete(each.name, key);
          await store.deleteBucket(each.name);
        }
        await until('no file remains', async () => (await filesBelow(root)) === 0);
      });
    };

    check('returns an object with its headers, whole or a range', async () => {
      const bytes = randomBytes(700_000);
      const headers = { contentType: 'text/csv', cacheControl: 'no-store', metadata: { made: 'by hand' } };
      const put = await store.put(bucket, 'a/b.csv', Readable.from([bytes.subarray(0, 5), bytes.subarray(5)]), {
        headers,
        checksums: () => ({ crc32: 'NhCmhg==' }),
      });
      assert.equal(put.etag, md5(bytes));
      const object = await store.open(bucket, 'a/b.csv');
      assert(object !== null);
      assert.deepEqual(await buffer(object.stream()), bytes);
      assert.equal(object.bytes, bytes.length);
      assert.deepEqual(object.headers, headers);
      assert.deepEqual(object.checksums, { crc32: 'NhCmhg==' });
      assert.equal(object.modifiedAtMs, clock.wallMs());
      const again = await store.open(bucket, 'a/b.csv');
      assert.deepEqual(await buffer(again?.stream({ start: 1000, end: 300_000 }) ?? Readable.from([])), bytes.subarray(1000, 300_000));
      assert.equal((await store.head(bucket, 'a/b.csv'))?.contentType, 'text/csv');
    });

    check('returns null for unknown objects and buckets', async () => {
      assert.equal(await store.open(bucket, 'nothing'), null);
      assert.equal(await store.head('no-such-bucket', 'nothing'), null);
      await assert.rejects(store.put('no-such-bucket', 'k', Buffer.from('x')), { code: 'NoSuchBucket', httpStatus: 404 });
      await assert.rejects(store.list('no-such-bucket', { itemsMax: 1 }), { code: 'NoSuchBucket' });
      await assert.rejects(store.delete('no-such-bucket', 'k'), { code: 'NoSuchBucket' });
      await assert.rejects(store.copy({ bucket, key: 'nothing' }, { bucket, key: 'b' }), { code: 'NoSuchKey' });
      assert.equal(await store.delete(bucket, 'nothing'), false);
    });

    check('retains the file after a commit of unknown outcome, because its row may still appear', async () => {
      const bytes = Buffer.from('of unknown outcome');
      const lost = new ConnectionLost(new Error('reset'), true);
      await assert.rejects(store.put(bucket, 'k', bytes, { transactionHook: () => Promise.reject(lost) }), lost);
      assert.equal(await filesBelow(root), 1);
      const refused = new Error('refused');
      await assert.rejects(store.put(bucket, 'k', bytes, { transactionHook: () => Promise.reject(refused) }), refused);
      assert.equal(await filesBelow(root), 0);
    });

    check('a key is not a path and may be any UTF-8', async () => {
      const keys = ['../../etc/passwd', '/', '//', 'a\\b', "( ) ' ~ + ü 🌊", '\u0001\n', 'a/../b', ' ', '%2F', '.'];
      for (const key of keys) await store.put(bucket, key, Buffer.from(key));
      for (const key of keys) assert.equal(await textOf(key), key);
      await assert.rejects(store.put(bucket, 'k'.repeat(1025), Buffer.from('')), { code: 'KeyTooLongError' });
      await assert.rejects(store.put(bucket, 'ü'.repeat(513), Buffer.from('')), { code: 'KeyTooLongError' });
      await store.put(bucket, 'ü'.repeat(512), Buffer.from(''));
      for (const key of ['', '\0', '\ud800']) await assert.rejects(store.put(bucket, key, Buffer.from('')), { code: 'InvalidArgument' });
    });

    check('the last writer wins, and the overwritten file is removed', async () => {
      await store.put(bucket, 'k', Buffer.from('first'));
      await store.put(bucket, 'k', Buffer.from('second'));
      assert.equal(await textOf('k'), 'second');
      assert.equal(await filesBelow(root), 1);
    });

    check('concurrent writers of one key leave one object and one file', async () => {
      await Promise.all(Array.from({ length: 12 }, (_, i) => store.put(bucket, 'k', Buffer.from(`writer ${i}`))));
      assert.match((await textOf('k')) ?? '', /^writer \d+$/);
      assert.equal(await filesBelow(root), 1);
    });

    check('keys with the same bytes share a file, which is removed with the last of them', async () => {
      await Promise.all(['a', 'b', 'c'].map((key) => store.put(bucket, key, Buffer.from('the same'))));
      assert.equal(await filesBelow(root), 1);
      await Promise.all([store.delete(bucket, 'a'), store.put(bucket, 'b', Buffer.from('another'))]);
      assert.equal(await textOf('c'), 'the same');
    });

    check('concurrent puts and deletes of the same bytes never lose an object that was put last', async () => {
      for (let round = 0; round < 15; round++) {
        await store.put(bucket, 'other', Buffer.from('shared'));
        await Promise.all([store.delete(bucket, 'other'), store.put(bucket, 'kept', Buffer.from('shared'))]);
        assert.equal(await textOf('kept'), 'shared');
      }
    });

    check('a reader reads its object to the end, whatever is put or deleted meanwhile', async () => {
      const bytes = randomBytes(900_000);
      await store.put(bucket, 'k', bytes);
      const reader = await store.open(bucket, 'k');
      await store.put(bucket, 'k', Buffer.from('new'));
      await store.delete(bucket, 'k');
      assert(reader !== null);
      assert.equal(await filesBelow(root), 1);
      assert.deepEqual(await buffer(reader.stream()), bytes);
    });

    check('a reader that disconnects releases the file', async () => {
      await store.put(bucket, 'k', randomBytes(900_000));
      const [first, second] = [await store.open(bucket, 'k'), await store.open(bucket, 'k')];
      await store.delete(bucket, 'k');
      first?.close();
      const stream = second?.stream();
      await new Promise((resolve) => stream?.once('close', resolve).once('readable', () => stream.destroy()));
    });

    check('a body that fails is never published and leaves the previous object unchanged', async () => {
      await store.put(bucket, 'k', Buffer.from('before'));
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('half');
        throw new Error('the checksum is wrong');
      }
      await assert.rejects(store.put(bucket, 'k', broken()), /the checksum is wrong/);
      await assert.rejects(store.put(bucket, 'k', Buffer.alloc(40 * 2 ** 20 + 1)), { code: 'EntityTooLarge' });
      assert.equal(await textOf('k'), 'before');
      assert.equal(await filesBelow(root), 1);
    });

    check('a condition is evaluated atomically with the write', async () => {
      const both = await Promise.allSettled(
        ['one', 'two'].map((text) => store.put(bucket, 'k', Buffer.from(text), { condition: { absent: true } })),
      );
      assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
      const { etag } = (await store.head(bucket, 'k')) ?? assert.fail();
      await assert.rejects(store.put(bucket, 'k', Buffer.from('3'), { condition: { etags: ['0'.repeat(32)] } }), {
        code: 'PreconditionFailed',
      });
      await store.put(bucket, 'k', Buffer.from('3'), { condition: { etags: [etag] } });
      await assert.rejects(store.put(bucket, 'new', Buffer.from('3'), { condition: { etags: '*' } }), { code: 'NoSuchKey' });
      assert.equal(await textOf('k'), '3');
    });

    check('a copy shares the bytes and may have its own headers', async () => {
      await store.put(bucket, 'a', Buffer.from('bytes'), { headers: { contentType: 'text/plain' } });
      const other = await freshBucket();
      await store.copy({ bucket, key: 'a' }, { bucket: other, key: 'b' });
      const copied = await store.copy({ bucket, key: 'a' }, { bucket, key: 'a' }, { headers: { metadata: { x: 'y' } } });
      assert.deepEqual(copied.headers, { metadata: { x: 'y' } });
      assert.equal((await store.head(other, 'b'))?.contentType, 'text/plain');
      assert.equal(await filesBelow(root), 1);
      await store.delete(bucket, 'a');
      assert.equal(await textOf('b', other), 'bytes');
      await assert.rejects(store.copy({ bucket: other, key: 'b' }, { bucket: 'no-such-bucket', key: 'b' }), { code: 'NoSuchBucket' });
    });

    check('a bucket is created once and deleted only when empty', async () => {
      await assert.rejects(store.createBucket(bucket), { code: 'BucketAlreadyOwnedByYou', httpStatus: 409 });
      await store.put(bucket, 'k', Buffer.from('x'));
      await store.uploads.create(bucket, 'begun', {});
      await assert.rejects(store.deleteBucket(bucket), { code: 'BucketNotEmpty' });
      assert.equal((await store.uploads.list(bucket, '', { key: '', id: '' }, 10)).length, 1);
      await assert.rejects(store.deleteBucket('no-such-bucket'), { code: 'NoSuchBucket' });
      for (const bad of ['ab', 'A-b', '-abc', 'a..b', '10.0.0.1', 'a'.repeat(64), 'a_b', '../x']) {
        await assert.rejects(store.createBucket(bad), { code: 'InvalidBucketName' }, bad);
      }
    });

    check('a multipart upload becomes one object, with parts ordered by number', async () => {
      const parts = [randomBytes(partBytesMin), randomBytes(partBytesMin), Buffer.from('the last')] as const;
      const upload = await store.uploads.create(bucket, 'big', { contentType: 'x/y' });
      await store.uploads.putPart(upload, 5, parts[2]);
      await store.uploads.putPart(upload, 1, randomBytes(1000));
      await store.uploads.putPart(upload, 3, parts[1]);
      await store.uploads.putPart(upload, 7, Buffer.from('not chosen'));
      await store.uploads.putPart(upload, 1, parts[0]);
      assert.deepEqual(
        (await store.uploads.parts(upload, 1, 2)).map(({ position }) => position),
        [3, 5],
      );
      assert.equal(await store.open(bucket, 'big'), null);
      const chosen = [1, 3, 5].map((number, i) => ({ number, etag: md5(parts[i] as Buffer), checksums: {} }));
      const object = await store.uploads.complete(upload, chosen);
      const digests = parts.map((part) => Buffer.from(md5(part), 'hex'));
      assert.equal(object.etag, `${md5(...digests)}-3`);
      assert.equal(object.contentType, 'x/y');
      assert.deepEqual(await store.uploads.complete(upload, chosen), object); // A retry after a lost response.
      assert.equal(await filesBelow(root), 3);
      const whole = Buffer.concat(parts);
      const read = async (start: number, end: number) =>
        buffer((await store.open(bucket, 'big'))?.stream({ start, end }) ?? Readable.from([]));
      assert.deepEqual(await read(0, whole.length), whole);
      assert.deepEqual(await read(partBytesMin - 3, 2 * partBytesMin + 4), whole.subarray(partBytesMin - 3, 2 * partBytesMin + 4));
      await store.copy({ bucket, key: 'big' }, { bucket, key: 'copy' });
      await store.delete(bucket, 'big');
      assert.deepEqual(await buffer((await store.open(bucket, 'copy'))?.stream() ?? Readable.from([])), whole);
      await assert.rejects(store.uploads.complete(upload, chosen), { code: 'NoSuchUpload' });
    });

    check('an upload with invalid parts is rejected and can still be completed', async () => {
      const upload = await store.uploads.create(bucket, 'k', {});
      const small = Buffer.from('small');
      for (const number of [1, 2]) await store.uploads.putPart(upload, number, small);
      const part = (number: number, etag = md5(small), checksums = {}) => ({ number, etag, checksums });
      const complete = (...chosen: ReturnType<typeof part>[]) => store.uploads.complete(upload, chosen);
      await assert.rejects(complete(part(2), part(1)), { code: 'InvalidPartOrder' });
      await assert.rejects(complete(part(1), part(1)), { code: 'InvalidPartOrder' });
      await assert.rejects(complete(part(1), part(3)), { code: 'InvalidPart' });
      await assert.rejects(complete(part(1, md5(Buffer.from('other')))), { code: 'InvalidPart' });
      await assert.rejects(complete(part(1), part(2)), { code: 'EntityTooSmall' });
      await assert.rejects(store.uploads.complete({ ...upload, key: 'other' }, [part(1)]), { code: 'NoSuchUpload' });
      await assert.rejects(store.uploads.putPart({ ...upload, bucket: 'other' }, 1, small), { code: 'NoSuchUpload' });
      await complete(part(2));
      assert.equal(await textOf('k'), 'small');
    });

    check('an aborted upload, or one abandoned for a week, leaves nothing behind', async () => {
      const upload = await store.uploads.create(bucket, 'k', {});
      await store.uploads.putPart(upload, 1, Buffer.from('part'));
      await store.uploads.abort(upload);
      await assert.rejects(store.uploads.abort(upload), { code: 'NoSuchUpload' });
      await assert.rejects(store.uploads.putPart(upload, 1, Buffer.from('late')), { code: 'NoSuchUpload' });
      assert.equal(await filesBelow(root), 0);
      const forgotten = await store.uploads.create(bucket, 'k', {});
      await store.uploads.putPart(forgotten, 1, Buffer.from('part'));
      clock.advance(8 * 24 * 3600 * 1000);
      await store.uploads.create(bucket, 'k2', {});
      await assert.rejects(store.uploads.find(forgotten), { code: 'NoSuchUpload' });
    });

    check('parts that arrive during completion or abortion leave no file behind', async () => {
      for (let round = 0; round < 8; round++) {
        const upload = await store.uploads.create(bucket, 'k', {});
        const one = Buffer.from(`part ${round}`);
        await store.uploads.putPart(upload, 1, one);
        await Promise.allSettled([
          store.uploads.putPart(upload, 2, Buffer.from('two')),
          round % 2 === 0 ? store.uploads.complete(upload, [{ number: 1, etag: md5(one), checksums: {} }]) : store.uploads.abort(upload),
          store.uploads.putPart(upload, 3, Buffer.from('three')),
        ]);
        await store.uploads.abort(upload).catch(() => undefined);
      }
      assert.equal(await textOf('k'), 'part 6');
    });
  });
}

test('small contents are stored inline without a visible difference', async () => {
  const root = join(directory, 'few');
  const { db, close } = await openMemoryDatabase();
  const store = new S3Store({ db, files: new FileObjectStore(root), clock: new VirtualClock(), log, contentBytesMax: 10 });
  await store.createBucket('bucket');
  const read = async (key: string, range?: { start: number; end: number }) =>
    String(await buffer((await store.open('bucket', key))?.stream(range) ?? Readable.from(['nothing'])));
  const chunks = async function* (...texts: string[]): AsyncGenerator<Buffer> {
    for (const text of texts) yield Buffer.from(text);
  };
  const few = await store.put('bucket', 'few', chunks('01234', '56789'));
  const many = await store.put('bucket', 'many', chunks('01234', '567890', 'a'));
  assert.deepEqual(
    [few.etag, few.bytes, many.etag, many.bytes],
    [md5(Buffer.from('0123456789')), 10, md5(Buffer.from('01234567890a')), 12],
  );
  assert.equal(await filesBelow(root), 1);
  assert.deepEqual([await read('few'), await read('many'), await read('few', { start: 2, end: 5 })], ['0123456789', '01234567890a', '234']);
  await store.copy({ bucket: 'bucket', key: 'few' }, { bucket: 'bucket', key: 'copied' });
  await store.put('bucket', 'few', Buffer.alloc(0));
  assert.deepEqual([await read('copied'), await read('few')], ['0123456789', '']);
  await store.put('bucket', 'many', Buffer.from('now few'));
  assert.equal(await read('many'), 'now few');
  assert.equal(await filesBelow(root), 0);
  await close();
});

test('a full database rejects a write completely and retains existing objects', async () => {
  const root = join(directory, 'full');
  const { db, close } = await openFileDatabase(join(directory, 'full.db'));
  const store = new S3Store({ db, files: new FileObjectStore(root), clock: new VirtualClock(), log, contentBytesMax: 0 });
  await store.createBucket('bucket');
  await store.put('bucket', 'kept', Buffer.from('before'));
  const pages = await sql<{ page_count: number }>`pragma page_count`.execute(db);
  await sql.raw(`pragma max_page_count = ${(pages.rows[0]?.page_count ?? 0) + 2}`).execute(db);
  const headers = { metadata: { long: 'x'.repeat(200_000) } };
  await assert.rejects(store.put('bucket', 'kept', Buffer.from('after'), { headers }), { code: 'unavailable', message: /disk is full/ });
  await assert.rejects(store.uploads.create('bucket', 'kept', headers), { code: 'unavailable' });
  assert.equal(String(await buffer((await store.open('bucket', 'kept'))?.stream() ?? Readable.from([]))), 'before');
  await until('no file is orphaned', async () => (await filesBelow(root)) === 1);
  await store.put('bucket', 'small', Buffer.from('fits'));
  await close();
});

storeContract('SQLite', () => openFileDatabase(join(directory, 'state.db')));
storeContract('PGlite', openPglite);

describe('with a real PostgreSQL', { skip: whyNoPostgres() }, () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-postgres-')));
  });
  after(async () => server?.stop());
  storeContract('PostgreSQL', () => openDatabase({ url: server.url }));
});
