import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failureReason, lostReason } from './attempts/failure-reason.ts';
import { advance, instanceMs, newLife, stoppedStep, type TrainingLife, type TrainingStep, trainingSteps, wholeSeconds } from './status.ts';

const after = (steps: readonly (readonly [TrainingStep, number])[]): TrainingLife =>
  steps.reduce((life, [step, atMs]) => advance(life, step, atMs), newLife(0));

describe('the life of a training job', () => {
  test('replaces the message of the current transition, and appends one for another status', () => {
    const life = after([
      [trainingSteps.waiting(2, 1), 10],
      [trainingSteps.preparing, 20],
      [trainingSteps.downloading, 30],
    ]);
    assert.deepEqual(life.transitions, [
      { status: 'Starting', startedAtMs: 0, endedAtMs: 30, message: 'Preparing the instances for training' },
      { status: 'Downloading', startedAtMs: 30, endedAtMs: null, message: 'Downloading input data' },
    ]);
    assert.equal(life.startedAtMs, 30);
  });

  test('says what a waiting job waits for', () => {
    assert.equal(trainingSteps.waiting(2, 1).message, 'Waiting for capacity: 2 cores wanted, 1 free beside serving');
    assert.equal(trainingSteps.restarting(2, 3).message, 'Restarting training: the task was lost (attempt 2 of 3)');
  });

  test('stays over', () => {
    const life = after([[trainingSteps.completed, 5]]);
    assert.equal(advance(life, trainingSteps.training, 9), life);
    assert.deepEqual([life.endedAtMs, life.transitions.at(-1)?.endedAtMs], [5, 5]);
  });

  test('never goes back in time, even if the clock does', () => {
    const life = after([
      [trainingSteps.downloading, 100],
      [trainingSteps.training, 40],
      [trainingSteps.completed, 20],
    ]);
    for (const { startedAtMs, endedAtMs } of life.transitions) assert.ok((endedAtMs ?? 0) >= startedAtMs);
    assert.equal(instanceMs(life, 20), 0);
  });

  test('counts the time of its attempts without the waiting between them', () => {
    const life = after([
      [trainingSteps.downloading, 1000],
      [trainingSteps.training, 1500],
      [trainingSteps.restarting(2, 3), 3000],
      [trainingSteps.starting, 3000],
      [trainingSteps.downloading, 9000],
      [trainingSteps.training, 9100],
      [trainingSteps.uploading, 9400],
      [trainingSteps.completed, 9500],
    ]);
    assert.equal(instanceMs(life, 99_999), 2000 + 500);
    assert.deepEqual([wholeSeconds(0), wholeSeconds(1), wholeSeconds(1001)], [1, 1, 2]);
  });

  test('ends by its cause', () => {
    assert.equal(stoppedStep('runtime').message, 'Training job runtime exceeded MaxRuntimeInSeconds provided');
    assert.equal(stoppedStep('wait').secondaryStatus, 'MaxWaitTimeExceeded');
  });
});

describe('the reason of a failure', () => {
  const facts = {
    failureText: null,
    lastLines: ['first', 'last'],
    instanceType: 'local.1',
    memoryMiB: 1024,
    largerType: 'local.2',
    volumeGb: 30,
  };
  const exit = { code: 1, signal: null, why: 'exit', peakMiB: null } as const;
  const rows = [
    ['the last lines', { ...facts, ending: exit }, 'AlgorithmError: first\nlast, exit code: 1'],
    ['the text of the script', { ...facts, ending: exit, failureText: ' oops\n' }, 'AlgorithmError: oops, exit code: 1'],
    ['a complete reason', { ...facts, ending: exit, failureText: 'ClientError: no' }, 'ClientError: no'],
    ['a signal', { ...facts, ending: { ...exit, code: null, signal: 'SIGSEGV' } }, 'AlgorithmError: first\nlast, exit code: 139'],
    [
      'memory',
      { ...facts, ending: { code: null, signal: 'SIGKILL', why: 'memory', peakMiB: 1024 } },
      'AlgorithmError: it used more than the 1024 MiB of local.1, and was ended (peak 1024 MiB); choose local.2, exit code: 137',
    ],
    [
      'disk',
      { ...facts, ending: { code: null, signal: 'SIGKILL', why: 'disk', peakMiB: 1 } },
      'AlgorithmError: it wrote more than VolumeSizeInGB = 30, exit code: 137',
    ],
  ] as const;
  for (const [what, input, expected] of rows) test(`names ${what}`, () => assert.equal(failureReason(input), expected));

  test('has at most 1,024 characters, and keeps the exit code', () => {
    const reason = failureReason({ ...facts, ending: exit, lastLines: ['x'.repeat(5000)] });
    assert.equal(reason.length, 1024);
    assert.match(reason, /…, exit code: 1$/);
  });

  test('says where the checkpoints are', () => {
    const expected = 'InternalServerError: the task was lost 3 times: killed. Its checkpoints are at s3://b/c';
    assert.equal(lostReason(3, 'killed', 's3://b/c'), expected);
  });
});
