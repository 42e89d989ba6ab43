/** What is deleted with a job: the data that was uploaded for it, unless something else uses it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TrainingFixture } from '../../test/training-fixture.ts';
import { lossTuning } from '../../test/tuning-spec.ts';
import { channelDefaults, type TrainingChannel } from './spec.ts';
import { trainingBucket, uploadsOf } from './uploaded-data.ts';

const upload = (digit: string): string => `uploads/${`${digit.repeat(8)}-0000-4000-8000-${digit.repeat(12)}`}`;
const channel = (prefix: string, bucket = trainingBucket): TrainingChannel => ({
  ...channelDefaults,
  name: 'train',
  source: { kind: 's3', bucket, prefix },
});

test('uploads are folders of their own in the bucket of training', () => {
  for (const [wanted, { source }] of [
    [[`${upload('1')}/`], channel(`${upload('1')}/train/`)],
    [[], channel(`${upload('1')}/train/`, 'team')],
    [[], channel('uploads/mine/train/')],
    [[], channel(`old/${upload('1')}/`)],
    [[], channel(upload('1'))],
  ] as const) {
    assert.deepEqual(uploadsOf({ channels: [{ ...channel(''), source }] }), wanted, JSON.stringify(source));
  }
});

describe('uploaded data', { timeout: 60_000 }, () => {
  let fixture: TrainingFixture;
  before(async () => {
    fixture = await TrainingFixture.open();
    await fixture.buckets.createBucket(trainingBucket);
  });
  after(() => fixture?.end());

  const put = (key: string): Promise<unknown> => fixture.buckets.put(trainingBucket, key, Buffer.from('1\n'));
  const keys = async (prefix: string): Promise<string[]> =>
    (await fixture.buckets.list(trainingBucket, { prefix, itemsMax: 100 })).objects.map(({ key }) => key);

  test('is deleted with the last job that uses it, and nothing else is', async () => {
    const mine = upload('a');
    for (const key of [`${mine}/train/a.csv`, `${mine}/more/b.csv`, `${upload('b')}/train/c.csv`, 'uploads/mine/d.csv']) await put(key);
    await fixture.run('first', 'true', { channels: [channel(`${mine}/train/`)] });
    await fixture.run('again', 'true', { channels: [channel(`${mine}/train/`)] });
    await fixture.training.delete('first', 'tester');
    assert.equal((await keys(mine)).length, 2);
    await fixture.training.delete('again', 'tester');
    assert.deepEqual(await keys('uploads/'), ['uploads/mine/d.csv', `${upload('b')}/train/c.csv`].toSorted());
  });

  test('is deleted with the tuning job if that is the last one', async () => {
    const mine = upload('c');
    await put(`${mine}/train/a.csv`);
    const tuning = lossTuning(fixture, 'tuned', { maxJobs: 1, maxParallel: 1 });
    await fixture.tuning.create({ ...tuning, training: { ...tuning.training, channels: [channel(`${mine}/train/`)] } }, 'anonymous');
    while ((await fixture.tuning.get('tuned')).status === 'InProgress') await new Promise((resolve) => setTimeout(resolve, 20));
    const [trial] = await fixture.tuning.trials('tuned');
    await fixture.training.delete(trial?.job ?? '', 'tester');
    assert.equal((await keys(mine)).length, 1);
    await fixture.tuning.delete('tuned', 'tester');
    assert.deepEqual(await keys(mine), []);
  });
});
