/** Cases that no AWS client produces or observes: roles, virtual hosts, malformed bodies and names, aborted bodies. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Reply, type SignOptions, sendSigned, sign } from '../../../test/aws/signed-request.ts';
import { type AwsRouterFixture, openAwsRouter } from '../../../test/aws-router-fixture.ts';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { until } from '../../../test/end-to-end/poll.ts';
import type { Role } from '../../access/index.ts';
import { SystemClock } from '../../clock.ts';
import { openLogs } from '../../logs/index.ts';
import { Audit } from '../../records/index.ts';
import { FileObjectStore } from '../../storage/index.ts';
import { S3Store } from './objects/store.ts';
import { S3Service } from './s3-service.ts';

const log = openLogs(null, 'silent').platform;

describe('S3 behind the AWS router', () => {
  let directory = '';
  let store: S3Store;
  let audit: Audit;
  let closeDatabase: () => Promise<void>;
  let router: AwsRouterFixture;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'penstock-s3-door-'));
    const { db, close } = await openMemoryDatabase();
    closeDatabase = close;
    const clock = new SystemClock();
    audit = new Audit(db, clock);
    store = new S3Store({ db, files: new FileObjectStore(directory), clock, log, audit, objectBytesMax: 100_000 });
    router = await openAwsRouter({ streams: [new S3Service(store)] });
    await store.createBucket('models');
  });
  after(async () => {
    await router?.close();
    await closeDatabase?.();
    await rm(directory, { recursive: true, force: true });
  });

  const call = (method: string, path: string, more: Partial<SignOptions> = {}): Promise<Reply> =>
    sendSigned(router.url, { key: router.key, service: 's3', method, path, ...more });
  const codeOf = ({ body }: Reply): string | undefined => /<Code>(\w+)<\/Code>/.exec(body)?.[1];
  const files = async (): Promise<number> => {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).length;
  };

  test('the host may name the bucket', async () => {
    const host = `models.localhost:${new URL(router.url).port}`;
    assert.equal((await call('PUT', '/by/host', { headers: { host }, body: 'x' })).status, 200);
    assert.equal((await call('GET', '/models/by/host')).body, 'x');
    assert.match((await call('GET', '/?list-type=2', { headers: { host } })).body, /<Key>by\/host<\/Key>/);
    await store.delete('models', 'by/host');
  });

  describe('settings of a bucket', () => {
    const documents = {
      encryption: '<ServerSideEncryptionConfiguration><Rule/></ServerSideEncryptionConfiguration>',
      ownershipControls: '<OwnershipControls xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule/></OwnershipControls>',
      publicAccessBlock: '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>',
      tagging: '<Tagging><TagSet><Tag><Key>team</Key><Value>ü</Value></Tag></TagSet></Tagging>',
      versioning: '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>',
    };
    const unset = {
      encryption: 'ServerSideEncryptionConfigurationNotFoundError',
      ownershipControls: 'OwnershipControlsNotFoundError',
      publicAccessBlock: 'NoSuchPublicAccessBlockConfiguration',
      tagging: 'NoSuchTagSet',
      policy: 'NoSuchBucketPolicy',
    };

    test('that are not set answer as on AWS', async () => {
      for (const [setting, code] of Object.entries(unset)) {
        const reply = await call('GET', `/models?${setting}`);
        assert.deepEqual([reply.status, codeOf(reply)], [404, code]);
      }
      assert.match((await call('GET', '/models?versioning')).body, /<VersioningConfiguration [^>]*\/>$/);
      assert.equal(codeOf(await call('GET', '/nothing?policy')), 'NoSuchBucket');
    });

    test('are stored as sent, until they or the bucket are deleted', async () => {
      await store.createBucket('settings');
      for (const [setting, body] of Object.entries(documents)) {
        assert.equal((await call('PUT', `/settings?${setting}`, { body })).status, 200, setting);
      }
      for (const [setting, body] of Object.entries(documents)) assert.equal((await call('GET', `/settings?${setting}`)).body, body);
      assert.equal((await call('DELETE', '/settings?tagging')).status, 204);
      assert.equal(codeOf(await call('GET', '/settings?tagging')), 'NoSuchTagSet');
      assert.equal((await call('GET', '/settings?encryption')).status, 200);
      await store.deleteBucket('settings');
      await store.createBucket('settings');
      assert.equal((await call('GET', '/settings?encryption')).status, 404);
      await store.deleteBucket('settings');
    });

    test('that would promise what the server does not do are rejected', async () => {
      const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
      assert.equal(codeOf(await call('PUT', '/models?versioning', { body })), 'NotImplemented');
      assert.equal(codeOf(await call('PUT', '/models?policy', { body: '{}' })), 'NotImplemented');
    });

    test('must be a small document of their kind, of an existing bucket', async () => {
      assert.equal(codeOf(await call('PUT', '/models?tagging', { body: documents.encryption })), 'MalformedXML');
      assert.equal(codeOf(await call('PUT', '/models?tagging', { body: '{}' })), 'MalformedXML');
      const long = `<Tagging>${'x'.repeat(70_000)}</Tagging>`;
      assert.equal(codeOf(await call('PUT', '/models?tagging', { body: long })), 'EntityTooLarge');
      assert.equal(codeOf(await call('PUT', '/nothing?tagging', { body: documents.tagging })), 'NoSuchBucket');
    });
  });

  test('objects written by the server need the permission of the other APIs, also after a copy', async () => {
    await store.put('models', 'answer.out', Buffer.from('a'), { headers: { origin: 'output' } });
    await store.put('models', 'captured.jsonl', Buffer.from('c'), { headers: { origin: 'input' } });
    for (const directive of ['COPY', 'REPLACE']) {
      const headers = { 'x-amz-copy-source': '/models/captured.jsonl', 'x-amz-metadata-directive': directive };
      assert.equal((await call('PUT', `/models/${directive}.jsonl`, { headers })).status, 200);
    }
    const statuses: Record<string, readonly number[]> = {};
    for (const role of ['viewer', 'invoker', 'deployer'] as const) {
      const key = router.access.create(role);
      const found: number[] = [];
      for (const name of ['answer.out', 'captured.jsonl', 'COPY.jsonl', 'REPLACE.jsonl']) {
        for (const method of ['GET', 'HEAD']) found.push((await call(method, `/models/${name}`, { key })).status);
      }
      statuses[role] = found;
      assert.match((await call('GET', '/models', { key })).body, /<Key>captured\.jsonl<\/Key>/);
    }
    assert.deepEqual(statuses, {
      viewer: [403, 403, 403, 403, 403, 403, 403, 403],
      invoker: [200, 200, 403, 403, 403, 403, 403, 403],
      deployer: [200, 200, 200, 200, 200, 200, 200, 200],
    });
    await store.deleteAll('models', ['answer.out', 'captured.jsonl', 'COPY.jsonl', 'REPLACE.jsonl']);
  });

  for (const { role, mayRead, mayWrite } of [
    { role: 'viewer', mayRead: true, mayWrite: false },
    { role: 'invoker', mayRead: true, mayWrite: false },
    { role: 'deployer', mayRead: true, mayWrite: true },
  ] as const satisfies readonly { role: Role; mayRead: boolean; mayWrite: boolean }[]) {
    test(`the role ${role} may ${mayRead ? 'read' : 'not read'} and ${mayWrite ? 'write' : 'not write'}`, async () => {
      const key = router.access.create(role);
      const requested = async (method: string, path: string, body = ''): Promise<string> => {
        const reply = await call(method, path, { key, body });
        return codeOf(reply) ?? 'fine';
      };
      const [reading, writing] = [mayRead ? 'fine' : 'AccessDenied', mayWrite ? 'fine' : 'AccessDenied'];
      assert.equal(await requested('GET', '/models'), reading);
      assert.equal(await requested('PUT', '/models/role', 'x'), writing);
      assert.equal(await requested('DELETE', '/models/role'), writing);
      assert.equal(await requested('POST', '/models?delete', '<Delete><Object><Key>a</Key></Object></Delete>'), writing);
      assert.equal(await requested('PUT', `/bucket-of-${role}`), writing);
    });
  }

  test('the creation and deletion of buckets is audited', async () => {
    await call('PUT', '/recorded');
    await call('PUT', '/recorded');
    await call('DELETE', '/recorded');
    const records = await audit.list({ limit: 10, target: 'recorded' });
    assert.deepEqual(
      records.map(({ who, action }) => [who, action]),
      [
        [router.key.id, 'DeleteBucket'],
        [router.key.id, 'CreateBucket'],
      ],
    );
  });

  for (const { what, method = 'POST', path, body = '', headers = {}, expected } of [
    { what: 'a document type', path: '/models?delete', body: '<!DOCTYPE a><Delete/>', expected: 'MalformedXML' },
    { what: 'another document', path: '/models?delete', body: '<Deleted/>', expected: 'MalformedXML' },
    { what: 'no keys to delete', path: '/models?delete', body: '<Delete/>', expected: 'MalformedXML' },
    {
      what: 'too many keys to delete',
      path: '/models?delete',
      body: `<Delete>${'<Object><Key>k</Key></Object>'.repeat(1001)}</Delete>`,
      expected: 'MalformedXML',
    },
    { what: 'an unterminated document', path: '/models?delete', body: `<Delete>${' '.repeat(5_000_000)}`, expected: 'EntityTooLarge' },
    { what: 'a bucket with a malformed document', method: 'PUT', path: '/other', body: 'location', expected: 'MalformedXML' },
    { what: 'no parts to complete', path: '/models/k?uploadId=u', body: '<CompleteMultipartUpload/>', expected: 'MalformedXML' },
    {
      what: 'an unknown upload',
      path: '/models/k?uploadId=u',
      body: '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>',
      expected: 'NoSuchUpload',
    },
    { what: 'part 0', method: 'PUT', path: '/models/k?uploadId=u&partNumber=0', expected: 'InvalidArgument' },
    { what: 'part 10001', method: 'PUT', path: '/models/k?uploadId=u&partNumber=10001', expected: 'InvalidArgument' },
    { what: 'NUL in a prefix', method: 'GET', path: '/models?prefix=%00', expected: 'InvalidArgument' },
    { what: 'NUL in a key', method: 'GET', path: '/models/a%00', expected: 'InvalidArgument' },
    { what: 'a negative page', method: 'GET', path: '/models?max-keys=-1', expected: 'InvalidArgument' },
    { what: 'an unknown encoding', method: 'GET', path: '/models?encoding-type=base64', expected: 'InvalidArgument' },
    { what: 'a key that is not UTF-8', method: 'GET', path: '/models/%ff', expected: 'InvalidURI' },
    { what: 'an invalid bucket name', method: 'GET', path: '/..%2f..', expected: 'InvalidBucketName' },
    { what: 'a version', method: 'GET', path: '/models/k?versionId=abc', expected: 'NotImplemented' },
    { what: 'a policy', method: 'PUT', path: '/models?policy', body: '{}', expected: 'NotImplemented' },
    {
      what: 'encryption with a customer key',
      method: 'PUT',
      path: '/models/k',
      headers: { 'x-amz-server-side-encryption-customer-key': 'x' },
      expected: 'NotImplemented',
    },
    {
      what: 'an empty copy source',
      method: 'PUT',
      path: '/models/k',
      headers: { 'x-amz-copy-source': 'models' },
      expected: 'InvalidArgument',
    },
    {
      what: 'a copy of an absent object',
      method: 'PUT',
      path: '/models/k',
      headers: { 'x-amz-copy-source': '/models/no' },
      expected: 'NoSuchKey',
    },
    {
      what: 'a copy from an absent bucket',
      method: 'PUT',
      path: '/models/k',
      headers: { 'x-amz-copy-source': '/absent/no' },
      expected: 'NoSuchBucket',
    },
    {
      what: 'an invalid header override',
      method: 'GET',
      path: '/models/there?response-content-type=a%0d%0ab',
      expected: 'InvalidArgument',
    },
    { what: 'an unknown method', method: 'PATCH', path: '/models/k', expected: 'MethodNotAllowed' },
    { what: 'an object above the size limit', method: 'PUT', path: '/models/k', body: 'x'.repeat(100_001), expected: 'EntityTooLarge' },
  ]) {
    test(`rejects ${what}: ${expected}`, async () => {
      await store.put('models', 'there', Buffer.from('x'));
      const reply = await call(method, path, { body, headers });
      assert.equal(codeOf(reply), expected, reply.body);
      assert((reply.status >= 400 && reply.status < 500) || expected === 'NotImplemented');
      assert.equal(reply.headers['content-type'], 'application/xml');
      await store.delete('models', 'there');
    });
  }

  test('a body that does not match its signature stores nothing and leaves the previous object unchanged', async () => {
    await store.put('models', 'k', Buffer.from('before'));
    const prepared = sign(router.url, { key: router.key, service: 's3', method: 'PUT', path: '/models/k', body: 'signed bytes' });
    const reply = await new Promise<number | undefined>((resolve, reject) => {
      const sent = request(router.url, { ...prepared }, (response) => resolve(response.resume().statusCode));
      sent.on('error', reject).end('other bytes.');
    });
    assert.equal(reply, 400);
    assert.equal((await call('GET', '/models/k')).body, 'before');
  });

  test('a client that disconnects within its body stores nothing', async () => {
    const before = await files();
    const headers = { 'content-length': '50000' };
    const prepared = sign(router.url, {
      key: router.key,
      service: 's3',
      method: 'PUT',
      path: '/models/half',
      headers,
      body: 'x'.repeat(50_000),
    });
    const sent = request(router.url, { ...prepared });
    sent.on('error', () => undefined).write('x'.repeat(20_000));
    await until('the upload has started', async () => (await files()) > before);
    sent.destroy();
    await until('no file remains', async () => (await files()) === before);
    assert.equal(await store.head('models', 'half'), null);
  });

  test('a reader that disconnects releases the object', async () => {
    await store.put('models', 'read', Buffer.alloc(100_000, 'r'));
    const before = await files();
    const prepared = sign(router.url, { key: router.key, service: 's3', method: 'GET', path: '/models/read' });
    await new Promise<void>((resolve, reject) => {
      const sent = request(router.url, { ...prepared }, (response) => {
        response.destroy();
        resolve();
      });
      sent.on('error', reject).end();
    });
    await store.delete('models', 'read');
    await until('its file is removed', async () => (await files()) === before - 1);
  });

  test('HEAD returns the headers of GET without a body, and an empty object has no ranges', async () => {
    await call('PUT', '/models/empty', { headers: { 'content-type': 'a/b', 'x-amz-meta-m': 'caf\u00c3\u00a9' } });
    const head = await call('HEAD', '/models/empty');
    assert.deepEqual([head.status, head.body, head.headers['content-length'], head.headers['content-type']], [200, '', '0', 'a/b']);
    assert.equal(head.headers['x-amz-meta-m'], 'caf\u00c3\u00a9');
    assert.equal(head.headers.etag, '"d41d8cd98f00b204e9800998ecf8427e"');
    assert.equal(typeof head.headers['x-amz-request-id'], 'string');
    const range = await call('GET', '/models/empty', { headers: { range: 'bytes=0-' } });
    assert.deepEqual([range.status, codeOf(range), range.headers['content-range']], [416, 'InvalidRange', 'bytes */0']);
    const changed = await call('GET', '/models/empty', { headers: { 'if-none-match': head.headers.etag ?? '' } });
    assert.deepEqual([changed.status, changed.body, changed.headers.etag], [304, '', head.headers.etag]);
    const missing = await call('HEAD', '/models/absent');
    assert.deepEqual([missing.status, missing.body], [404, '']);
  });

  test('a listing of zero items is empty, and markers skip a common prefix', async () => {
    for (const key of ['m/a/1', 'm/a/2', 'm/b', 'm/c/1']) await store.put('models', key, Buffer.from(''));
    const none = await call('GET', '/models?list-type=2&max-keys=0');
    assert.match(none.body, /<MaxKeys>0<\/MaxKeys><IsTruncated>false<\/IsTruncated><KeyCount>0<\/KeyCount>/);
    const first = await call('GET', '/models?prefix=m/&delimiter=/&max-keys=1');
    assert.match(first.body, /<NextMarker>m\/a\/<\/NextMarker><CommonPrefixes><Prefix>m\/a\/<\/Prefix><\/CommonPrefixes>/);
    const second = await call('GET', '/models?prefix=m/&delimiter=/&max-keys=1&marker=m/a/');
    assert.match(second.body, /<NextMarker>m\/b<\/NextMarker><Contents><Key>m\/b<\/Key>/);
    const inside = await call('GET', '/models?list-type=2&prefix=m/&start-after=m/a/1&max-keys=1');
    assert.match(inside.body, /<Key>m\/a\/2<\/Key>/);
  });
});
