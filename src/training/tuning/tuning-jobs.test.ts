/** Tuning jobs over training jobs of /bin/sh, from their creation to their end. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TrainingFixture } from '../../../test/training-fixture.ts';
import { lossTuning } from '../../../test/tuning-spec.ts';
import type { TuningJob } from './tuning-job.ts';

async function until(fixture: TrainingFixture, name: string, isWanted: (job: TuningJob) => boolean): Promise<TuningJob> {
  for (;;) {
    const job = await fixture.tuning.get(name);
    if (isWanted(job)) return job;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const isOver = ({ status }: TuningJob): boolean => ['Completed', 'Failed', 'Stopped'].includes(status);

describe('a tuning job', { timeout: 240_000 }, () => {
  let fixture: TrainingFixture;
  before(async () => {
    fixture = await TrainingFixture.open();
  });
  after(() => fixture?.end());

  test('tries as many values as it has jobs, not more at once than allowed, and finds the best', async () => {
    await fixture.tuning.create(lossTuning(fixture, 'first'), 'anonymous');
    let most = 0;
    const job = await until(fixture, 'first', (now) => {
      most = Math.max(most, now.counts.inProgress);
      return isOver(now);
    });
    assert.deepEqual([job.status, job.reason, job.counts.completed, job.counts.judged], ['Completed', null, 4, 4]);
    assert.ok(most <= 2, `${most} at once`);
    const trials = await fixture.tuning.trials('first');
    for (const [i, { job: name, values, objective }] of trials.entries()) {
      assert.match(name, new RegExp(`^first-00${i + 1}-[0-9a-f]{8}$`));
      assert.equal(objective, Number(values['x']));
      const { spec } = await fixture.training.get(name);
      assert.deepEqual(spec.hyperparameters, { x: values['x'], _tuning_objective_metric: 'loss' });
    }
    assert.equal(job.best?.objective, Math.min(...trials.map(({ objective }) => objective ?? Infinity)));
    const kinds = (await fixture.control.events.recent({ subjects: ['first'], limit: 10 })).map(({ kind }) => kind);
    assert.deepEqual(kinds.toSorted(), ['tuning.completed', 'tuning.in-progress']);
    await assert.rejects(fixture.tuning.create(lossTuning(fixture, 'FIRST'), 'anonymous'), { code: 'already_exists' });
  });

  test('of a grid ends after its last combination', async () => {
    const ranges = [{ kind: 'categorical', name: 'x', values: ['3', '1', '2'] }] as const;
    await fixture.tuning.create(lossTuning(fixture, 'grid', { strategy: 'Grid', ranges, maxJobs: 100 }), 'anonymous');
    const job = await until(fixture, 'grid', isOver);
    assert.deepEqual([job.status, job.counts.completed, job.best?.values], ['Completed', 3, { x: '1' }]);
  });

  test('is complete before its last job once one reaches the target', async () => {
    await fixture.tuning.create(lossTuning(fixture, 'target', { target: 2, maxJobs: 50 }), 'anonymous');
    const job = await until(fixture, 'target', isOver);
    assert.equal(job.status, 'Completed');
    assert.match(job.reason ?? '', /^target-00\d-[0-9a-f]{8} reached the target: loss /);
    assert.ok(job.counts.completed + job.counts.stopped < 50);
  });

  test('stops trials that others have beaten', async () => {
    // The bad trials would run for an hour.
    const script = 'if [ $x -ge 3 ]; then sleep 3600; fi';
    const ranges = [{ kind: 'categorical', name: 'x', values: ['1', '2', '3', '4'] }] as const;
    const resources = { min: 1, max: 3 };
    await fixture.tuning.create(
      lossTuning(fixture, 'halving', { strategy: 'Hyperband', ranges, resources, maxJobs: 8, maxParallel: 3 }, script),
      'anonymous',
    );
    const job = await until(fixture, 'halving', isOver);
    assert.deepEqual([job.status, job.best?.objective], ['Completed', 1]);
    const trials = await fixture.tuning.trials('halving');
    for (const { values, status, isStoppedEarly, objective } of trials.filter(({ values: { x } }) => Number(x) >= 3)) {
      assert.deepEqual([status, isStoppedEarly], ['Stopped', true]);
      assert.equal(objective, Number(values['x']), 'what it reported is known');
    }
  });

  test('ends when it is stopped, with its training jobs', async () => {
    await fixture.tuning.create(lossTuning(fixture, 'stopped', { maxJobs: 10 }, 'exec sleep 3600'), 'anonymous');
    await until(fixture, 'stopped', ({ counts }) => counts.inProgress === 2);
    assert.equal((await fixture.tuning.stop('stopped', 'anonymous')).status, 'Stopping');
    await assert.rejects(fixture.tuning.delete('stopped', 'anonymous'), { code: 'wrong_state' });
    const job = await until(fixture, 'stopped', isOver);
    assert.deepEqual([job.status, job.counts.stopped], ['Stopped', 2]);
    await assert.rejects(fixture.tuning.stop('stopped', 'anonymous'), { code: 'wrong_state', message: /in status Stopped/ });
    await fixture.tuning.delete('stopped', 'anonymous');
    assert.equal(await fixture.tuning.find('stopped'), null);
  });

  test('is stopped once, by however many calls at once', async () => {
    await fixture.tuning.create(lossTuning(fixture, 'twice', { maxJobs: 10 }, 'exec sleep 3600'), 'anonymous');
    await until(fixture, 'twice', ({ counts }) => counts.inProgress === 2);
    await Promise.all([fixture.tuning.stop('twice', 'anonymous'), fixture.tuning.stop('twice', 'anonymous')]);
    await until(fixture, 'twice', isOver);
    const kinds = (await fixture.control.events.recent({ subjects: ['twice'], limit: 10 })).map(({ kind }) => kind);
    assert.deepEqual(kinds.toSorted(), ['tuning.in-progress', 'tuning.stopped', 'tuning.stopping']);
  });

  test('of the name and seed of a deleted one has training jobs of its own', async () => {
    await fixture.tuning.create(lossTuning(fixture, 'again', { maxJobs: 2 }), 'anonymous');
    await until(fixture, 'again', isOver);
    const values = (await fixture.tuning.trials('again')).map((trial) => trial.values);
    await fixture.tuning.delete('again', 'anonymous');
    await fixture.tuning.create(lossTuning(fixture, 'again', { maxJobs: 2 }), 'anonymous');
    const job = await until(fixture, 'again', isOver);
    assert.deepEqual([job.status, job.reason, job.counts.completed], ['Completed', null, 2]);
    const trials = await fixture.tuning.trials('again');
    assert.deepEqual(
      trials.map((trial) => trial.values),
      values,
      'the same seed tries the same values',
    );
  });

  test('is listed without its trials being read', async () => {
    await fixture.tuning.create(lossTuning(fixture, 'listed', { maxJobs: 2 }), 'anonymous');
    const job = await until(fixture, 'listed', isOver);
    await fixture.control.db.deleteFrom('tuning_trials').where('tuning_key', '=', 'listed').execute();
    assert.deepEqual(await fixture.tuning.list({ nameContains: 'listed', limit: 10 }), [job]);
    assert.deepEqual([job.counts.completed, job.best === null], [2, false]);
  });

  test('fails, with the reason, if no training job reports the metric', async () => {
    await fixture.tuning.create(lossTuning(fixture, 'failing', { maxJobs: 2 }, 'exit 3'), 'anonymous');
    const job = await until(fixture, 'failing', isOver);
    assert.deepEqual([job.status, job.counts.failed], ['Failed', 2]);
    assert.match(job.reason ?? '', /^No training job reported loss; the first one that failed: AlgorithmError: .*exit code: 3$/s);
  });

  test('fails if the key that created it is revoked', async () => {
    const { id } = fixture.access.create('deployer');
    await fixture.tuning.create(lossTuning(fixture, 'revoked', { maxJobs: 10 }, 'exec sleep 3600'), id);
    await until(fixture, 'revoked', ({ counts }) => counts.inProgress === 2);
    fixture.access.revoke(id);
    const job = await until(fixture, 'revoked', isOver);
    assert.deepEqual([job.status, job.counts.stopped], ['Failed', 2]);
    assert.match(job.reason ?? '', /was revoked/);
  });

  test('of a revoked key creates no training job that was left to create', async () => {
    const { id } = fixture.access.create('deployer');
    await fixture.tuning.create(lossTuning(fixture, 'left', { maxJobs: 10 }, 'exec sleep 3600'), id);
    await until(fixture, 'left', ({ counts }) => counts.inProgress === 2);
    const [trial] = await fixture.tuning.trials('left');
    fixture.access.revoke(id);
    // As if the server had been killed before it could create the training job.
    const document = JSON.stringify({ ...trial, number: 3, job: 'left-003-00000000', status: 'Waiting' });
    await fixture.control.db.insertInto('tuning_trials').values({ tuning_key: 'left', number: 3, document }).execute();
    const job = await until(fixture, 'left', isOver);
    assert.deepEqual([job.status, job.counts.stopped], ['Failed', 3]);
    assert.equal(await fixture.training.find('left-003-00000000'), null);
  });

  for (const [what, more, message] of [
    ['a name of 33 characters', { name: 'a'.repeat(33) }, /at most 32 letters/],
    ['an unknown metric', { metric: 'accuracy' }, /objective metric 'accuracy' is not defined/],
    ['no jobs', { maxJobs: 0 }, /jobs: expected a whole number from 1 to 750/],
    ['a grid of numbers', { strategy: 'Grid' }, /strategy Grid needs categorical ranges, and 'x' is continuous/],
    [
      'a range in the place of its metric',
      { ranges: [{ kind: 'categorical', name: '_tuning_objective_metric', values: ['a', 'b'] }] },
      /is the name of the hyperparameter that holds the metric/,
    ],
    ['no range', { ranges: [] }, /no hyperparameter has a range/],
  ] as const) {
    test(`is rejected with ${what}`, async () => {
      await assert.rejects(fixture.tuning.create(lossTuning(fixture, 'bad', more), 'anonymous'), { code: 'invalid_request', message });
      assert.equal(await fixture.tuning.find('bad'), null);
    });
  }
});

test('the number of tuning jobs at once is limited', { timeout: 120_000 }, async () => {
  const fixture = await TrainingFixture.open({ tuningJobsMax: 1 });
  try {
    await fixture.tuning.create(lossTuning(fixture, 'one', {}, 'exec sleep 3600'), 'anonymous');
    await assert.rejects(fixture.tuning.create(lossTuning(fixture, 'two'), 'anonymous'), { code: 'overloaded', message: /^1 tuning jobs/ });
    await fixture.tuning.stop('one', 'anonymous');
    await until(fixture, 'one', isOver);
    await fixture.tuning.create(lossTuning(fixture, 'two', { maxJobs: 2 }), 'anonymous');
    assert.equal((await until(fixture, 'two', isOver)).status, 'Completed');
  } finally {
    await fixture.end();
  }
});

test('a tuning job continues with the next server, and no trial runs twice', { timeout: 120_000 }, async () => {
  const first = await TrainingFixture.open();
  await first.tuning.create(lossTuning(first, 'lasting', { maxJobs: 5 }), 'anonymous');
  await until(first, 'lasting', ({ counts }) => counts.completed >= 1);
  await first.close();
  const second = await TrainingFixture.open({ directory: first.directory });
  try {
    const job = await until(second, 'lasting', isOver);
    assert.deepEqual([job.status, job.counts.completed], ['Completed', 5]);
    const jobs = await second.training.list({ nameContains: 'lasting-', limit: 100 });
    assert.equal(jobs.length, 5);
    assert.equal(new Set((await second.tuning.trials('lasting')).map(({ job: name }) => name)).size, 5);
  } finally {
    await second.end();
  }
});
