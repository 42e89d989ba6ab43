/** What starts a pipeline on a real server, and what it calls when it has run. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { CloudWatchClient, PutMetricAlarmCommand, SetAlarmStateCommand } from '@aws-sdk/client-cloudwatch';
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import type { PipelineBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { Server } from './server.ts';

let server: Server;
let receiver: HttpServer;
let alarms: CloudWatchClient;
let rules: EventBridgeClient;
/** Bodies that the URL of `notify` received. */
const notices: Record<string, unknown>[] = [];

before(async () => {
  server = await Server.start();
  const [accessKeyId = '', secretAccessKey = ''] = server.adminKey.split(':');
  const options = { endpoint: server.url, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
  alarms = new CloudWatchClient(options);
  rules = new EventBridgeClient(options);
  receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      notices.push(JSON.parse(body) as Record<string, unknown>);
      response.end();
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
});
after(async () => {
  for (const client of [alarms, rules]) client?.destroy();
  await server?.end();
  receiver?.close();
  receiver?.closeAllConnections();
});

test('a rule starts a run with its parameters, which calls its URL once when it has ended', { timeout: 120_000 }, async () => {
  const hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  const file = `name: ruled-loop\nparameters: {depth: 1}\ntrain: {command: [/bin/true]}\nnotify: ['${hook}']\n`;
  const form = new FormData();
  form.set('file', file);
  const applied = await fetch(`${server.url}/api/v1/pipelines`, { method: 'POST', body: form });
  assert.equal(applied.status, 200, await applied.text());

  const metric = { Namespace: 'Test', MetricName: 'late', Statistic: 'Maximum', Period: 60, EvaluationPeriods: 1 } as const;
  const compared = { Threshold: 1, ComparisonOperator: 'GreaterThanThreshold', TreatMissingData: 'ignore' } as const;
  await alarms.send(new PutMetricAlarmCommand({ AlarmName: 'late', ...metric, ...compared }));
  const pattern = { source: ['aws.cloudwatch'], detail: { alarmName: ['late'], state: { value: ['ALARM'] } } };
  await rules.send(new PutRuleCommand({ Name: 'on-late', EventPattern: JSON.stringify(pattern) }));
  const Arn = 'arn:aws:sagemaker:us-east-1:000000000000:pipeline/ruled-loop';
  const SageMakerPipelineParameters = { PipelineParameterList: [{ Name: 'depth', Value: '9' }] };
  await rules.send(new PutTargetsCommand({ Rule: 'on-late', Targets: [{ Id: 'loop', Arn, SageMakerPipelineParameters }] }));
  await alarms.send(new SetAlarmStateCommand({ AlarmName: 'late', StateValue: 'ALARM', StateReason: 'test' }));

  const run = await until('the run of the rule is over', async () => {
    const { last_run: last } = await server.callWell<PipelineBody>('GET', '/pipelines/ruled-loop');
    return last !== null && last.state !== 'InProgress' && last;
  });
  assert.deepEqual(
    [run.number, run.state, run.reason, run.trigger.kind, run.trigger.by, run.parameters],
    [1, 'Completed', null, 'event', 'rule on-late', { depth: '9' }],
  );
  await until('the notification was delivered', async () => notices.length > 0);
  const [{ name, state, run: number } = {}] = notices;
  assert.deepEqual([name, state, number, notices.length], ['ruled-loop/1', 'Completed', 1, 1]);
});
