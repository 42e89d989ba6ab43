/** Responses of operations on training jobs, with a store that changes when the test says so. With a real one: test/compat/aws/training.test.ts. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { VirtualClock } from '../../../clock.ts';
import { priceTable } from '../../../costs/index.ts';
import { PlatformError } from '../../../errors.ts';
import { resolveTrainingImage } from '../../../registry/index.ts';
import { type TrainingJob, type TrainingSpec, type TrainingStatus } from '../../../training/index.ts';
import type { AwsCall, AwsInput } from '../../service.ts';
import type { Tags } from '../tags.ts';
import { TrainingJobOperations, type TrainingJobsOptions } from './training-jobs.ts';

const never = new AbortController().signal;
const callOf = (userAgent: string, signal = never): AwsCall => ({
  account: '000000000000',
  region: 'us-east-1',
  operation: 'X',
  caller: { keyId: 'AKIA', role: 'admin' },
  requestId: 'r',
  remoteAddress: undefined,
  userAgent,
  signal,
});
const plain = callOf('Boto3/1.43 m/g,N,b,Z,E');
const waiter = callOf('Boto3/1.43 m/g,N,b,B,Z,E');
const request: AwsInput = {
  TrainingJobName: 'digits-7',
  AlgorithmSpecification: { TrainingImage: 'penstock/python', TrainingInputMode: 'File', ContainerEntrypoint: ['true'] },
  RoleArn: 'arn:aws:iam::000000000000:role/any',
  OutputDataConfig: { S3OutputPath: 's3://team/out' },
  ResourceConfig: { InstanceType: 'ml.m5.large', InstanceCount: 1, VolumeSizeInGB: 30 },
};

class Fixture {
  readonly clock = new VirtualClock();
  readonly jobs = new Map<string, TrainingJob>();
  #wake = (): void => {};

  readonly operations = new TrainingJobOperations({
    clock: this.clock,
    prices: priceTable(null),
    imageOf: (image) => resolveTrainingImage([], image),
    tags: { discard: async () => {}, begin: async () => {}, of: async () => ({}) } as unknown as Tags,
    training: {
      create: async (spec, who, options) => {
        if (this.jobs.size >= 3) throw new PlatformError('overloaded', 'The account-level service limit is 3.');
        if (this.jobs.has(spec.name)) throw new PlatformError('already_exists', 'it exists');
        return this.#add(spec, who, options?.document ?? null);
      },
      find: async (name) => this.jobs.get(name.toLowerCase()) ?? null,
      list: async ({ limit }) => [...this.jobs.values()].slice(0, limit),
      stop: async (name) => {
        const job = this.#get(name);
        if (job.status !== 'InProgress') throw new PlatformError('wrong_state', 'it is over');
        return this.turn(name, 'Stopping');
      },
      delete: async (name) => {
        if (this.#get(name).status === 'InProgress') throw new PlatformError('wrong_state', 'it runs');
        this.jobs.delete(name);
      },
      setDocument: async (name, document) => void this.jobs.set(name, { ...this.#get(name), document }),
      changed: async (_name, signal) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await Promise.race([promise, once(signal, 'abort')]);
      },
    } satisfies TrainingJobsOptions['training'],
  }).operations();

  #get(name: string): TrainingJob {
    const job = this.jobs.get(name);
    assert(job !== undefined);
    return job;
  }

  #add(spec: TrainingSpec, createdBy: string, document: AwsInput | null): TrainingJob {
    const atMs = this.clock.wallMs();
    const job: TrainingJob = {
      spec,
      createdBy,
      document,
      status: 'InProgress',
      secondaryStatus: 'Starting',
      attempt: 1,
      host: null,
      placedBecause: null,
      createdAtMs: atMs,
      updatedAtMs: atMs,
      transitions: [],
      startedAtMs: null,
      endedAtMs: null,
      failureReason: null,
      metrics: [],
      artifactUri: null,
      usage: null,
      version: null,
      notes: [],
      exitMessage: null,
      data: {},
    };
    this.jobs.set(spec.name, job);
    return job;
  }

  turn(name: string, status: TrainingStatus): TrainingJob {
    const job = { ...this.#get(name), status };
    this.jobs.set(name, job);
    this.#wake();
    return job;
  }

  run(operation: keyof Fixture['operations'], input: AwsInput = { TrainingJobName: 'digits-7' }, call = plain) {
    return Promise.resolve(this.operations[operation].run(input, call));
  }
}

async function created(): Promise<Fixture> {
  const fixture = new Fixture();
  await fixture.run('CreateTrainingJob', request);
  return fixture;
}

/** Runs all callbacks that are due, through as many resolved promises as the operations chain. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

describe('CreateTrainingJob', () => {
  test('returns the ARN and stores the members as received, without tags', async () => {
    const fixture = new Fixture();
    const { TrainingJobArn } = await fixture.run('CreateTrainingJob', { ...request, Tags: [{ Key: 'team', Value: 'vision' }] });
    assert.equal(TrainingJobArn, 'arn:aws:sagemaker:us-east-1:000000000000:training-job/digits-7');
    assert.deepEqual(fixture.jobs.get('digits-7')?.document, request);
  });

  test('rejects a name that is taken as ResourceInUse', async () => {
    const fixture = await created();
    await assert.rejects(fixture.run('CreateTrainingJob', request), {
      code: 'ResourceInUse',
      message:
        'Training job names must be unique within an AWS account and Region, and a training job with this name already exists ' +
        '(arn:aws:sagemaker:us-east-1:000000000000:training-job/digits-7)',
    });
  });

  test('rejects too many jobs as ResourceLimitExceeded', async () => {
    const fixture = await created();
    for (const name of ['a', 'b']) await fixture.run('CreateTrainingJob', { ...request, TrainingJobName: name });
    await assert.rejects(fixture.run('CreateTrainingJob', { ...request, TrainingJobName: 'c' }), { code: 'ResourceLimitExceeded' });
  });
});

describe('DescribeTrainingJob', () => {
  test('of a waiter is held until the job is over, whatever its status is meanwhile', async () => {
    const fixture = await created();
    fixture.clock.advance(10_000);
    const described = fixture.run('DescribeTrainingJob', undefined, waiter);
    let isAnswered = false;
    void described.then(() => (isAnswered = true));
    await settle();
    fixture.turn('digits-7', 'Stopping');
    await settle();
    assert.equal(isAnswered, false);
    fixture.turn('digits-7', 'Stopped');
    assert.equal((await described)['TrainingJobStatus'], 'Stopped');
  });

  test('of a waiter is answered after 50 s, before the client gives up', async () => {
    const fixture = await created();
    const described = fixture.run('DescribeTrainingJob', undefined, waiter);
    await settle();
    fixture.clock.advance(50_000);
    assert.equal((await described)['TrainingJobStatus'], 'InProgress');
  });

  test('of another client is held for the rest of the first 2 s', async () => {
    const fixture = await created();
    fixture.clock.advance(1500);
    const described = fixture.run('DescribeTrainingJob');
    await settle();
    fixture.clock.advance(500);
    assert.equal((await described)['TrainingJobStatus'], 'InProgress');
    assert.equal((await fixture.run('DescribeTrainingJob'))['TrainingJobStatus'], 'InProgress');
  });

  test('is held no longer than 2 s if the clock was set back since the job was created', async () => {
    const fixture = await created();
    const job = fixture.jobs.get('digits-7');
    assert(job !== undefined);
    fixture.jobs.set('digits-7', { ...job, createdAtMs: fixture.clock.wallMs() + 3_600_000 });
    let isAnswered = false;
    void fixture.run('DescribeTrainingJob').then(() => (isAnswered = true));
    await settle();
    fixture.clock.advance(2000);
    await settle();
    assert.equal(isAnswered, true);
  });

  test('of a client that has disconnected, or of a job that is over, is not held', async () => {
    const fixture = await created();
    await fixture.run('DescribeTrainingJob', undefined, callOf('m/B', AbortSignal.abort()));
    fixture.turn('digits-7', 'Completed');
    assert.equal((await fixture.run('DescribeTrainingJob', undefined, waiter))['TrainingJobStatus'], 'Completed');
  });
});

describe('a missing job', () => {
  for (const operation of ['DescribeTrainingJob', 'StopTrainingJob', 'DeleteTrainingJob', 'UpdateTrainingJob'] as const) {
    test(`is rejected by ${operation} as the service does, not as its model says`, async () => {
      await assert.rejects(new Fixture().run(operation), { code: 'ValidationException', message: 'Requested resource not found.' });
    });
  }
});

test('StopTrainingJob stops a job, and again, but not one that is over', async () => {
  const fixture = await created();
  assert.deepEqual(await fixture.run('StopTrainingJob'), {});
  assert.deepEqual(await fixture.run('StopTrainingJob'), {});
  fixture.turn('digits-7', 'Completed');
  await assert.rejects(fixture.run('StopTrainingJob'), {
    code: 'ValidationException',
    message: 'The request was rejected because the training job is in status Completed.',
  });
});

test('DeleteTrainingJob deletes a job that has ended, but not one in progress', async () => {
  const fixture = await created();
  await assert.rejects(fixture.run('DeleteTrainingJob'), {
    code: 'ResourceInUse',
    message: 'The training job digits-7 is InProgress: stop it first.',
  });
  fixture.turn('digits-7', 'Failed');
  assert.deepEqual(await fixture.run('DeleteTrainingJob'), {});
  assert.equal(fixture.jobs.size, 0);
});

test('UpdateTrainingJob stores the warm pool and the profiler, and rejects remote debugging', async () => {
  const fixture = await created();
  const update = (members: AwsInput) => fixture.run('UpdateTrainingJob', { TrainingJobName: 'digits-7', ...members });
  await update({ ResourceConfig: { KeepAlivePeriodInSeconds: 600 } });
  await update({ ProfilerConfig: { DisableProfiler: true } });
  const { document } = fixture.jobs.get('digits-7') ?? {};
  assert.deepEqual(document, {
    ...request,
    ResourceConfig: { ...(request['ResourceConfig'] as object), KeepAlivePeriodInSeconds: 600 },
    ProfilerConfig: { DisableProfiler: true },
  });
  await assert.rejects(update({ RemoteDebugConfig: { EnableRemoteDebug: true } }), { code: 'ValidationException' });
});

test('ListTrainingJobs supports filters that need the stored members', async () => {
  const fixture = await created();
  const names = async (input: AwsInput) =>
    ((await fixture.run('ListTrainingJobs', input))['TrainingJobSummaries'] as { TrainingJobName: string }[]).map(
      (job) => job.TrainingJobName,
    );
  assert.deepEqual(await names({}), ['digits-7']);
  assert.deepEqual(await names({ WarmPoolStatusEquals: 'Terminated' }), []);
  await fixture.run('UpdateTrainingJob', { TrainingJobName: 'digits-7', ResourceConfig: { KeepAlivePeriodInSeconds: 600 } });
  assert.deepEqual(await names({ WarmPoolStatusEquals: 'Terminated' }), ['digits-7']);
  assert.deepEqual(await names({ WarmPoolStatusEquals: 'InUse' }), []);
  assert.deepEqual(await names({ TrainingPlanArnEquals: 'arn:aws:sagemaker:us-east-1:000000000000:training-plan/p' }), []);
});
