/**
 * Metrics, logs, events and audit through the SDK for JavaScript, with the same numbers as in all other APIs. Also an update that an alarm
 * rolls back.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { LookupEventsCommand } from '@aws-sdk/client-cloudtrail';
import {
  DescribeAlarmHistoryCommand,
  DescribeAlarmsCommand,
  GetMetricDataCommand,
  GetMetricStatisticsCommand,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
  paginateListMetrics,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import {
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  DescribeLogGroupsCommand,
  FilterLogEventsCommand,
  GetLogEventsCommand,
  PutLogEventsCommand,
  PutRetentionPolicyCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import {
  DescribeRuleCommand,
  ListTargetsByRuleCommand,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
  TestEventPatternCommand,
} from '@aws-sdk/client-eventbridge';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  CreateModelPackageCommand,
  CreateModelPackageGroupCommand,
  DescribeEndpointCommand,
  UpdateEndpointCommand,
  waitUntilEndpointInService,
} from '@aws-sdk/client-sagemaker';
import { InvokeEndpointCommand } from '@aws-sdk/client-sagemaker-runtime';
import type { EndpointBody, SeriesBody } from '../../../src/api/index.ts';
import { until } from '../../end-to-end/poll.ts';
import { modelPath } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';

const calls = 41;
const wrongCalls = 3;
const row = Array.from({ length: 64 }, () => 0).join(',');
const dimensions = [
  { Name: 'EndpointName', Value: 'digits' },
  { Name: 'VariantName', Value: 'AllTraffic' },
];
const span = { StartTime: new Date(Date.now() - 3_600_000), EndTime: new Date(Date.now() + 3_600_000) };

describe('monitoring through the SDK for JavaScript', { timeout: 500_000 }, () => {
  let aws: AwsFixture;
  before(async () => {
    aws = await AwsFixture.open();
    await aws.s3.send(new CreateBucketCommand({ Bucket: 'models' }));
    for (const name of ['digits_mlp', 'digits_logreg'] as const) {
      const ModelName = name.replace('_', '-');
      await aws.s3.send(new PutObjectCommand({ Bucket: 'models', Key: `${name}.onnx`, Body: readFileSync(modelPath(name)) }));
      const PrimaryContainer = { Image: 'penstock/onnx:1', ModelDataUrl: `s3://models/${name}.onnx` };
      await aws.sagemaker.send(new CreateModelCommand({ ModelName, PrimaryContainer }));
      const ProductionVariants = [{ VariantName: 'AllTraffic', ModelName, InstanceType: 'ml.m5.large' as const, InitialInstanceCount: 1 }];
      await aws.sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName: ModelName, ProductionVariants }));
    }
    await aws.sagemaker.send(new CreateEndpointCommand({ EndpointName: 'digits', EndpointConfigName: 'digits-mlp' }));
    await waitUntilEndpointInService({ client: aws.sagemaker, maxWaitTime: 200 }, { EndpointName: 'digits' });
  });
  after(() => aws?.close());

  const invoke = (Body: string) => aws.runtime.send(new InvokeEndpointCommand({ EndpointName: 'digits', ContentType: 'text/csv', Body }));

  test('CloudWatch, /metrics, the native series, the statistics and the cost ledger count every call', async () => {
    for (let i = 0; i < calls; i++) await invoke(row);
    for (let i = 0; i < wrongCalls; i++) await assert.rejects(invoke('no numbers'));
    const about = { Namespace: 'AWS/SageMaker', Dimensions: dimensions, Period: 7200, ...span };
    const sum = async (MetricName: string): Promise<number> => {
      const { Datapoints = [] } = await aws.cloudwatch.send(new GetMetricStatisticsCommand({ ...about, MetricName, Statistics: ['Sum'] }));
      return Datapoints.reduce((total, { Sum = 0 }) => total + Sum, 0);
    };
    assert.deepEqual([await sum('Invocations'), await sum('InvocationModelErrors')], [calls + wrongCalls, 0]);
    assert.equal((await sum('Invocation4XXErrors')) + (await sum('Invocation5XXErrors')), wrongCalls);
    const labels = (outcome: string) => `penstock_requests_total{endpoint="digits",variant="AllTraffic",outcome="${outcome}"}`;
    assert.equal(await aws.server.metric(labels('ok')), calls);
    const series = await aws.server.callWell<SeriesBody>('GET', '/metrics/series?name=Latency&endpoint=digits&statistics=SampleCount');
    assert.equal(
      series.points.reduce((total, { values: [count] }) => total + (count ?? 0), 0),
      calls,
    );
    const { variants } = await aws.server.callWell<EndpointBody>('GET', '/endpoints/digits');
    assert.equal(variants[0]?.statistics?.requests, calls);
    const { total } = await aws.server.callWell<{ total: { requests: number } }>('GET', '/costs?endpoint=digits');
    assert.equal(total.requests, calls);
  });

  test('puts and lists metrics and evaluates expressions over them', async () => {
    const values = [1, 2, 3, 4];
    const MetricData = values.map((Value) => ({ MetricName: 'Orders', Unit: 'Count' as const, Value }));
    await aws.cloudwatch.send(new PutMetricDataCommand({ Namespace: 'Shop', MetricData }));
    const names: (string | undefined)[] = [];
    for await (const { Metrics = [] } of paginateListMetrics({ client: aws.cloudwatch }, { Namespace: 'Shop' }))
      names.push(...Metrics.map(({ MetricName }) => MetricName));
    assert.deepEqual(names, ['Orders']);
    const Metric = { Namespace: 'Shop', MetricName: 'Orders' };
    const MetricDataQueries = [
      { Id: 'all', MetricStat: { Metric, Period: 7200, Stat: 'Sum' }, ReturnData: false },
      { Id: 'twice', Expression: 'all * 2' },
    ];
    const { MetricDataResults = [] } = await aws.cloudwatch.send(new GetMetricDataCommand({ MetricDataQueries, ...span }));
    assert.deepEqual(
      MetricDataResults.map(({ Id, Values = [] }) => [Id, Values.reduce((total, value) => total + value, 0)]),
      [['twice', 20]],
    );
  });

  test('writes and finds logs, sets their retention, and reads those of a worker', async () => {
    const logGroupName = '/shop';
    await aws.logs.send(new CreateLogGroupCommand({ logGroupName }));
    await aws.logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName: 'till' }));
    await aws.logs.send(new PutRetentionPolicyCommand({ logGroupName, retentionInDays: 7 }));
    const timestamp = Date.now();
    const logEvents = ['{"level":"info"}', '{"level":"error","order":7}'].map((message) => ({ timestamp, message }));
    await aws.logs.send(new PutLogEventsCommand({ logGroupName, logStreamName: 'till', logEvents }));
    const found = await aws.logs.send(new FilterLogEventsCommand({ logGroupName, filterPattern: '{ $.order > 6 }' }));
    assert.deepEqual(
      found.events?.map(({ message }) => message),
      ['{"level":"error","order":7}'],
    );
    const read = await aws.logs.send(new GetLogEventsCommand({ logGroupName, logStreamName: 'till', startFromHead: true }));
    assert.equal(read.events?.length, 2);
    const { logGroups = [] } = await aws.logs.send(new DescribeLogGroupsCommand({}));
    assert.equal(logGroups.find((group) => group.logGroupName === logGroupName)?.retentionInDays, 7);
    assert(logGroups.some((group) => group.logGroupName === '/aws/sagemaker/Endpoints/digits'));
  });

  test('puts a rule with a target and tests a pattern, and an event reaches a log group', async () => {
    const EventPattern = JSON.stringify({ source: ['shop'], detail: { total: [{ numeric: ['>', 100] }] } });
    await aws.events.send(new PutRuleCommand({ Name: 'large', EventPattern }));
    const Arn = 'arn:aws:logs:us-east-1:000000000000:log-group:/large';
    const put = await aws.events.send(new PutTargetsCommand({ Rule: 'large', Targets: [{ Id: 'log', Arn }] }));
    assert.equal(put.FailedEntryCount, 0);
    assert.equal((await aws.events.send(new DescribeRuleCommand({ Name: 'large' }))).EventPattern, EventPattern);
    assert.equal((await aws.events.send(new ListTargetsByRuleCommand({ Rule: 'large' }))).Targets?.[0]?.Arn, Arn);
    const Event = JSON.stringify({
      id: '1',
      account: '0',
      source: 'shop',
      time: 't',
      region: 'r',
      resources: [],
      'detail-type': 'x',
      detail: { total: 7 },
    });
    assert.equal((await aws.events.send(new TestEventPatternCommand({ EventPattern, Event }))).Result, false);
    const Entries = [700, 7].map((total) => ({ Source: 'shop', DetailType: 'Order', Detail: JSON.stringify({ total }) }));
    assert.equal((await aws.events.send(new PutEventsCommand({ Entries }))).FailedEntryCount, 0);
    await until('the log group has the large event', async () => {
      const { events = [] } = await aws.logs.send(new FilterLogEventsCommand({ logGroupName: '/large' })).catch(() => ({ events: [] }));
      return events.length === 1 && (JSON.parse(events[0]?.message ?? '{}') as { detail: { total: number } }).detail.total === 700;
    });
  });

  test('the sample payload of a package becomes the baseline for drift', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => Array.from({ length: 64 }, (__, pixel) => (i * pixel) % 17).join(','));
    await aws.s3.send(new PutObjectCommand({ Bucket: 'models', Key: 'sample.csv', Body: rows.join('\n') }));
    await aws.sagemaker.send(new CreateModelPackageGroupCommand({ ModelPackageGroupName: 'sampled' }));
    await aws.sagemaker.send(
      new CreateModelPackageCommand({
        ModelPackageGroupName: 'sampled',
        ModelApprovalStatus: 'Approved',
        SamplePayloadUrl: 's3://models/sample.csv',
        Domain: 'MACHINE_LEARNING',
        Task: 'CLASSIFICATION',
        InferenceSpecification: {
          Containers: [{ Image: 'penstock/onnx:1', ModelDataUrl: 's3://models/digits_mlp.onnx' }],
          SupportedContentTypes: ['text/csv'],
          SupportedResponseMIMETypes: ['text/csv'],
        },
      }),
    );
    await aws.server.callWell('POST', '/endpoints', { name: 'sampled', variants: [{ model: 'sampled/1' }] });
    await aws.server.inService('sampled');
    const baseline = await aws.server.callWell<{ rows: number }>('POST', '/endpoints/sampled/baseline', { sample: 'registration' });
    assert.equal(baseline.rows, 40);
  });

  test('rolls an update back when its alarm fires, with a reason', async () => {
    const alarm = {
      AlarmName: 'too-slow',
      Namespace: 'Shop',
      MetricName: 'Never',
      Statistic: 'Sum' as const,
      Period: 60,
      EvaluationPeriods: 1,
    };
    const rule = { Threshold: 1, ComparisonOperator: 'GreaterThanThreshold' as const, TreatMissingData: 'ignore' };
    await aws.cloudwatch.send(new PutMetricAlarmCommand({ ...alarm, ...rule }));
    const TrafficRoutingConfiguration = {
      Type: 'CANARY' as const,
      CanarySize: { Type: 'CAPACITY_PERCENT' as const, Value: 30 },
      WaitIntervalInSeconds: 600,
    };
    const BlueGreenUpdatePolicy = { TrafficRoutingConfiguration, TerminationWaitInSeconds: 60 };
    const DeploymentConfig = { BlueGreenUpdatePolicy, AutoRollbackConfiguration: { Alarms: [{ AlarmName: 'too-slow' }] } };
    const EndpointName = 'digits';
    await aws.sagemaker.send(new UpdateEndpointCommand({ EndpointName, EndpointConfigName: 'digits-logreg', DeploymentConfig }));
    const describeEndpoint = () => aws.sagemaker.send(new DescribeEndpointCommand({ EndpointName }));
    await until('the canary bakes', async () => {
      const { EndpointStatus, PendingDeploymentSummary } = await describeEndpoint();
      const [variant] = PendingDeploymentSummary?.ProductionVariants ?? [];
      return EndpointStatus === 'Updating' && variant?.VariantStatus?.[0]?.Status === 'Baking';
    });
    const native = await aws.server.callWell<EndpointBody>('GET', '/endpoints/digits');
    assert.deepEqual([native.rollout?.share_percent, native.rollout?.alarms], [30, ['too-slow']]);
    for (let i = 0; i < 10; i++) await invoke(row);
    await aws.cloudwatch.send(new SetAlarmStateCommand({ AlarmName: 'too-slow', StateValue: 'ALARM', StateReason: 'by hand' }));
    await until('the endpoint serves its previous version', async () => (await describeEndpoint()).EndpointStatus === 'InService');
    const after = await describeEndpoint();
    assert.equal(after.EndpointConfigName, 'digits-mlp');
    assert.match(after.FailureReason ?? '', /rolled back: alarm too-slow is in ALARM/);
    await invoke(row);
    const { MetricAlarms = [] } = await aws.cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: ['too-slow'] }));
    assert.equal(MetricAlarms[0]?.StateValue, 'ALARM');
    const history = await aws.cloudwatch.send(new DescribeAlarmHistoryCommand({ AlarmName: 'too-slow', HistoryItemType: 'StateUpdate' }));
    assert.match(history.AlarmHistoryItems?.[0]?.HistorySummary ?? '', /to ALARM$/);
    const LookupAttributes = [{ AttributeKey: 'EventName' as const, AttributeValue: 'RollBackEndpoint' }];
    const { Events = [] } = await aws.trail.send(new LookupEventsCommand({ LookupAttributes }));
    assert.deepEqual(
      Events.map(({ Username }) => Username),
      ['penstock'],
    );
  });
});
