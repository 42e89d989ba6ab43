import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkTrainingSpec, type TrainingSpec } from '../../training/index.ts';
import { nameStem, trainingInput, trainingSpecOf } from './training-input.ts';

const nothing = { source: null, data: new Map<string, string>() };
const source = { sha256: 'a'.repeat(64) };
const specOf = (value: unknown, base: TrainingSpec | null = null, uploads = nothing): TrainingSpec =>
  trainingSpecOf(trainingInput.parse(value), base, uploads);

describe('the spec of a training job', () => {
  test('has the defaults for all that is left out', () => {
    const spec = trainingSpecOf(trainingInput.parse({ name: 'digits-1', entry: 'train.py' }), null, { ...nothing, source });
    checkTrainingSpec(spec);
    assert.deepEqual(spec.output, { bucket: 'penstock-training', prefix: '', isPacked: true });
    assert.deepEqual([spec.entry, spec.command, spec.source, spec.retries, spec.maxWaitMs], ['train.py', null, source, 2, null]);
  });

  test('takes numbers and booleans as the text that scripts get', () => {
    assert.deepEqual(specOf({ hyperparameters: { C: 0.5, flag: true, name: 'x' } }).hyperparameters, { C: '0.5', flag: 'true', name: 'x' });
  });

  test('names objects, and what was uploaded', () => {
    const data = new Map([
      ['train', 'uploads/1/train/'],
      ['extra', 'uploads/1/extra/'],
    ]);
    const channels = [{ name: 'train' }, { name: 'labels', source: 's3://team/labels' }];
    const spec = specOf({ channels }, null, { ...nothing, data });
    assert.deepEqual(
      spec.channels.map(({ name, source: from }) => [name, from]),
      [
        ['train', { kind: 's3', bucket: 'penstock-training', prefix: 'uploads/1/train/' }],
        ['labels', { kind: 's3', bucket: 'team', prefix: 'labels' }],
        ['extra', { kind: 's3', bucket: 'penstock-training', prefix: 'uploads/1/extra/' }],
      ],
    );
    assert.throws(() => specOf({ channels: [{ name: 'x' }] }), { code: 'invalid_request', message: /channel 'x' has no source/ });
    assert.throws(() => specOf({ channels: [{ name: 'train', source: 's3://a/b' }] }, null, { ...nothing, data }), {
      message: /two sources/,
    });
    assert.throws(() => specOf({ channels: [{ name: 'train', source: '/etc' }] }), {
      message: /expected s3:\/\/bucket\/prefix or captured:ENDPOINT, got '\/etc'/,
    });
  });

  test('is that of another job where nothing else is said', () => {
    const base = specOf({
      name: 'digits-1',
      group: 'digits',
      command: ['sh', 'x'],
      hyperparameters: { C: 1 },
      checkpoints: 's3://team/c',
      output: 's3://team/out',
    });
    const again = specOf({ hyperparameters: { C: 2 } }, base);
    assert.deepEqual(again, { ...base, name: '', hyperparameters: { C: '2' } });
    assert.deepEqual(specOf({ group: null, checkpoints: null, entry: 'train.py' }, base), {
      ...base,
      name: '',
      group: null,
      checkpoints: null,
      entry: 'train.py',
      command: null,
    });
    assert.throws(() => specOf({ entry: 'a', command: ['b'] }), { message: /expected entry or command, got both/ });
  });

  test('lets a spot job wait as long as it may run', () => {
    assert.equal(specOf({ spot: true, max_runtime_s: 60 }).maxWaitMs, 120_000);
    assert.equal(specOf({ spot: true, max_runtime_s: 60, max_wait_s: 90 }).maxWaitMs, 90_000);
  });

  test('rejects members that it does not know, and values out of bounds', () => {
    for (const bad of [
      { Name: 'x' },
      { retries: -1 },
      { max_runtime_s: 0 },
      { git: { commit: 'main', dirty: false } },
      { metrics: [{ name: 'x' }] },
    ])
      assert.equal(trainingInput.safeParse(bad).success, false, JSON.stringify(bad));
  });
});

test('jobs are counted by their group, else by their script', () => {
  assert.equal(nameStem({ group: 'digits', entry: 'train.py', command: null }), 'digits');
  assert.equal(nameStem({ group: null, entry: 'src/my_train.v2.py', command: null }), 'my-train-v2');
  assert.equal(nameStem({ group: null, entry: null, command: ['/usr/bin/python3', 'x'] }), 'python3');
  assert.equal(nameStem({ group: null, entry: '___', command: null }), 'training');
});
