import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { openMemoryDatabase } from '../../../../test/empty-database.ts';
import { SystemClock } from '../../../clock.ts';
import { PlatformError } from '../../../errors.ts';
import { openLogs } from '../../../logs/index.ts';
import type { ModelGroup, ModelVersion, Registry } from '../../../registry/index.ts';
import { FileObjectStore } from '../../../storage/index.ts';
import { S3Store } from '../objects/store.ts';
import { ModelBucket } from './model-bucket.ts';

const bytes = Buffer.from('the bytes of a model');
const sha256 = createHash('sha256').update(bytes).digest('hex');
const models = { bucket: 'penstock-models' };

let directory = '';
let store: S3Store;
let closeDatabase: () => Promise<void>;

/** Two groups with three versions, with only the methods that the bucket calls. */
function registry(path: string): ConstructorParameters<typeof ModelBucket>[0] {
  const version = (group: string, number: number, kind: 'onnx' | 'process' = 'onnx'): ModelVersion =>
    ({
      group,
      version: number,
      name: `${group}/${number}`,
      artifact: { sha256, bytes: bytes.length },
      runtime: { kind },
      createdAtMs: 5000,
    }) as ModelVersion;
  const files = ['model.onnx', 'weights/a.data'].map((name) => ({ path: name, sha256, bytes: bytes.length }));
  const large = { ...version('large', 1), artifact: { sha256: 'of the manifest', bytes: 2 * bytes.length, files } };
  const all = [version('digits', 1), version('digits', 2), version('Served', 1, 'process'), large];
  const page = <Item>(items: Item[], { limit = 100, offset = 0 } = {}): Item[] => items.slice(offset, offset + limit);
  return {
    groups: async (requested) =>
      page([{ name: 'digits' }, { name: 'Served' }, { name: 'deleted' }, { name: 'large' }] as ModelGroup[], requested),
    async versions(group, requested) {
      if (group === 'deleted') throw new PlatformError('not_found', 'there is no such group');
      return page(
        all.filter((each) => each.group === group),
        requested,
      );
    },
    async version(group, number) {
      const found = all.find((each) => each.group.toLowerCase() === group.toLowerCase() && each.version === number);
      if (found === undefined) throw new PlatformError('not_found', 'there is no such version');
      return found;
    },
    async verifiedArtifactPath({ artifact }, name) {
      assert.equal(artifact.files === undefined, name === undefined);
      return path;
    },
  } satisfies Pick<Registry, 'groups' | 'versions' | 'version' | 'verifiedArtifactPath'>;
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-model-bucket-'));
  const path = join(directory, 'model.onnx');
  await writeFile(path, bytes);
  const { db, close } = await openMemoryDatabase();
  closeDatabase = close;
  const files = new FileObjectStore(join(directory, 'buckets'));
  const readOnlyBuckets = [new ModelBucket(registry(path), 1000)];
  store = new S3Store({ db, files, clock: new SystemClock(), log: openLogs(null, 'silent').platform, readOnlyBuckets });
  await store.createBucket('own');
});
after(async () => {
  await closeDatabase?.();
  await rm(directory, { recursive: true, force: true });
});

test('lists and reads the files of registered models as objects', async () => {
  assert.deepEqual(
    (await store.buckets()).map(({ name }) => name),
    ['own', 'penstock-models'],
  );
  const { objects } = await store.list('penstock-models', { itemsMax: 10 });
  assert.deepEqual(
    objects.map(({ key, etag }) => [key, etag]),
    [
      ['Served/1/model.tar.gz', sha256],
      ['digits/1/model.onnx', sha256],
      ['digits/2/model.onnx', sha256],
      ['large/1/model.onnx', sha256],
      ['large/1/weights/a.data', sha256],
    ],
  );
  const { prefixes } = await store.list('penstock-models', { delimiter: '/', itemsMax: 10 });
  assert.deepEqual(prefixes, ['Served/', 'digits/', 'large/']);
  const object = await store.open('penstock-models', 'digits/2/model.onnx');
  assert.deepEqual(await buffer(object?.stream() ?? assert.fail()), bytes);
  const again = await store.open('penstock-models', 'digits/2/model.onnx');
  assert.deepEqual(await buffer(again?.stream({ start: 4, end: 9 }) ?? assert.fail()), bytes.subarray(4, 9));
  assert.equal((await store.head('penstock-models', 'digits/1/model.onnx'))?.modifiedAtMs, 5000);
  const data = await store.open('penstock-models', 'large/1/weights/a.data');
  assert.deepEqual(await buffer(data?.stream() ?? assert.fail()), bytes);
});

for (const key of [
  'digits/3/model.onnx',
  'digits/01/model.onnx',
  'digits/1/other.onnx',
  'large/1/weights',
  'large/1/weights/../model.onnx',
  'served/1/model.tar.gz',
  'digits/1',
  'digits',
  '../1/model.onnx',
]) {
  test(`there is no ${key}`, async () => {
    assert.equal(await store.open('penstock-models', key), null);
  });
}

test('rejects writes, and the creation of a bucket with its name', async () => {
  const denied = { code: 'AccessDenied', httpStatus: 403 };
  const model = { ...models, key: 'digits/1/model.onnx' };
  await assert.rejects(store.createBucket('penstock-models'), { code: 'BucketAlreadyExists', httpStatus: 409 });
  await assert.rejects(store.put('penstock-models', model.key, Buffer.from('forged')), denied);
  await store.put('own', 'forged', Buffer.from('forged'));
  await assert.rejects(store.copy({ bucket: 'own', key: 'forged' }, model), denied);
  await assert.rejects(store.delete('penstock-models', model.key), denied);
  await assert.rejects(store.deleteAll('penstock-models', [model.key]), denied);
  await assert.rejects(store.deleteBucket('penstock-models'), denied);
});

test('a model can be copied to another bucket', async () => {
  const copied = await store.copy({ ...models, key: 'digits/1/model.onnx' }, { bucket: 'own', key: 'copy' });
  assert.equal(copied.etag, createHash('md5').update(bytes).digest('hex'));
  assert.deepEqual(await buffer((await store.open('own', 'copy'))?.stream() ?? assert.fail()), bytes);
});
