/** S3 called by AWS's own clients: large objects, unusual keys, listings, presigned URLs, errors. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import type { LookupFunction } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { modelPath } from '../../models/index.ts';
import { AwsFixture, region } from './aws-fixture.ts';
import { generations } from './environments.ts';

const megabyte = 2 ** 20;
const oddKeys = [
  "a b+ü(1)'~.txt",
  '../../etc/passwd',
  '//',
  'emoji 🌊',
  'percent%20',
  'tab\there',
  'a&b<c>"d\'',
  '\u0001control',
  '\ue000',
  '🌊',
];

describe('s3', { timeout: 500_000 }, () => {
  let fixture: AwsFixture;
  let directory = '';
  let big = '';
  const bucket = 'javascript';

  before(async () => {
    fixture = await AwsFixture.open();
    directory = mkdtempSync(join(tmpdir(), 'penstock-compat-s3-'));
    big = join(directory, 'big.bin');
    writeFileSync(big, randomBytes(20 * megabyte + 12_345));
    await fixture.s3.send(new CreateBucketCommand({ Bucket: bucket }));
  });
  after(async () => {
    await fixture?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function read(key: string, more: object = {}): Promise<Buffer> {
    const { Body } = await fixture.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...more }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  test('JavaScript: uploads 20 MB in parts from a stream and downloads them', async () => {
    const bytes = readFileSync(big);
    const Body = Readable.from(Array.from({ length: 21 }, (_, i) => bytes.subarray(i * megabyte, (i + 1) * megabyte)));
    const upload = new Upload({
      client: fixture.s3,
      params: { Bucket: bucket, Key: 'big', Body, Metadata: { a: 'b' } },
      partSize: 6 * megabyte,
    });
    const { ETag, Key } = await upload.done();
    const parts = [0, 1, 2, 3].map((i) =>
      createHash('md5')
        .update(bytes.subarray(i * 6 * megabyte, (i + 1) * 6 * megabyte))
        .digest(),
    );
    assert.equal(ETag, `"${createHash('md5').update(Buffer.concat(parts)).digest('hex')}-4"`);
    assert.equal(Key, 'big');
    assert.deepEqual(await read('big'), bytes);
    assert.deepEqual(await read('big', { Range: 'bytes=6291450-6291470' }), bytes.subarray(6291450, 6291471));
    const head = await fixture.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'big' }));
    assert.deepEqual([head.ContentLength, head.Metadata], [bytes.length, { a: 'b' }]);
  });

  test('JavaScript: stores a stream with its trailing checksum, without the aws-chunked encoding', async () => {
    const put = await fixture.s3.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: 'stream',
        Body: Readable.from([Buffer.from('hel'), Buffer.from('lo')]),
        ContentLength: 5,
      }),
    );
    assert.equal(put.ChecksumCRC32, 'NhCmhg==');
    const got = await fixture.s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'stream', ChecksumMode: 'ENABLED' }));
    assert.equal(await got.Body?.transformToString(), 'hello');
    assert.deepEqual([got.ChecksumCRC32, got.ContentEncoding], ['NhCmhg==', undefined]);
  });

  test('JavaScript: accepts any keys and lists them in the order of their bytes', async () => {
    for (const key of oddKeys) await fixture.s3.send(new PutObjectCommand({ Bucket: bucket, Key: `odd/${key}`, Body: key }));
    for (const key of oddKeys) assert.equal(String(await read(`odd/${key}`)), key);
    const expected = oddKeys.map((key) => `odd/${key}`).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const listed = await fixture.s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'odd/' }));
    assert.deepEqual(
      listed.Contents?.map(({ Key }) => Key),
      expected,
    );
    const source = encodeURIComponent(`${bucket}/odd/${oddKeys[0]}`);
    const copied = await fixture.s3.send(new CopyObjectCommand({ Bucket: bucket, Key: 'copy', CopySource: source }));
    assert.match(copied.CopyObjectResult?.ETag ?? '', /^"[0-9a-f]{32}"$/);
    const objects = oddKeys.map((key) => ({ Key: `odd/${key}` }));
    const deleted = await fixture.s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects } }));
    assert.deepEqual([deleted.Deleted?.length, deleted.Errors], [oddKeys.length, undefined]);
  });

  test('JavaScript: lists more than 250 objects in pages', async () => {
    const keys = Array.from({ length: 260 }, (_, i) => `pages/${String(i).padStart(4, '0')}`);
    await Promise.all(keys.map((Key) => fixture.s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))));
    const found: (string | undefined)[] = [];
    const pages = paginateListObjectsV2({ client: fixture.s3, pageSize: 100 }, { Bucket: bucket, Prefix: 'pages/' });
    for await (const { Contents = [] } of pages) found.push(...Contents.map(({ Key }) => Key));
    assert.deepEqual(found, keys);
  });

  test('JavaScript: presigned URLs put and get objects', async () => {
    const put = await getSignedUrl(fixture.s3, new PutObjectCommand({ Bucket: bucket, Key: 'signed ü' }), { expiresIn: 60 });
    assert.equal((await fetch(put, { method: 'PUT', body: 'by URL' })).status, 200);
    const url = await getSignedUrl(fixture.s3, new GetObjectCommand({ Bucket: bucket, Key: 'signed ü', ResponseContentType: 'text/html' }));
    const answer = await fetch(url);
    assert.deepEqual([await answer.text(), answer.headers.get('content-type')], ['by URL', 'text/html']);
    // The console has the same origin, so a page from a bucket must not run scripts.
    assert.equal(answer.headers.get('content-security-policy'), 'sandbox');
    assert.equal((await fetch(url.replace('signed', 'stream'))).status, 403);
  });

  test('JavaScript: errors have their names', async () => {
    const get = (key: string, more: object = {}) => fixture.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...more }));
    await assert.rejects(get('absent'), { name: 'NoSuchKey' });
    await assert.rejects(get('stream', { Range: 'bytes=5-' }), { name: 'InvalidRange' });
    await assert.rejects(fixture.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'absent' })), { name: 'NotFound' });
    await assert.rejects(fixture.s3.send(new ListObjectsV2Command({ Bucket: 'no-such-bucket' })), { name: 'NoSuchBucket' });
    await assert.rejects(fixture.s3.send(new CreateBucketCommand({ Bucket: bucket })), { name: 'BucketAlreadyOwnedByYou' });
    await assert.rejects(fixture.s3.send(new DeleteBucketCommand({ Bucket: bucket })), { name: 'BucketNotEmpty' });
    const stranger = new S3Client({
      endpoint: fixture.server.url,
      region,
      credentials: { accessKeyId: 'AKIANOBODY', secretAccessKey: 'x' },
    });
    await assert.rejects(stranger.send(new ListObjectsV2Command({ Bucket: bucket })), { name: 'InvalidAccessKeyId' });
    stranger.destroy();
  });

  test('JavaScript: the host may name the bucket', async () => {
    const { port } = new URL(fixture.server.url);
    // BUCKET.localhost resolves in browsers, but not in Node.js.
    const lookup: LookupFunction = (_name, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]);
    const requestHandler = { httpAgent: new Agent({ lookup }) };
    const byHost = new S3Client({ endpoint: `http://localhost:${port}`, region, credentials: fixture.credentials, requestHandler });
    await byHost.send(new PutObjectCommand({ Bucket: bucket, Key: 'by host ü', Body: 'x' }));
    assert.equal(String(await read('by host ü')), 'x');
    const listed = await byHost.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'by host' }));
    assert.equal(listed.KeyCount, 1);
    byHost.destroy();
  });

  test('JavaScript: registered models are objects', async () => {
    const { group, version } = await fixture.server.register('shown', 'test_affine');
    const Key = `${group}/${version}/model.onnx`;
    const { Body } = await fixture.s3.send(new GetObjectCommand({ Bucket: 'penstock-models', Key }));
    const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
    assert.deepEqual(bytes, readFileSync(modelPath('test_affine')));
    const listed = await fixture.s3.send(new ListObjectsV2Command({ Bucket: 'penstock-models', Delimiter: '/' }));
    assert.deepEqual(listed.CommonPrefixes, [{ Prefix: 'shown/' }]);
    await assert.rejects(fixture.s3.send(new PutObjectCommand({ Bucket: 'penstock-models', Key, Body: 'x' })), { name: 'AccessDenied' });
  });

  for (const generation of generations) {
    test(`${generation}`, (t) => fixture.python(t, generation, 's3_checks.py', { big, suffix: generation.replaceAll('.', '-') }));
  }

  for (const major of [1, 2] as const) {
    test(`awscli ${major}: copies, lists, moves, presigns and deletes objects`, async (t) => {
      const on = `cli-${major}`;
      const made = await fixture.cli(t, major, ['s3', 'mb', `s3://${on}`]);
      if (made === null) return;
      const cli = async (...argv: string[]): Promise<string> => {
        const ran = await fixture.cli(t, major, argv);
        assert.equal(ran?.code, 0, `aws ${argv.join(' ')}: ${ran?.stderr}`);
        return ran?.stdout ?? '';
      };
      assert.equal(made.code, 0, made.stderr);
      await cli('s3', 'cp', '--quiet', big, `s3://${on}/a b/big.bin`);
      assert.match(await cli('s3', 'ls', `s3://${on}/`), /PRE a b\//);
      assert.match(await cli('s3', 'ls', '--recursive', `s3://${on}/`), /20983865 a b\/big\.bin/);
      await cli('s3', 'mv', '--quiet', `s3://${on}/a b/big.bin`, `s3://${on}/moved`);
      const back = join(directory, `back-${major}`);
      await cli('s3', 'cp', '--quiet', `s3://${on}/moved`, back);
      assert.deepEqual(readFileSync(back), readFileSync(big));
      const url = (await cli('s3', 'presign', `s3://${on}/moved`)).trim();
      const answer = await fetch(url, { headers: { range: 'bytes=0-9' } });
      assert.deepEqual([answer.status, Buffer.from(await answer.arrayBuffer())], [206, readFileSync(big).subarray(0, 10)]);
      await cli('s3', 'sync', '--quiet', '--exclude', 'back-*', directory, `s3://${on}/synced`);
      await cli('s3', 'rb', '--force', `s3://${on}`);
    });
  }
});
