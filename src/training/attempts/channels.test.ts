/** Keys of objects become paths: hostile ones do not. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { TrainingFixture } from '../../../test/training-fixture.ts';
import { PlatformError } from '../../errors.ts';
import { channelDefaults, type TrainingChannel } from '../spec.ts';
import { AttemptFiles } from './attempt-files.ts';
import { downloadChannel, pathUnder, placedObjects } from './channels.ts';

const mebibyte = 2 ** 20;
const channelOf = (prefix: string, more: Partial<TrainingChannel> & { isManifest?: boolean } = {}): TrainingChannel => {
  const { isManifest = false, ...rest } = more;
  return { ...channelDefaults, name: 'train', source: { kind: 's3', bucket: 'team', prefix, isManifest }, ...rest };
};

describe('a channel', { timeout: 30_000 }, () => {
  let fixture: TrainingFixture;
  before(async () => {
    fixture = await TrainingFixture.open();
  });
  after(() => fixture?.end());

  const placed = async (channel: TrainingChannel) => (await placedObjects(fixture.buckets, channel)).map(({ path }) => path);

  test('names files relative to its folder', () => {
    const rows = [
      ['x/', 'x/a.csv', 'a.csv'],
      ['x', 'x/b/a.csv', 'b/a.csv'],
      ['x/a.csv', 'x/a.csv', 'a.csv'],
      ['x/tr', 'x/train.csv', 'train.csv'],
      ['', 'a/b', 'a/b'],
    ] as const;
    for (const [prefix, key, path] of rows) assert.equal(pathUnder(prefix, key), path);
  });

  for (const [what, keys, message] of [
    ['that leaves its folder', ['bad1/../x'], /"bad1\/\.\.\/x" in input data source "train" is not a path below its channel/],
    ['with an empty part', ['bad2/a//b'], /is not a path below its channel/],
    ['in a hundred folders', [`bad4/${'a/'.repeat(100)}b`], /is in more than 64 folders/],
    ['that is a folder of another', ['bad3/a', 'bad3/a/b'], /"a" is an object and a folder of others/],
  ] as const) {
    test(`rejects a key ${what}`, async () => {
      for (const key of keys) await fixture.put(key, 'x');
      await assert.rejects(placed(channelOf(`${keys[0].split('/')[0]}/`)), message);
    });
  }

  test('rejects two objects that become one file when unpacked', async () => {
    for (const key of ['twice/a', 'twice/a.gz']) await fixture.put(key, 'x');
    await assert.rejects(placed(channelOf('twice/', { isGzip: true })), /become the same file/);
  });

  test('rejects an empty prefix and a bucket that is missing', async () => {
    await assert.rejects(placed(channelOf('nothing/')), /No S3 objects found under S3 URL "s3:\/\/team\/nothing\/"/);
    const source = { kind: 's3', bucket: 'absent', prefix: '' } as const;
    await assert.rejects(placed(channelOf('', { source })), /There is no bucket "absent"/);
  });

  test('reads the objects of a manifest in its order, or shuffled by a seed', async () => {
    const names = Array.from({ length: 8 }, (_, at) => `${at}.csv`);
    for (const name of names) await fixture.put(`listed/${name}`, name);
    await fixture.put('list.json', JSON.stringify([{ prefix: 's3://team/listed/' }, ...names.toReversed()]));
    assert.deepEqual(await placed(channelOf('list.json', { isManifest: true })), names.toReversed());
    const shuffled = await placed(channelOf('list.json', { isManifest: true, shuffleSeed: 7 }));
    assert.deepEqual(shuffled.toSorted(), names);
    assert.notDeepEqual(shuffled, names.toReversed());
    assert.deepEqual(await placed(channelOf('list.json', { isManifest: true, shuffleSeed: 7 })), shuffled);
  });

  test('rejects a manifest that is none, or leads elsewhere', async () => {
    await fixture.put('broken.json', '{');
    await assert.rejects(placed(channelOf('broken.json', { isManifest: true })), /is malformed: expected/);
    await fixture.put('lists.json', `[${'[],'.repeat(500_000)}[]]`);
    await assert.rejects(placed(channelOf('lists.json', { isManifest: true })), /is malformed: expected/);
    await fixture.put('form.json', '["a"]');
    await assert.rejects(placed(channelOf('form.json', { isManifest: true })), /is malformed: expected \[\{"prefix"/);
    await fixture.put('out.json', JSON.stringify([{ prefix: 's3://team/listed/' }, '../../x']));
    await assert.rejects(placed(channelOf('out.json', { isManifest: true })), /is not a path below its channel/);
    await assert.rejects(placed(channelOf('absent.json', { isManifest: true })), /There is no manifest/);
  });

  test('fails if its objects together are larger than the volume, before more is written', async () => {
    for (const key of ['sizes/a', 'sizes/b', 'sizes/c']) await fixture.put(key, 'x'.repeat(1000));
    await fixture.put('sizes/packed.gz', gzipSync(Buffer.alloc(mebibyte)));
    for (const [prefix, isGzip] of [
      ['sizes/', false],
      ['sizes/packed.gz', true],
    ] as const) {
      const folder = join(fixture.directory, `sizes-${isGzip}`);
      const files = new AttemptFiles(fixture.provider.tasks, { id: folder, folder, host: null });
      const options = { files, folder: 'in', roomBytes: 2500, signal: new AbortController().signal };
      await assert.rejects(downloadChannel(fixture, channelOf(prefix, { isGzip }), options), /larger than VolumeSizeInGB/);
      assert.equal(statSync(join(folder, 'ml/in/c'), { throwIfNoEntry: false }), undefined);
    }
  });

  test('fails if an object is deleted before it is downloaded; one that is being read is read to its end', async () => {
    await fixture.put('held/a', Buffer.alloc(2 * mebibyte, 'a'));
    const held = await fixture.buckets.open('team', 'held/a');
    await fixture.buckets.delete('team', 'held/a');
    let bytes = 0;
    for await (const chunk of held?.stream() ?? []) bytes += (chunk as Buffer).length;
    assert.equal(bytes, 2 * mebibyte);
    await fixture.put('late/list.json', JSON.stringify([{ prefix: 's3://team/late/' }, 'gone.csv']));
    const deleted = await fixture.run('late-1', 'true', { channels: [channelOf('late/list.json', { isManifest: true })] });
    assert.match(deleted.failureReason ?? '', /The object "s3:\/\/team\/late\/gone\.csv" was deleted while it was downloaded\./);
  });

  test('that does not fit on the disk of its machine fails with the reason', async () => {
    await fixture.put('wide/a.gz', gzipSync(Buffer.alloc(mebibyte)));
    const full = new PlatformError('too_large', 'The data does not fit on the disk of the server: free space, or use less data.');
    const files = { put: () => Promise.reject(full) };
    const options = { files, folder: 'in', roomBytes: 2 ** 40, signal: new AbortController().signal };
    for (const isGzip of [false, true])
      await assert.rejects(downloadChannel(fixture, channelOf('wide/', { isGzip }), options), {
        name: 'DownloadFailed',
        message: /does not fit on the disk of the server/,
      });
  });
});
