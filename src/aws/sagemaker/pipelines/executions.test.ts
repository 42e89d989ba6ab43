/** Executions with real tables; the jobs of their steps are made up. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type ControlPlane, openControlPlane } from '../../../../test/control-plane.ts';
import type { Caller } from '../../../access/index.ts';
import { SystemClock } from '../../../clock.ts';
import { openLogs } from '../../../logs/index.ts';
import { AwsError, type AwsInput, type AwsOperation, changeOperation, readOperation } from '../../service.ts';
import { Documents } from '../documents.ts';
import { type Execution, ExecutionRows } from './execution-rows.ts';
import { Executions, type NewExecution } from './executions.ts';
import { PipelineViews } from './pipeline-views.ts';

const training = (name: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  Name: name,
  Type: 'Training',
  Arguments: {
    AlgorithmSpecification: { TrainingImage: 'penstock/python', TrainingInputMode: 'File' },
    RoleArn: 'arn:aws:iam::000000000000:role/any',
    OutputDataConfig: { S3OutputPath: 's3://team/out' },
    HyperParameters: { name },
  },
  ...more,
});

interface Job {
  status: 'InProgress' | 'Completed' | 'Failed' | 'Stopped';
  readonly input: AwsInput;
}

describe('an execution', { timeout: 60_000 }, () => {
  let control: ControlPlane;
  let jobs: Map<string, Job>;
  let caller: Caller | undefined;
  let others: Map<string, Caller>;
  let opened: Executions[];
  let reads: number;

  const jobOf = (step: string): Job | undefined =>
    [...jobs.values()].find(({ input }) => (input['HyperParameters'] as { name: string }).name === step);
  const operations: Record<string, AwsOperation> = {
    CreateTrainingJob: changeOperation('train', (input) => {
      const name = String(input['TrainingJobName']);
      if (jobs.has(name)) throw new AwsError('ResourceInUse', `${name} exists`);
      jobs.set(name, { status: 'InProgress', input });
      return { TrainingJobArn: `arn:aws:sagemaker:us-east-1:000000000000:training-job/${name}` };
    }),
    DescribeTrainingJob: readOperation('read training jobs', ({ TrainingJobName: name }) => {
      const job = jobs.get(String(name));
      if (job?.status === 'Completed') reads++;
      if (job === undefined) throw new AwsError('ValidationException', 'Requested resource not found.');
      return { TrainingJobStatus: job.status, TrainingJobArn: `arn:${String(name)}`, FailureReason: 'no rows' };
    }),
    DescribeModelPackageGroup: readOperation('read model versions', async () => ({})),
    CreateModelPackage: changeOperation('register version', async () => ({
      ModelPackageArn: 'arn:aws:sagemaker:us-east-1:000000000000:model-package/g/1',
    })),
    DescribeModelPackage: readOperation('read model versions', async () => ({ ModelPackageStatus: 'InProgress' })),
    StopTrainingJob: changeOperation('train', ({ TrainingJobName: name }) => {
      (jobs.get(String(name)) as Job).status = 'Stopped';
      return {};
    }),
  };

  const open = async (rows = new ExecutionRows(control.db)): Promise<Executions> => {
    const { events } = control;
    const executions = new Executions({
      rows,
      clock: new SystemClock(),
      log: openLogs(null, 'silent').platform,
      events,
      access: { callerFor: (id) => (id === 'AKIA1' ? caller : others.get(id)) },
      objects: { open: async () => null },
      awsLocation: { account: '000000000000', region: 'us-east-1' },
      operations: () => operations,
    });
    await executions.open();
    opened.push(executions);
    return executions;
  };
  beforeEach(async () => {
    control = await openControlPlane({ clock: new SystemClock() });
    others = new Map();
    [jobs, caller, opened, reads] = [new Map(), { keyId: 'AKIA1', role: 'deployer' }, [], 0];
  });
  afterEach(async () => {
    for (const executions of opened) await executions.close();
    await control.database.close();
    rmSync(control.directory, { recursive: true, force: true });
  });

  const start = (executions: Executions, steps: readonly unknown[], more: Partial<NewExecution> = {}): Promise<Execution> =>
    executions.start({
      pipeline: 'digits',
      definition: JSON.stringify({ Version: '2020-12-01', Steps: steps }),
      who: 'AKIA1',
      startedBy: 'AKIA1',
      displayName: null,
      description: null,
      parallelMax: null,
      isStartedByKey: true,
      parameters: {},
      ...more,
    });
  const until = async (isDone: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await isDone())) await new Promise((resolve) => setImmediate(resolve));
  };
  const over = async (executions: Executions, id: string): Promise<Execution> => {
    await executions.ended(id, AbortSignal.timeout(20_000));
    return (await executions.find(id)) as Execution;
  };
  const statusesOf = ({ steps }: Execution) => steps.map(({ name, status }) => `${name} ${status}`);

  test('runs steps side by side, and those that wait for others after them', async () => {
    const executions = await open();
    const { id } = await start(executions, [training('a'), training('b'), training('c', { DependsOn: ['a', 'b'] })]);
    await until(() => jobOf('a') !== undefined && jobOf('b') !== undefined);
    assert.equal(jobOf('c'), undefined);
    for (const step of ['a', 'b']) (jobOf(step) as Job).status = 'Completed';
    await until(() => jobOf('c') !== undefined);
    (jobOf('c') as Job).status = 'Completed';
    const ended = await over(executions, id);
    assert.deepEqual([ended.status, statusesOf(ended)], ['Succeeded', ['a Succeeded', 'b Succeeded', 'c Succeeded']]);
    const kinds = (await control.events.since(0, 100)).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['pipeline.execution-started', 'pipeline.execution-ended']);
  });

  test('runs no more steps at once than it may', async () => {
    const executions = await open();
    const { id } = await start(executions, [training('a'), training('b')], { parallelMax: 1 });
    await until(() => jobOf('a') !== undefined);
    assert.equal(jobs.size, 1);
    (jobOf('a') as Job).status = 'Completed';
    await until(() => jobOf('b') !== undefined);
    (jobOf('b') as Job).status = 'Completed';
    assert.equal((await over(executions, id)).status, 'Succeeded');
  });

  test('an older execution counts as unfinished after a newer one has ended', async () => {
    const executions = await open();
    const rows = new ExecutionRows(control.db);
    const older = await start(executions, [training('a')]);
    const newer = await start(executions, [{ Name: 'f', Type: 'Fail', Arguments: { ErrorMessage: 'no' } }]);
    assert.equal((await over(executions, newer.id)).status, 'Failed');
    assert.equal((await rows.transact((tx) => rows.unfinishedOf(tx, 'DIGITS')))?.id, older.id);
    await until(() => jobOf('a') !== undefined);
    (jobOf('a') as Job).status = 'Completed';
    await over(executions, older.id);
    assert.equal(await rows.transact((tx) => rows.unfinishedOf(tx, 'digits')), null);
  });

  test('reads the result of a step once, however often another refers to it', async () => {
    const executions = await open();
    const values = Array.from({ length: 500 }, () => ({ Get: 'Steps.a.TrainingJobArn' }));
    const { id } = await start(executions, [
      training('a'),
      { Name: 'f', Type: 'Fail', Arguments: { ErrorMessage: { 'Std:Join': { On: ' ', Values: values } } } },
    ]);
    await until(() => jobOf('a') !== undefined);
    (jobOf('a') as Job).status = 'Completed';
    assert.equal((await over(executions, id)).status, 'Failed');
    assert(reads <= 2, `${reads} reads`);
  });

  test('lets running steps end after a failure, and starts no other', async () => {
    const executions = await open();
    const { id } = await start(executions, [training('a'), training('b'), training('c', { DependsOn: ['b'] })]);
    await until(() => jobs.size === 2);
    (jobOf('a') as Job).status = 'Failed';
    await until(async () => (await executions.find(id))?.steps.some(({ status }) => status === 'Failed') === true);
    (jobOf('b') as Job).status = 'Completed';
    const ended = await over(executions, id);
    assert.deepEqual([ended.status, statusesOf(ended), jobs.size], ['Failed', ['a Failed', 'b Succeeded'], 2]);
    assert.equal(ended.steps[0]?.failureReason, 'no rows');
  });

  test('continues after a restart with the job that runs, and starts none twice', async () => {
    const first = await open();
    const { id } = await start(first, [training('a'), training('b', { DependsOn: ['a'] })]);
    await until(() => jobOf('a') !== undefined);
    await first.close();
    (jobOf('a') as Job).status = 'Completed';
    const second = await open();
    await until(() => jobOf('b') !== undefined);
    (jobOf('b') as Job).status = 'Completed';
    assert.equal((await over(second, id)).status, 'Succeeded');
    assert.equal(jobs.size, 2);
  });

  test('finds the job that a killed server created without storing its ARN', async () => {
    const first = await open();
    const { id } = await start(first, [training('a')]);
    await until(() => jobOf('a') !== undefined);
    await first.close();
    const { rows } = { rows: new ExecutionRows(control.db) };
    const stored = (await rows.find(id)) as Execution;
    const steps = stored.steps.map((step) => ({ ...step, arn: null }));
    await rows.transact((tx) => rows.write(tx, { ...stored, steps }));
    const second = await open();
    (jobOf('a') as Job).status = 'Completed';
    assert.equal((await over(second, id)).status, 'Succeeded');
    assert.equal(jobs.size, 1);
  });

  test('with a large definition waits until those that run leave room in the memory of the server', async () => {
    const executions = await open();
    const definition = JSON.stringify({ Version: '2020-12-01', Metadata: { note: 'x'.repeat(9 * 2 ** 20) }, Steps: [training('a')] });
    const { id } = await start(executions, [], { definition });
    await assert.rejects(start(executions, [], { definition }), { code: 'ResourceLimitExceeded', message: /wait until one has ended/ });
    await start(executions, [{ Name: 'f', Type: 'Fail', Arguments: { ErrorMessage: 'no' } }]);
    await until(() => jobOf('a') !== undefined);
    (jobOf('a') as Job).status = 'Completed';
    assert.equal((await over(executions, id)).status, 'Succeeded');
    await start(executions, [], { definition });
  });

  test('is stopped with its jobs', async () => {
    const executions = await open();
    const { id } = await start(executions, [training('a'), training('b', { DependsOn: ['a'] })]);
    await until(() => jobOf('a') !== undefined);
    await executions.stop(id);
    const ended = await over(executions, id);
    assert.deepEqual([ended.status, statusesOf(ended), jobOf('a')?.status], ['Stopped', ['a Stopped'], 'Stopped']);
  });

  test('that ends while it is being stopped has ended, once', async () => {
    class SlowRows extends ExecutionRows {
      stopping: Promise<unknown> | null = null;
      override async write(...[tx, execution]: Parameters<ExecutionRows['write']>): Promise<void> {
        await super.write(tx, execution);
        if (execution.status === 'Succeeded') this.stopping ??= executions.stop(execution.id);
      }
    }
    const rows = new SlowRows(control.db);
    const executions = await open(rows);
    const { id } = await start(executions, [training('a')]);
    await until(() => jobOf('a') !== undefined);
    (jobOf('a') as Job).status = 'Completed';
    await over(executions, id);
    await rows.stopping;
    assert.equal((await executions.find(id))?.status, 'Succeeded');
    const kinds = (await control.events.since(0, 100)).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['pipeline.execution-started', 'pipeline.execution-ended']);
  });

  test('and its pipeline are shown in pages by the native API', async () => {
    const { db, clock, audit } = control;
    const executions = await open();
    const documents = new Documents({ db, clock });
    const views = new PipelineViews({ documents, executions, db, audit });
    const steps = [{ Name: 'f', Type: 'Fail', Arguments: { ErrorMessage: 'no' } }];
    const definition = JSON.stringify({ Version: '2020-12-01', Steps: steps });
    for (const name of ['b', 'digits', 'a']) await documents.add({ kind: 'pipeline', name, content: { definition, who: 'AKIA1' } });
    const ids: string[] = [];
    for (let count = 0; count < 3; count++) {
      const { id } = await start(executions, steps);
      await over(executions, id);
      ids.push(id);
    }
    const names = async (page: { limit: number; offset: number }) => (await views.list(page)).map(({ name }) => name);
    assert.deepEqual([await names({ limit: 2, offset: 0 }), await names({ limit: 2, offset: 2 })], [['a', 'b'], ['digits']]);
    const all = await views.executions('digits', { limit: 9, offset: 0 });
    assert.deepEqual(all.map(({ id }) => id).toSorted(), ids.toSorted());
    assert.deepEqual(await views.executions('digits', { limit: 9, offset: 2 }), all.slice(2));
    assert.equal((await views.get('Digits')).lastExecution?.id, all[0]?.id);
  });

  test('is stopped by the native API, with an audit record, and only while it is in progress', async () => {
    const { db, clock, audit } = control;
    const executions = await open();
    const views = new PipelineViews({ documents: new Documents({ db, clock }), executions, db, audit });
    const { id } = await start(executions, [training('a')]);
    await until(() => jobOf('a') !== undefined);
    await assert.rejects(views.stop('other', id, 'AKIA2'), { code: 'not_found' });
    await views.stop('DIGITS', id, 'AKIA2');
    assert.equal((await over(executions, id)).status, 'Stopped');
    await assert.rejects(views.stop('digits', id, 'AKIA2'), {
      code: 'wrong_state',
      message: `execution ${id} of pipeline digits is Stopped: only one in progress can be stopped`,
    });
    const records = await audit.list({ limit: 10 });
    assert.deepEqual(
      records.map(({ who, action, target, outcome }) => [who, action, target, outcome]),
      [['AKIA2', 'StopPipelineExecution', 'digits', 'ok']],
    );
  });

  test('is stopped while a model package is in progress, which cannot be stopped', async () => {
    caller = { keyId: 'AKIA1', role: 'admin' };
    const executions = await open();
    const { id } = await start(executions, [{ Name: 'r', Type: 'RegisterModel', Arguments: { ModelPackageGroupName: 'g' } }]);
    await until(async () => ((await executions.find(id))?.steps[0]?.arn ?? null) !== null);
    await executions.stop(id);
    const ended = await over(executions, id);
    assert.deepEqual(
      [ended.status, statusesOf(ended), ended.steps[0]?.failureReason],
      ['Stopped', ['r Stopped'], 'the execution was stopped'],
    );
  });

  for (const [what, now, message] of [
    ['was revoked', undefined, /the key AKIA1, which defined the pipeline, was revoked: update pipeline digits/],
    ['lost the right', { keyId: 'AKIA1', role: 'viewer' }, /has the role viewer, and deployer is needed/],
  ] as const) {
    test(`fails at the next step once its key ${what}`, async () => {
      const executions = await open();
      caller = now;
      const { id } = await start(executions, [training('a')]);
      const ended = await over(executions, id);
      assert.deepEqual([ended.status, jobs.size], ['Failed', 0]);
      assert.match(ended.steps[0]?.failureReason ?? '', message);
    });
  }

  describe('of a pipeline that an approver has defined', () => {
    const approved: AwsInput[] = [];
    const register = {
      Name: 'r',
      Type: 'RegisterModel',
      Arguments: {
        ModelPackageGroupName: 'arn:aws:sagemaker:us-east-1:000000000000:model-package-group/digits',
        ModelApprovalStatus: { Get: 'Parameters.Status' },
      },
    };
    const definition = JSON.stringify({
      Version: '2020-12-01',
      Parameters: [
        { Name: 'Status', Type: 'String', DefaultValue: 'Approved' },
        { Name: 'Note', Type: 'String', DefaultValue: 'none' },
      ],
      Steps: [register],
    });
    const roleOf: string[] = [];
    beforeEach(() => {
      approved.length = 0;
      roleOf.length = 0;
      caller = { keyId: 'AKIA1', role: 'approver' };
      others = new Map([
        ['AKIA2', { keyId: 'AKIA2', role: 'deployer' }],
        ['AKIA3', { keyId: 'AKIA3', role: 'admin' }],
      ]);
      operations['CreateModelPackage'] = changeOperation(
        ({ ModelApprovalStatus: status }) => (status === 'Approved' ? 'approve version' : 'register version'),
        (input, call) => {
          approved.push(input);
          roleOf.push(call.caller.role);
          return { ModelPackageArn: 'arn:aws:sagemaker:us-east-1:000000000000:model-package/digits/1' };
        },
      );
      operations['DescribeModelPackage'] = readOperation('read model versions', () => ({ ModelPackageStatus: 'Completed' }));
    });
    const run = async (more: Partial<NewExecution>): Promise<Execution> => {
      const executions = await open();
      const { id } = await start(executions, [], { definition, ...more });
      return over(executions, id);
    };

    test('a deployer runs it as it is, but no value of theirs is used with the rights of the approver', async () => {
      const asItIs = await run({ startedBy: 'AKIA2', parameters: { Note: 'none' } });
      assert.deepEqual([asItIs.steps[0]?.failureReason, roleOf], [null, ['approver']]);
      for (const parameters of [{ Status: 'Approved', Note: 'mine' }, { Note: 'mine' }]) {
        const { status, steps } = await run({ startedBy: 'AKIA2', parameters });
        assert.equal(status, 'Failed');
        assert.match(
          steps[0]?.failureReason ?? '',
          /AKIA2, which started the execution with values of its own, has the role deployer, and approver is needed/,
        );
      }
      const pending = await run({ startedBy: 'AKIA2', parameters: { Status: 'PendingManualApproval' } });
      assert.deepEqual([pending.status, roleOf], ['Succeeded', ['approver', 'deployer']]);
    });

    test('a key with more rights lends none, and a rule named like a key has those of a deployer', async () => {
      assert.equal((await run({ startedBy: 'AKIA3', parameters: { Note: 'mine' } })).status, 'Succeeded');
      assert.deepEqual(roleOf, ['approver']);
      const byRule = await run({ startedBy: 'AKIA3', isStartedByKey: false, parameters: { Note: 'mine' } });
      assert.match(byRule.steps[0]?.failureReason ?? '', /has the role deployer, and approver is needed/);
    });
  });

  test('uses the result of the same step again while its cache lasts', async () => {
    const executions = await open();
    const cached = training('a', { CacheConfig: { Enabled: true, ExpireAfter: 'PT1H' } });
    const first = await start(executions, [cached]);
    await until(() => jobOf('a') !== undefined);
    (jobOf('a') as Job).status = 'Completed';
    await over(executions, first.id);
    const second = await over(executions, (await start(executions, [cached])).id);
    assert.deepEqual([second.status, second.steps[0]?.cachedFrom, jobs.size], ['Succeeded', first.id, 1]);
  });
});
