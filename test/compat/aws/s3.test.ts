/** S3, called by AWS's own clients: objects large and odd, listings, signed URLs, what is refused. */
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
import { generations } from './environments.ts';
import { AwsHouse, region } from './house.ts';

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
  let house: AwsHouse;
  let directory = '';
  let big = '';
  const bucket = 'javascript';

  before(async () => {
    house = await AwsHouse.open();
    directory = mkdtempSync(join(tmpdir(), 'penstock-compat-s3-'));
    big = join(directory, 'big.bin');
    writeFileSync(big, randomBytes(20 * megabyte + 12_345));
    await house.s3.send(new CreateBucketCommand({ Bucket: bucket }));
  });
  after(async () => {
    await house?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function read(key: string, more: object = {}): Promise<Buffer> {
    const { Body } = await house.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...more }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  test('JavaScript: 20 MB go up in parts, as a stream, and come back', async () => {
    const bytes = readFileSync(big);
    const Body = Readable.from(Array.from({ length: 21 }, (_, i) => bytes.subarray(i * megabyte, (i + 1) * megabyte)));
    const upload = new Upload({
      client: house.s3,
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
    const head = await house.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'big' }));
    assert.deepEqual([head.ContentLength, head.Metadata], [bytes.length, { a: 'b' }]);
  });

  test('JavaScript: a stream with its checksum behind it is kept with it, and not as aws-chunked', async () => {
    const put = await house.s3.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: 'stream',
        Body: Readable.from([Buffer.from('hel'), Buffer.from('lo')]),
        ContentLength: 5,
      }),
    );
    assert.equal(put.ChecksumCRC32, 'NhCmhg==');
    const got = await house.s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'stream', ChecksumMode: 'ENABLED' }));
    assert.equal(await got.Body?.transformToString(), 'hello');
    assert.deepEqual([got.ChecksumCRC32, got.ContentEncoding], ['NhCmhg==', undefined]);
  });

  test('JavaScript: keys may be anything, and are listed in the order of their bytes', async () => {
    for (const key of oddKeys) await house.s3.send(new PutObjectCommand({ Bucket: bucket, Key: `odd/${key}`, Body: key }));
    for (const key of oddKeys) assert.equal(String(await read(`odd/${key}`)), key);
    const expected = oddKeys.map((key) => `odd/${key}`).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const listed = await house.s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'odd/' }));
    assert.deepEqual(
      listed.Contents?.map(({ Key }) => Key),
      expected,
    );
    const source = encodeURIComponent(`${bucket}/odd/${oddKeys[0]}`);
    const copied = await house.s3.send(new CopyObjectCommand({ Bucket: bucket, Key: 'copy', CopySource: source }));
    assert.match(copied.CopyObjectResult?.ETag ?? '', /^"[0-9a-f]{32}"$/);
    const objects = oddKeys.map((key) => ({ Key: `odd/${key}` }));
    const deleted = await house.s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects } }));
    assert.deepEqual([deleted.Deleted?.length, deleted.Errors], [oddKeys.length, undefined]);
  });

  test('JavaScript: more than 250 objects come in pages', async () => {
    const keys = Array.from({ length: 260 }, (_, i) => `pages/${String(i).padStart(4, '0')}`);
    await Promise.all(keys.map((Key) => house.s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))));
    const found: (string | undefined)[] = [];
    const pages = paginateListObjectsV2({ client: house.s3, pageSize: 100 }, { Bucket: bucket, Prefix: 'pages/' });
    for await (const { Contents = [] } of pages) found.push(...Contents.map(({ Key }) => Key));
    assert.deepEqual(found, keys);
  });

  test('JavaScript: signed URLs put and get', async () => {
    const put = await getSignedUrl(house.s3, new PutObjectCommand({ Bucket: bucket, Key: 'signed ü' }), { expiresIn: 60 });
    assert.equal((await fetch(put, { method: 'PUT', body: 'by URL' })).status, 200);
    const url = await getSignedUrl(house.s3, new GetObjectCommand({ Bucket: bucket, Key: 'signed ü', ResponseContentType: 'text/html' }));
    const answer = await fetch(url);
    assert.deepEqual([await answer.text(), answer.headers.get('content-type')], ['by URL', 'text/html']);
    // A page from a bucket must not act for whoever opens it: the console has the same origin.
    assert.equal(answer.headers.get('content-security-policy'), 'sandbox');
    assert.equal((await fetch(url.replace('signed', 'stream'))).status, 403);
  });

  test('JavaScript: errors have their names', async () => {
    const get = (key: string, more: object = {}) => house.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...more }));
    await assert.rejects(get('nobody'), { name: 'NoSuchKey' });
    await assert.rejects(get('stream', { Range: 'bytes=5-' }), { name: 'InvalidRange' });
    await assert.rejects(house.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'nobody' })), { name: 'NotFound' });
    await assert.rejects(house.s3.send(new ListObjectsV2Command({ Bucket: 'nobody-has-made-it' })), { name: 'NoSuchBucket' });
    await assert.rejects(house.s3.send(new CreateBucketCommand({ Bucket: bucket })), { name: 'BucketAlreadyOwnedByYou' });
    await assert.rejects(house.s3.send(new DeleteBucketCommand({ Bucket: bucket })), { name: 'BucketNotEmpty' });
    const stranger = new S3Client({ endpoint: house.server.url, region, credentials: { accessKeyId: 'AKIANOBODY', secretAccessKey: 'x' } });
    await assert.rejects(stranger.send(new ListObjectsV2Command({ Bucket: bucket })), { name: 'InvalidAccessKeyId' });
    stranger.destroy();
  });

  test('JavaScript: the host may name the bucket', async () => {
    const { port } = new URL(house.server.url);
    // BUCKET.localhost resolves in browsers, not in Node.
    const lookup: LookupFunction = (_name, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]);
    const requestHandler = { httpAgent: new Agent({ lookup }) };
    const byHost = new S3Client({ endpoint: `http://localhost:${port}`, region, credentials: house.credentials, requestHandler });
    await byHost.send(new PutObjectCommand({ Bucket: bucket, Key: 'by host ü', Body: 'x' }));
    assert.equal(String(await read('by host ü')), 'x');
    const listed = await byHost.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'by host' }));
    assert.equal(listed.KeyCount, 1);
    byHost.destroy();
  });

  test('JavaScript: registered models are objects', async () => {
    const { group, version } = await house.server.register('shown', 'test_affine');
    const Key = `${group}/${version}/model.onnx`;
    const { Body } = await house.s3.send(new GetObjectCommand({ Bucket: 'penstock-models', Key }));
    const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
    assert.deepEqual(bytes, readFileSync(modelPath('test_affine')));
    const listed = await house.s3.send(new ListObjectsV2Command({ Bucket: 'penstock-models', Delimiter: '/' }));
    assert.deepEqual(listed.CommonPrefixes, [{ Prefix: 'shown/' }]);
    await assert.rejects(house.s3.send(new PutObjectCommand({ Bucket: 'penstock-models', Key, Body: 'x' })), { name: 'AccessDenied' });
  });

  for (const generation of generations) {
    test(`${generation}`, (t) => house.python(t, generation, 's3_checks.py', { big, suffix: generation.replaceAll('.', '-') }));
  }

  for (const major of [1, 2] as const) {
    test(`awscli ${major}: copies, lists, moves, signs and removes`, async (t) => {
      const on = `cli-${major}`;
      const made = await house.cli(t, major, ['s3', 'mb', `s3://${on}`]);
      if (made === null) return;
      const cli = async (...argv: string[]): Promise<string> => {
        const ran = await house.cli(t, major, argv);
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
