/** Starts of executions, repeated with their token, with real tables. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { sql } from 'kysely';
import { type ControlPlane, openControlPlane } from '../../../../test/control-plane.ts';
import { SystemClock } from '../../../clock.ts';
import { defaultPrices } from '../../../costs/index.ts';
import type { AwsCall, AwsInput, AwsOutput } from '../../service.ts';
import { Documents } from '../documents.ts';
import { Tags } from '../tags.ts';
import { ExecutionRows } from './execution-rows.ts';
import { Executions } from './executions.ts';
import { PipelineOperations } from './pipeline-operations.ts';

const name = 'digits';
const token = 't'.repeat(32);
/** Ends by itself, and creates no job. */
const PipelineDefinition = JSON.stringify({
  Version: '2020-12-01',
  Parameters: [{ Name: 'why', Type: 'String', DefaultValue: 'no data' }],
  Steps: [{ Name: 'end', Type: 'Fail', Arguments: { ErrorMessage: { Get: 'Parameters.why' } } }],
});

describe('StartPipelineExecution with a token', { timeout: 60_000 }, () => {
  let control: ControlPlane;
  let executions: Executions;
  let pipelines: PipelineOperations;
  let documents: Documents;

  const call = (operation: string): AwsCall => ({
    account: '000000000000',
    region: 'us-east-1',
    operation,
    caller: { keyId: 'AKIA1', role: 'deployer' },
    requestId: 'r',
    remoteAddress: undefined,
    userAgent: undefined,
    signal: AbortSignal.abort(),
  });
  const run = async (operation: keyof ReturnType<PipelineOperations['operations']>, input: AwsInput): Promise<AwsOutput> =>
    pipelines.operations()[operation].run({ PipelineName: name, ...input }, call(operation));
  const start = async (more: AwsInput = {}): Promise<unknown> =>
    (await run('StartPipelineExecution', { ClientRequestToken: token, ...more }))['PipelineExecutionArn'];
  const listed = async (): Promise<readonly unknown[]> => {
    const { PipelineExecutionSummaries: summaries } = await run('ListPipelineExecutions', {});
    return (summaries as readonly AwsOutput[]).map(({ PipelineExecutionArn: arn }) => arn);
  };
  const failWhen = async (table: string, condition: string): Promise<void> => {
    const trigger = `create trigger failing before insert on ${table} when ${condition} begin select raise(abort, 'disk full'); end`;
    await sql.raw(trigger).execute(control.db);
  };
  const repair = async (): Promise<void> => {
    await sql`drop trigger failing`.execute(control.db);
  };

  beforeEach(async () => {
    control = await openControlPlane({ clock: new SystemClock() });
    const { db, clock, events, registry, log } = control;
    documents = new Documents({ db, clock });
    const tags = new Tags({ db, registry, documents, hasEndpoint: () => false, hasJob: async () => false });
    const rows = new ExecutionRows(db);
    const objects = { open: async () => null };
    const operations = () => ({});
    executions = new Executions({
      rows,
      clock,
      log,
      events,
      access: { callerFor: (keyId) => ({ keyId, role: 'deployer' }) },
      objects,
      awsLocation: { account: '000000000000', region: 'us-east-1' },
      operations,
    });
    const imageOf = () => assert.fail('no step has an image');
    pipelines = new PipelineOperations({
      db,
      clock,
      documents,
      tags,
      objects,
      executions,
      rows,
      operations,
      prices: defaultPrices,
      imageOf,
    });
    await run('CreatePipeline', { PipelineDefinition, RoleArn: 'arn:aws:iam::000000000000:role/any' });
  });
  afterEach(async () => {
    await executions.close();
    await control.close();
  });

  test('starts once, however often the call is repeated', async () => {
    const [first, second] = await Promise.all([start(), start()]);
    assert.equal(first, second);
    assert.equal(await start(), first);
    assert.deepEqual(await listed(), [first]);
    await assert.rejects(start({ PipelineParameters: [{ Name: 'why', Value: 'other' }] }), /used before by a call with other members/);
  });

  test('a rule starts once for each delivery, which is repeated if the server was killed before it was done', async () => {
    for (const delivery of ['d1', 'd1', 'd2']) assert.equal(await pipelines.startByEvent(name, {}, 'rule r', delivery), true);
    assert.equal((await listed()).length, 2);
    assert.equal(await pipelines.startByEvent('none', {}, 'rule r', 'd3'), false);
    await failWhen('aws_documents', "new.kind = 'client-token'");
    await assert.rejects(pipelines.startByEvent(name, {}, 'rule r', 'd4'), /disk full/);
    assert.equal((await listed()).length, 2);
  });

  // What a kill leaves behind is what a failed write leaves behind: the transaction, or nothing of it.
  for (const { what, table, condition } of [
    { what: 'its token', table: 'aws_documents', condition: "new.kind = 'client-token'" },
    { what: 'its event', table: 'events', condition: "new.kind = 'pipeline.execution-started'" },
    { what: 'the execution', table: 'pipeline_executions', condition: 'true' },
  ]) {
    test(`nothing starts if ${what} cannot be stored, and the repeated call starts once`, async () => {
      await failWhen(table, condition);
      await assert.rejects(start(), /disk full/);
      assert.deepEqual(await listed(), []);
      assert.equal((await run('DescribePipeline', {}))['LastRunTime'], undefined);
      await repair();
      const arn = await start();
      assert.equal(await start(), arn);
      assert.deepEqual(await listed(), [arn]);
      assert.notEqual((await run('DescribePipeline', {}))['LastRunTime'], undefined);
    });
  }

  test('nothing starts if the pipeline is deleted between the look and the start', async () => {
    const find = documents.find.bind(documents);
    let isDeleted = false;
    documents.find = async <Content>(...[kind, wanted, from]: Parameters<typeof find>) => {
      const found = await find<Content>(kind, wanted, from);
      if (kind === 'pipeline' && !isDeleted) {
        isDeleted = true;
        await run('DeletePipeline', {});
      }
      return found;
    };
    await assert.rejects(start(), { code: 'ResourceNotFound' });
    documents.find = find;
    const { count } = await control.db
      .selectFrom('pipeline_executions')
      .select((row) => row.fn.countAll().as('count'))
      .executeTakeFirstOrThrow();
    assert.equal(Number(count), 0);
  });
});
