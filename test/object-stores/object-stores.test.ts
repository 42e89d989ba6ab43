/** All object stores under one contract: a folder, PostgreSQL, and our own S3. `moto.test.ts` has one by other people. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { S3Service, S3Store } from '../../src/aws/index.ts';
import { SystemClock } from '../../src/clock.ts';
import { openLogs } from '../../src/logs/index.ts';
import { FileObjectStore, type OpenDatabase } from '../../src/storage/index.ts';
import { objectStoreContract, remoteStoreContract } from '../../src/storage/objects/object-store-contract.test.ts';
import { PostgresBlobs } from '../../src/storage/objects/postgres-blobs.ts';
import { S3Blobs, type S3BlobsOptions } from '../../src/storage/objects/s3-blobs.ts';
import { type AwsRouterFixture, openAwsRouter } from '../aws-router-fixture.ts';
import { openMemoryDatabase } from '../empty-database.ts';
import { openPglite } from '../pglite.ts';
import { TcpProxy } from '../tcp-proxy.ts';

const clock = new SystemClock();
let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-stores-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

objectStoreContract('a folder', async () => new FileObjectStore(join(directory, 'objects')));

describe('PostgreSQL', () => {
  let database: OpenDatabase;
  before(async () => {
    database = await openPglite();
  });
  after(async () => database?.close());

  remoteStoreContract('PostgreSQL', async () => new PostgresBlobs(database.db, 'postgres://h/d', clock));

  test('parts of an upload that never ended are deleted after a while', async () => {
    const { db } = database;
    await db
      .insertInto('object_chunks')
      .values({ upload: 'u', position: 0, content: randomBytes(10), stored_at: 1000 })
      .execute();
    const blobs = new PostgresBlobs(db, 'postgres://h/d', clock);
    const countOf = async (): Promise<number> =>
      (await db.selectFrom('object_chunks').select('upload').where('upload', '=', 'u').execute()).length;
    await blobs.sweepUploads(1000);
    assert.equal(await countOf(), 1);
    await blobs.sweepUploads(1001);
    assert.equal(await countOf(), 0);
  });

  test('rejects what is too large for a database, and says what to do', async () => {
    const blobs = new PostgresBlobs(database.db, 'postgres://h/d', clock);
    await assert.rejects(blobs.write('k', { bytes: 2 ** 30 + 1, content: { file: '/nothing' } }), {
      code: 'too_large',
      message: /--objects s3:/,
    });
  });
});

describe("Penstock's own S3", () => {
  let router: AwsRouterFixture;
  let database: OpenDatabase;
  before(async () => {
    database = await openMemoryDatabase();
    const store = new S3Store({
      db: database.db,
      files: new FileObjectStore(join(directory, 's3')),
      clock,
      log: openLogs(null, 'silent').platform,
    });
    router = await openAwsRouter({ streams: [new S3Service(store)] });
    await store.createBucket('models');
  });
  after(async () => {
    await router?.close();
    await database?.close();
  });

  const open = (prefix: string, options: S3BlobsOptions = {}, endpoint = router.url): Promise<S3Blobs> => {
    const { credentials } = router.client;
    return S3Blobs.open({ bucket: 'models', prefix, endpoint, region: null }, clock, { credentials, ...options });
  };

  remoteStoreContract('S3', () => open('prod/a b', { partBytes: 5 * 2 ** 20, pageKeys: 5 }));

  test('parts of an upload that never ended are aborted after a while', async () => {
    const { CreateMultipartUploadCommand, ListMultipartUploadsCommand, S3Client } = await import('@aws-sdk/client-s3');
    const client = new S3Client({ ...router.client, forcePathStyle: true });
    await client.send(new CreateMultipartUploadCommand({ Bucket: 'models', Key: 'swept/objects/sha256/x' }));
    const uploads = async (): Promise<number> =>
      (await client.send(new ListMultipartUploadsCommand({ Bucket: 'models' }))).Uploads?.length ?? 0;
    const blobs = await open('swept');
    await blobs.sweepUploads(Date.now() - 60_000);
    assert.equal(await uploads(), 1);
    await (await open('other')).sweepUploads(Date.now() + 60_000);
    assert.equal(await uploads(), 1, 'not those of others');
    await blobs.sweepUploads(Date.now() + 60_000);
    assert.equal(await uploads(), 0);
    client.destroy();
  });

  test('a download goes on where its connection broke, and a store that hangs is given up', async () => {
    const proxy = await TcpProxy.start(Number(new URL(router.url).port));
    try {
      const through = `http://127.0.0.1:${proxy.port}`;
      const blobs = await open('cut', {}, through);
      const content = randomBytes(8 * 2 ** 20);
      await blobs.write('k', { content, bytes: content.length });
      const chunks: Buffer[] = [];
      let [cuts, length] = [0, 0];
      for await (const chunk of blobs.read('k', 0, content.length)) {
        chunks.push(chunk);
        length += chunk.length;
        if (length > (cuts + 1) * 2 ** 21 && cuts < 2) {
          cuts++;
          proxy.cut();
        }
      }
      assert.equal(cuts, 2);
      assert(Buffer.concat(chunks).equals(content));
      proxy.hang();
      const impatient = await open('cut', { silenceMs: 100 }, through);
      await assert.rejects(impatient.sizeOf('k'), { code: 'unavailable', retryAfterMs: 5000 });
      await assert.rejects(impatient.write('k', { content: Buffer.from('x'), bytes: 1 }), { code: 'unavailable' });
    } finally {
      proxy.close();
    }
  });

  for (const [what, message, change] of [
    ['the wrong secret', /it rejected the credentials: check AWS_ACCESS_KEY_ID/, { secret: 'wrong' }],
    ['a bucket that does not exist', /the bucket does not exist: create it/, { bucket: 'nothing-here' }],
    ['a store that is away', /ECONNREFUSED.*Check that the store is running and reachable/s, { endpoint: 'http://127.0.0.1:9' }],
  ] as const) {
    test(`${what} is reported as unavailable, with what to do and when to retry`, async () => {
      const {
        secret = router.key.secret,
        bucket = 'models',
        endpoint = router.url,
      } = change as { readonly secret?: string; readonly bucket?: string; readonly endpoint?: string };
      const credentials = { accessKeyId: router.key.id, secretAccessKey: secret };
      const blobs = await S3Blobs.open({ bucket, prefix: '', endpoint, region: null }, clock, { credentials });
      const isClear = (error: { readonly code: string; readonly message: string; readonly retryAfterMs: number }): boolean => {
        assert.match(error.message, message);
        return error.code === 'unavailable' && error.retryAfterMs === 5000;
      };
      await assert.rejects(blobs.write('k', { content: Buffer.from('x'), bytes: 1 }), isClear);
      await assert.rejects(async () => {
        for await (const _ of blobs.list('')) assert.fail('nothing can be listed');
      }, isClear);
    });
  }
});
