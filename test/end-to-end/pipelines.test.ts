/**
 * The closed loop on a real server under load: an alarm starts a run, whose model is evaluated, approved by a test, and rolled out; a worse
 * one is rejected; one that is bad in production is rolled back. The script needs only python3: it copies a model, and forgets the first
 * pixels of the images as its hyperparameter says.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { CloudWatchClient, PutMetricAlarmCommand, SetAlarmStateCommand } from '@aws-sdk/client-cloudwatch';
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { AuditBody, PipelineBody, PipelineRunBody, TrainingDecisionBody, VersionBody } from '../../src/api/index.ts';
import { bytesOf } from '../../src/tensor.ts';
import { modelPath } from '../models/index.ts';
import { Load } from './load.ts';
import { infer } from './oip-client.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, type Refusal, Server, temporaryDirectory } from './server.ts';

const script = `import argparse, os
parser = argparse.ArgumentParser()
parser.add_argument("--forgotten", type=int)
parser.add_argument("--seconds", type=float, default=0)
arguments = parser.parse_args()
import time
time.sleep(arguments.seconds)
model = bytearray(open(os.environ["SM_CHANNEL_MODEL"] + "/digits_mlp.onnx", "rb").read())
first = 288 # of the weights of 64 pixels, 64 floats each
model[first:first + 256 * arguments.forgotten] = bytes(256 * arguments.forgotten)
open(os.environ["SM_MODEL_DIR"] + "/model.onnx", "wb").write(model)
print("forgotten=%d" % arguments.forgotten)
`;

const fileWith = (forgotten: number): string => `name: digits-loop
on:
  event: {source: [aws.cloudwatch], detail-type: [CloudWatch Alarm State Change], detail: {alarmName: [digits-drift], state: {value: [ALARM]}}}
  atMostEvery: 5m
parameters: {forgotten: ${forgotten}, seconds: 0}
train:
  source: ./code
  entry: train.py
  channels: {model: s3://team/model/}
  hyperparameters: {forgotten: "\${parameters.forgotten}", seconds: "\${parameters.seconds}"}
  metrics: {forgotten: 'forgotten=([0-9]+)'}
evaluate: {data: s3://team/holdout.csv, label: label}
register: {group: digits}
approve: {when: better}
deploy:
  endpoint: digits
  rollout: {steps: [{percent: 50, watch: 2s}, {percent: 100, watch: 2s}], alarms: [digits-late]}
`;

/** A run trains, starts workers and watches two steps: minutes, beside other tests. */
const runPatienceMs = 150_000;

/** The rows of the holdout without their labels. */
const rows = readFileSync(join(import.meta.dirname, '../../assets/catalogue/digits_test.csv'), 'utf8');
const instances = rows
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => Float32Array.from(line.split(',').slice(0, 64), Number));

/** One client of the endpoint. */
function loadOf(server: Server): Load {
  return Load.start(1, async (count) => {
    const data = instances[count % instances.length] ?? new Float32Array();
    assert.equal(
      (await infer(server.url, 'digits', [{ name: 'pixels', datatype: 'FP32', shape: [1, 64], data: bytesOf(data) }])).status,
      200,
    );
  });
}

describe('a pipeline', { timeout: 600_000 }, () => {
  let server: Server;
  let folder: string;
  let s3: S3Client;
  let alarms: CloudWatchClient;
  let rules: EventBridgeClient;
  before(async () => {
    folder = temporaryDirectory();
    mkdirSync(join(folder, 'code'));
    writeFileSync(join(folder, 'code/train.py'), script);
    server = await Server.start();
    const [accessKeyId = '', secretAccessKey = ''] = server.adminKey.split(':');
    const options = { endpoint: server.url, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
    s3 = new S3Client({ ...options, forcePathStyle: true });
    alarms = new CloudWatchClient(options);
    rules = new EventBridgeClient(options);
    await s3.send(new CreateBucketCommand({ Bucket: 'team' }));
    await s3.send(new PutObjectCommand({ Bucket: 'team', Key: 'model/digits_mlp.onnx', Body: readFileSync(modelPath('digits_mlp')) }));
    await s3.send(new PutObjectCommand({ Bucket: 'team', Key: 'holdout.csv', Body: rows }));
    for (const AlarmName of ['digits-drift', 'digits-late']) {
      const metric = { Namespace: 'Test', MetricName: AlarmName, Statistic: 'Maximum', Period: 60, EvaluationPeriods: 1 } as const;
      const compared = { Threshold: 1, ComparisonOperator: 'GreaterThanThreshold', TreatMissingData: 'ignore' } as const;
      await alarms.send(new PutMetricAlarmCommand({ AlarmName, ...metric, ...compared }));
    }
  });
  after(async () => {
    for (const client of [s3, alarms, rules]) client?.destroy();
    await server?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  const cli = (...argv: string[]) =>
    promisify(execFile)(penstock, ['pipeline', ...argv], { env: { ...plainEnvironment(), PENSTOCK_URL: server.url }, cwd: folder });
  const apply = async (forgotten: number): Promise<string> => {
    writeFileSync(join(folder, 'loop.yaml'), fileWith(forgotten));
    return (await cli('apply', 'loop.yaml')).stdout;
  };
  const run = (number: number): Promise<PipelineRunBody> => server.callWell('GET', `/pipelines/digits-loop/runs/${number}`);
  const over = (number: number): Promise<PipelineRunBody> =>
    until(
      `run ${number} is over`,
      async () => {
        const reply = await server.call<PipelineRunBody>('GET', `/pipelines/digits-loop/runs/${number}`);
        return reply.status === 200 && reply.body.state !== 'InProgress' && reply.body;
      },
      runPatienceMs,
    );
  const setAlarm = (AlarmName: string, StateValue: 'ALARM' | 'OK') =>
    alarms.send(new SetAlarmStateCommand({ AlarmName, StateValue, StateReason: 'test' }));
  const version = (number: number): Promise<VersionBody> => server.callWell('GET', `/groups/digits/versions/${number}`);
  const served = async (): Promise<string[]> => (await server.endpoint('digits')).variants.map(({ model }) => model);
  const statesOf = ({ steps }: PipelineRunBody): string[] => steps.map(({ step, state }) => `${step} ${state}`);

  test('creates the endpoint with its first version', async () => {
    writeFileSync(join(folder, 'loop.yaml'), fileWith(16));
    assert.match((await cli('plan', 'loop.yaml')).stdout, /\ndeploy\s+create endpoint digits\n/);
    assert.match(await apply(16), /^digits-loop is at revision 1: train -> register -> evaluate -> approve -> deploy\n/);
    const { stdout, stderr } = await cli('run', 'digits-loop');
    assert.match(stdout, /^digits-loop\/1 completed: digits\/1 serves digits: created\n$/);
    assert.match(
      stderr,
      /✔ train .*\n.*✔ register .*\n.*✔ evaluate .*accuracy 0\.5778 on 450 rows.*\n.*✔ approve .*the first.*\n.*✔ deploy/,
    );
    assert.deepEqual(await served(), ['digits/1']);
    assert.match((await version(1)).approval_note ?? '', /^pipeline:digits-loop\/1: /);
  });

  test('runs on an alarm: the better model is approved by the test, and rolled out under load without a failed request', async () => {
    await apply(8);
    const load = loadOf(server);
    try {
      await setAlarm('digits-drift', 'ALARM');
      // Events keep a distance from the run before, more than that takes: the request of a caller does not, and both count as one.
      await until('the alarm waits for its run', async () => {
        const { waiting, last_run: last } = await server.callWell<PipelineBody>('GET', '/pipelines/digits-loop');
        return waiting?.by === 'alarm.state-changed' || last?.number === 2;
      });
      await server.callWell('POST', '/pipelines/digits-loop/runs', {});
      const second = await over(2);
      assert.equal(second.reason, null);
      assert.deepEqual(
        [second.state, second.verdict, second.version, second.against, second.trigger.count],
        ['Completed', 'better', 'digits/2', 'digits/1', 2],
      );
      assert.ok((second.test?.p_better ?? 1) < 1e-6 && (second.test?.gain ?? 0) > 0.2, JSON.stringify(second.test));
      assert.deepEqual(second.holdout && [second.holdout.rows, second.holdout.uses], [450, 1]);
      assert.deepEqual(await served(), ['digits/2']);
    } finally {
      await load.stop();
    }
    assert.deepEqual(load.failures, []);
    assert.ok(load.answered > 50, `${load.answered} answered`);
    const { items } = await server.callWell<{ items: TrainingDecisionBody[] }>('GET', '/endpoints/digits/decisions?kind=training');
    const [decision] = items;
    assert.deepEqual([decision?.chosen.action, decision?.reason, decision?.effect?.outcome], ['approve', 'better', 'deployed']);
    assert.deepEqual(
      decision?.alternatives.map(({ action }) => action),
      ['approve', 'keep', 'reject'],
    );
  });

  test('rejects a worse model, and leaves the endpoint alone', async () => {
    const earlier = await server.endpoint('digits');
    const { stdout } = await cli('run', 'digits-loop', '--parameter', 'forgotten=24', '--output', 'json');
    const third = JSON.parse(stdout) as PipelineRunBody;
    assert.deepEqual([third.state, third.verdict], ['Completed', 'worse']);
    assert.deepEqual(statesOf(third).slice(-2), ['approve Completed', 'deploy Skipped']);
    assert.equal((await version(3)).approval, 'Rejected');
    assert.equal((await server.endpoint('digits')).generation, earlier.generation);
    assert.equal(third.holdout?.uses, 2);
  });

  test('takes back a model that is bad in production: the run failed, and the version is rejected', async () => {
    const load = loadOf(server);
    try {
      await server.callWell('POST', '/pipelines/digits-loop/runs', { parameters: { forgotten: '0' } });
      await until(
        'half of the requests go to the new version',
        async () => typeof (await server.endpoint('digits')).rollout?.watched_since === 'string' || (await run(4)).state !== 'InProgress',
      );
      await setAlarm('digits-late', 'ALARM');
      const fourth = await over(4);
      assert.deepEqual([fourth.state, fourth.verdict, fourth.version], ['Failed', 'better', 'digits/4']);
      assert.match(fourth.reason ?? '', /^digits\/4 was rolled back and rejected: alarm digits-late is in ALARM$/);
      await server.inService('digits');
      assert.deepEqual(await served(), ['digits/2']);
      const { approval, approval_note: note } = await version(4);
      assert.deepEqual([approval, note], ['Rejected', 'pipeline:digits-loop/4: rolled back: alarm digits-late is in ALARM']);
    } finally {
      await load.stop();
    }
    assert.deepEqual(load.failures, []);
    await setAlarm('digits-late', 'OK');
  });

  test('continues after kill -9 of the server, with one job and one version', async () => {
    await server.callWell('POST', '/pipelines/digits-loop/runs', { parameters: { forgotten: '8', seconds: '3' } });
    await until('the job trains', async () => {
      // The name is stored before the job is created.
      const { job } = await run(5);
      const { status, body } = await server.call<{ secondary_status?: string }>('GET', `/training-jobs/${job ?? 'none'}`);
      return status === 200 && body.secondary_status === 'Training';
    });
    server.signal('SIGKILL');
    await server.ended;
    const { dataDir } = server;
    server = await Server.start({ dataDir });
    const fifth = await over(5);
    // The same bytes as what is deployed: the test has nothing to decide.
    assert.deepEqual([fifth.state, fifth.verdict, fifth.version], ['Completed', 'unsure', 'digits/5'], fifth.reason ?? '');
    assert.match(
      fifth.steps.find(({ step }) => step === 'approve')?.note ?? '',
      /^left pending: nothing to decide: both answer alike on 450 rows/,
    );
    assert.equal((await version(5)).approval, 'PendingManualApproval');
    assert.equal((await server.call('GET', '/groups/digits/versions/6')).status, 404);
  });

  test('fails once the key is revoked that applied it, with the reason; its audit names key and pipeline', async () => {
    const key = await server.callWell<{ id: string; secret: string }>('POST', '/keys', { role: 'approver' });
    writeFileSync(join(folder, 'loop.yaml'), fileWith(8).replace('digits-loop', 'other-loop'));
    await promisify(execFile)(penstock, ['pipeline', 'apply', 'loop.yaml'], {
      env: { ...plainEnvironment(), PENSTOCK_URL: server.url, PENSTOCK_KEY: `${key.id}:${key.secret}` },
      cwd: folder,
    });
    await server.callWell('DELETE', `/keys/${key.id}`);
    const { run: started } = await server.callWell<{ run: PipelineRunBody }>('POST', '/pipelines/other-loop/runs', {});
    const failed = await until('the run is over', async () => {
      const now = await server.callWell<PipelineRunBody>('GET', `/pipelines/other-loop/runs/${started.number}`);
      return now.state !== 'InProgress' && now;
    });
    assert.equal(failed.state, 'Failed');
    assert.match(failed.reason ?? '', new RegExp(`^step train: the key ${key.id}, which applied the pipeline, was revoked`));
    const { items } = await server.callWell<{ items: AuditBody[] }>('GET', '/audit?limit=200');
    const approved = items.find(({ action, target }) => action === 'SetApproval' && target === 'digits/2');
    const { applied_by: by } = await server.callWell<PipelineBody>('GET', '/pipelines/digits-loop');
    assert.deepEqual([approved?.who, approved?.origin?.user_agent], [by, 'pipeline:digits-loop/2']);
  });

  test('is started by a rule with its ARN, and rejects what it cannot run', async () => {
    const [accessKeyId = '', secretAccessKey = ''] = server.adminKey.split(':');
    const own = new EventBridgeClient({
      endpoint: server.url,
      region: 'us-east-1',
      credentials: { accessKeyId, secretAccessKey },
      maxAttempts: 1,
    });
    await own.send(new PutRuleCommand({ Name: 'nightly', ScheduleExpression: 'rate(1 day)' }));
    const target = { Id: 'loop', Arn: 'arn:aws:sagemaker:us-east-1:000000000000:pipeline/digits-loop' };
    const SageMakerPipelineParameters = { PipelineParameterList: [{ Name: 'forgotten', Value: '9' }] };
    const { FailedEntryCount } = await own.send(
      new PutTargetsCommand({ Rule: 'nightly', Targets: [{ ...target, SageMakerPipelineParameters }] }),
    );
    assert.equal(FailedEntryCount, 0);
    own.destroy();

    const unknown = await server.call<Refusal>('POST', '/pipelines/digits-loop/runs', { parameters: { C: '1' } });
    assert.deepEqual(
      [unknown.status, unknown.body.error],
      [400, "unknown parameter 'C' of pipeline digits-loop: expected forgotten, seconds"],
    );
    await server.deploy('iris', 'iris_rf');
    const bad: readonly (readonly [string, RegExp])[] = [
      [fileWith(8).replace('endpoint: digits', 'endpoint: iris'), /endpoint iris serves group iris, not digits/],
      [
        fileWith(8).replace('watch: 2s', 'wach: 2s'),
        /line 17: unknown member 'wach' of deploy\.rollout\.steps\[0\]: did you mean 'watch'\?/,
      ],
      [fileWith(8).replace('entry: train.py', 'entry: other.py'), /other\.py/],
      [fileWith(8).replace('s3://team/model/', 'file:///etc'), /expected s3:\/\/bucket\/prefix/],
    ];
    for (const [text, problem] of bad) {
      const form = new FormData();
      form.set('file', text);
      const reply = await fetch(`${server.url}/api/v1/pipelines`, { method: 'POST', body: form });
      const { error } = (await reply.json()) as Refusal;
      assert.match(error, problem);
      assert.ok(reply.status >= 400 && reply.status < 500, `${reply.status} ${error}`);
    }
  });
});
