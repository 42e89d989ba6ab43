/** Jobs that train with captured calls: the rows are read once, and kept as an object. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { TrainingFixture } from '../../../test/training-fixture.ts';
import { PlatformError } from '../../errors.ts';
import { type ChannelSource, channelDefaults } from '../spec.ts';
import { withSameData } from './captured-data.ts';
import { DataHash } from './data-hash.ts';

describe('a channel of captured calls', { timeout: 60_000 }, () => {
  let fixture: TrainingFixture;
  let reads = 0;
  before(async () => {
    const labelled = {
      expect: (endpoint: string): void => {
        if (endpoint === 'absent') throw new PlatformError('not_found', `there is no endpoint '${endpoint}'`);
      },
      rows: async function* ({ endpoint, rowsMax }: { endpoint: string; rowsMax: number }) {
        reads++;
        if (endpoint === 'unlabelled') throw new PlatformError('not_found', 'no labelled rows since today: post labels');
        yield Buffer.from('x,label\n');
        for (let row = 0; row < Math.min(rowsMax, 3); row++) yield Buffer.from(`${row},${reads}\n`);
      },
    };
    fixture = await TrainingFixture.open({ labelled });
  });
  after(() => fixture?.end());

  const source: ChannelSource = { kind: 'captured', endpoint: 'digits', sinceMs: null, rowsMax: 2 };
  const channels = [{ ...channelDefaults, name: 'recent', source }];
  const copied = 'cp $ML/input/data/recent/rows.csv $ML/model/';

  test('is a file with its hash, which a job with the same data reads again', async () => {
    const job = await fixture.run('first', copied, { channels });
    assert.deepEqual([job.status, job.failureReason], ['Completed', null]);
    const text = 'x,label\n0,1\n1,1\n';
    assert.deepEqual(await fixture.archive('out/first/output/model.tar.gz'), { 'rows.csv': text });
    const key = 'out/first/input/recent/rows.csv';
    const hash = new DataHash(1);
    hash.add(key, createHash('sha256').update(text).digest('hex'));
    const sha256 = await hash.sha256(fixture.threads);
    assert.deepEqual(job.data, { recent: { uri: `s3://team/${key}`, sha256, objects: 1, bytes: text.length } });

    const again = await fixture.runSpec({ ...withSameData(job), name: 'again' });
    assert.equal(reads, 1);
    assert.deepEqual(again.data, job.data);
    assert.deepEqual(await fixture.archive('out/again/output/model.tar.gz'), { 'rows.csv': text });
  });

  test('is an object that only callers with the right to captured calls can read', async () => {
    const object = await fixture.buckets.open('team', 'out/first/input/recent/rows.csv');
    object?.close();
    assert.equal(object?.headers.origin, 'input');
  });

  test('fails the job if there are no labelled rows, with what to do', async () => {
    const job = await fixture.run('none', copied, {
      channels: [{ ...channelDefaults, name: 'recent', source: { ...source, endpoint: 'unlabelled' } }],
    });
    assert.equal(job.status, 'Failed');
    assert.match(
      job.failureReason ?? '',
      /^ClientError: Data download failed: channel "recent": no labelled rows since today: post labels\.$/,
    );
    assert.equal(await fixture.read('out/none/input/recent/rows.csv'), null);
  });

  test('is rejected without its endpoint, and for a key that may not read captured calls', async () => {
    const spec = (endpoint: string) =>
      fixture.spec('rejected', copied, { channels: [{ ...channelDefaults, name: 'recent', source: { ...source, endpoint } }] });
    await assert.rejects(fixture.training.create(spec('absent'), 'tester'), {
      code: 'not_found',
      message: /there is no endpoint 'absent'/,
    });
    const { id } = fixture.access.create('viewer');
    await assert.rejects(fixture.training.create(spec('digits'), id), {
      code: 'forbidden',
      message: /has the role viewer, and deployer is needed/,
    });
  });
});
