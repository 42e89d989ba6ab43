/**
 * Every setting of an endpoint, changed by each API that can express it: nothing else changes, whichever API made the other settings
 * and whether this one can express them or not. Each API changes its settings twice, after all others have made theirs.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { PutScalingPolicyCommand, RegisterScalableTargetCommand } from '@aws-sdk/client-application-auto-scaling';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  type CreateEndpointConfigCommandInput,
  CreateModelCommand,
  DescribeEndpointCommand,
  DescribeEndpointConfigCommand,
  UpdateEndpointCommand,
  UpdateEndpointWeightsAndCapacitiesCommand,
} from '@aws-sdk/client-sagemaker';
import {
  type SettingsDraft,
  settingsChangesOf,
  settingsDraftOf,
  weightChangesOf,
} from '../../../console/src/deployment/endpoint/endpoint-changes.ts';
import type { EndpointBody } from '../../../src/api/index.ts';
import { runVerb } from '../../cli-fixture.ts';
import { modelPath } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';

/** A setting, its values of the two rounds, and how an API changes it. */
type Row = readonly [setting: string, values: readonly [unknown, unknown], change: (value: never) => Promise<unknown>];
type ConfigInput = Omit<CreateEndpointConfigCommandInput, 'EndpointConfigName'>;

describe('a change of one setting', { timeout: 400_000 }, () => {
  let aws: AwsFixture;
  let configs = 0;
  before(async () => {
    aws = await AwsFixture.open();
    for (const Bucket of ['models', 'captured']) await aws.s3.send(new CreateBucketCommand({ Bucket }));
    await aws.s3.send(new PutObjectCommand({ Bucket: 'models', Key: 'digits.onnx', Body: readFileSync(modelPath('digits_mlp')) }));
    const PrimaryContainer = { Image: 'penstock/onnx:1', ModelDataUrl: 's3://models/digits.onnx' };
    await aws.sagemaker.send(new CreateModelCommand({ ModelName: 'digits', PrimaryContainer }));
  });
  after(() => aws?.close());

  async function create(name: string, more: Partial<ConfigInput> = {}): Promise<void> {
    // The machine lacks this instance type, so another replaces it; only the AWS API retains the requested one.
    const variant = { VariantName: 'main', ModelName: 'digits', InstanceType: 'ml.r5.2xlarge', InitialInstanceCount: 1 } as const;
    const EndpointConfigName = `${name}-0`;
    await aws.sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName, ProductionVariants: [variant], ...more }));
    await aws.sagemaker.send(new CreateEndpointCommand({ EndpointName: name, EndpointConfigName }));
    await aws.server.inService(name);
  }

  /** The settings that the last change changed. */
  const lastChange = async (): Promise<Record<string, unknown>> => {
    const { items } = await aws.server.callWell<{ items: { settings?: readonly { setting: string; to: unknown }[] | null }[] }>(
      'GET',
      '/endpoints/prod/updates',
    );
    return Object.fromEntries((items[0]?.settings ?? []).map(({ setting, to }) => [setting, to]));
  };

  const patch = (body: object) => aws.server.callWell('PATCH', '/endpoints/prod', body);
  const patchVariant = (variant: object) => patch({ variants: [{ name: 'MAIN', ...variant }] });
  const natively = (member: string) => (value: unknown) => patch({ [member]: value });
  const inVariant = (member: string) => (value: unknown) => patchVariant({ [member]: value });
  const inFunctions = (member: string) => (value: unknown) => patchVariant({ functions: { [member]: value } });
  const inScaling = (member: string) => (value: unknown) => patchVariant({ scaling: { [member]: value } });
  const inCapture = (member: string) => (value: unknown) => patch({ capture: { [member]: value } });
  const inScalingList = (member: string) => (value: unknown) => patchVariant({ scaling: { [member]: [value] } });

  const native: readonly Row[] = [
    ['objective', ['p95<=200ms', 'p95<=210ms'], natively('objective')],
    ['late', ['shed', 'shed'], natively('late')],
    ['timeout_ms', [30_000, 31_000], natively('timeout_ms')],
    ['description', ['one', 'two'], natively('description')],
    ['capture.percent', [12.5, 13.5], inCapture('percent')],
    ['capture.inputs', [false, true], inCapture('inputs')],
    ['capture.outputs', [undefined, false], inCapture('outputs')],
    ['capture.to', ['s3://captured/a', 's3://captured/b'], inCapture('to')],
    ['capture.redact', ['name', 'age'], (value: string) => patch({ capture: { redact: [value] } })],
    ['main.weight', [2, 3], inVariant('weight')],
    ['main.instance_type', ['ml.m5.large', 'ml.c5.large'], inVariant('instance_type')],
    ['main.start_timeout_ms', [200_000, 201_000], inVariant('start_timeout_ms')],
    ['main.unpack_timeout_ms', [900_000, 901_000], inVariant('unpack_timeout_ms')],
    ['main.functions.memory_mib', [2048, 'auto'], inFunctions('memory_mib')],
    ['main.functions.max_concurrency', [7, 8], inFunctions('max_concurrency')],
    ['main.functions.provisioned', [1, 2], inFunctions('provisioned')],
    ['main.functions.keep_alive_ms', [9000, 9001], inFunctions('keep_alive_ms')],
    ['main.functions.batch_size_max', [4, 5], inFunctions('batch_size_max')],
    ['main.functions.wait_ms_max', [11, 12], inFunctions('wait_ms_max')],
    ['main.functions.usd_per_hour_max', [3, 4], inFunctions('usd_per_hour_max')],
    ['main.scaling.policy', ['hpa:70', 'hpa:71'], inScaling('policy')],
    ['main.scaling.instances_min', [0, 0], inScaling('instances_min')],
    ['main.scaling.instances_max', [3, 4], inScaling('instances_max')],
    ['main.scaling.usd_per_hour_max', [9, 10], inScaling('usd_per_hour_max')],
    ['main.scaling.directions', ['out', 'out'], inScaling('directions')],
    ['main.scaling.floors', ['mon-fri 08:00-18:00 1', 'sat 08:00-18:00 1'], inScalingList('floors')],
  ];

  /** As a user of boto3 does it: describe the config, change one member, create the new config, and update the endpoint. */
  async function updateEndpoint(change: (config: ConfigInput) => ConfigInput): Promise<void> {
    const { EndpointConfigName: current } = await aws.sagemaker.send(new DescribeEndpointCommand({ EndpointName: 'prod' }));
    const config = await aws.sagemaker.send(new DescribeEndpointConfigCommand({ EndpointConfigName: current }));
    const { $metadata: _metadata, EndpointConfigArn: _arn, CreationTime: _time, ...members } = config;
    const EndpointConfigName = `next-${++configs}`;
    await aws.sagemaker.send(new CreateEndpointConfigCommand({ ...change(members as ConfigInput), EndpointConfigName }));
    await aws.sagemaker.send(new UpdateEndpointCommand({ EndpointName: 'prod', EndpointConfigName }));
  }
  const inProduction = (member: string, factor?: number) => (value: unknown) =>
    updateEndpoint(({ ProductionVariants: [variant] = [], ...config }) => {
      const changed = { ...variant, [member]: factor === undefined ? value : (value as number) * factor };
      return { ...config, ProductionVariants: [changed] } as ConfigInput;
    });
  const inDataCapture = (member: string) => (value: unknown) =>
    updateEndpoint((config) => ({ ...config, DataCaptureConfig: { ...config.DataCaptureConfig, [member]: value } as never }));
  const tagged = (key: string) => (value: string) =>
    updateEndpoint((config) => ({ ...config, Tags: [{ Key: `penstock:${key}`, Value: value.replace('<', '') }] }));
  const registered = (members: object) =>
    aws.scaling.send(
      new RegisterScalableTargetCommand({
        ServiceNamespace: 'sagemaker',
        ScalableDimension: 'sagemaker:variant:DesiredInstanceCount',
        ResourceId: 'endpoint/prod/variant/main',
        ...members,
      }),
    );

  const amazon: readonly Row[] = [
    ['main.weight', [4, 5], inProduction('InitialVariantWeight')],
    ['main.instance_type', ['ml.r5.2xlarge', 'ml.r5.4xlarge'], inProduction('InstanceType')],
    ['main.start_timeout_ms', [300_000, 301_000], inProduction('ContainerStartupHealthCheckTimeoutInSeconds', 0.001)],
    ['main.unpack_timeout_ms', [1_800_000, 1_801_000], inProduction('ModelDataDownloadTimeoutInSeconds', 0.001)],
    ['capture.percent', [50, 51], inDataCapture('InitialSamplingPercentage')],
    ['capture.to', ['s3://captured/c', 's3://captured/d'], inDataCapture('DestinationS3Uri')],
    [
      'capture.csv_types',
      ['text/csv', 'text/x-csv'],
      (value: string) => inDataCapture('CaptureContentTypeHeader')({ CsvContentTypes: [value] }),
    ],
    ['objective', ['p99<=300ms', 'p99<=310ms'], tagged('objective')],
    ['late', ['serve', 'serve'], tagged('late')],
    [
      'main.weight',
      [6, 7],
      (DesiredWeight: number) => {
        const DesiredWeightsAndCapacities = [{ VariantName: 'main', DesiredWeight }];
        return aws.sagemaker.send(new UpdateEndpointWeightsAndCapacitiesCommand({ EndpointName: 'prod', DesiredWeightsAndCapacities }));
      },
    ],
    ['main.scaling.instances_max', [2, 5], (MaxCapacity: number) => registered({ MaxCapacity })],
    [
      'main.scaling.directions',
      ['in', 'in'],
      (value: string) =>
        registered({ SuspendedState: { DynamicScalingInSuspended: value === 'out', DynamicScalingOutSuspended: value === 'in' } }),
    ],
  ];

  const deployed = async (...options: string[]): Promise<void> => {
    const env = { PENSTOCK_URL: aws.server.url, PENSTOCK_KEY: aws.server.adminKey };
    const { code, stderr } = await runVerb(['deploy', 'digits/1', 'prod', ...options, '--no-wait'], env);
    assert.equal(code, 0, stderr);
  };
  const option =
    (flag: string, unit = '') =>
    (value: unknown) =>
      deployed(flag, `${String(value)}${unit}`);

  const commandLine: readonly Row[] = [
    ['objective', ['p90<=100ms', 'p90<=110ms'], option('--objective')],
    ['late', ['shed', 'shed'], option('--late')],
    ['timeout_ms', [32_000, 33_000], option('--request-timeout', 'ms')],
    ['capture.percent', [20, 21], option('--capture', '%')],
    ['capture.to', ['s3://captured/e', 's3://captured/f'], option('--capture-to')],
    ['capture.redact', ['street', 'city'], option('--redact')],
    ['main.instance_type', ['ml.m5.large', 'ml.m5.large'], option('--instance-type')],
    ['main.start_timeout_ms', [202_000, 203_000], option('--start-timeout', 'ms')],
    ['main.unpack_timeout_ms', [902_000, 903_000], option('--unpack-timeout', 'ms')],
    ['main.functions.memory_mib', [1024, 2048], option('--memory')],
    ['main.functions.max_concurrency', [5, 6], option('--max-concurrency')],
    ['main.functions.provisioned', [0, 1], option('--provisioned')],
    ['main.functions.keep_alive_ms', [8000, 8001], option('--keep-alive', 'ms')],
    ['main.functions.batch_size_max', [6, 7], option('--batch-size')],
    ['main.functions.wait_ms_max', [13, 14], option('--max-wait', 'ms')],
    ['main.functions.usd_per_hour_max', [5, 6], option('--overflow-budget')],
    ['main.scaling.policy', ['hpa:72', 'hpa:73'], option('--scaling')],
    ['main.scaling.instances_min', [1, 1], option('--min-instances')],
    ['main.scaling.instances_max', [3, 6], option('--max-instances')],
    ['main.scaling.usd_per_hour_max', [11, 12], option('--scaling-budget')],
    ['main.scaling.floors', ['sun 08:00-18:00 1', 'tue 08:00-18:00 1'], option('--floor')],
  ];

  const endpoint = () => aws.server.callWell<EndpointBody>('GET', '/endpoints/prod');
  const drafted = (member: keyof SettingsDraft, factor: number) => async (value: unknown) => {
    const view = await endpoint();
    const draft = { ...settingsDraftOf(view), [member]: typeof value === 'number' ? value * factor : value };
    return patch(settingsChangesOf(view, draft));
  };

  const consoleForms: readonly Row[] = [
    ['objective', ['p90<=120ms', 'p90<=130ms'], drafted('objective', 1)],
    ['late', ['serve', 'serve'], drafted('late', 1)],
    ['timeout_ms', [34_000, 35_000], drafted('timeoutS', 0.001)],
    ['description', ['three', 'four'], drafted('description', 1)],
    ['capture.percent', [30, 31], drafted('capturePercent', 1)],
    ['main.weight', [8, 9], async (weight: number) => patch(weightChangesOf(await endpoint(), { main: weight }))],
  ];

  const apis = { 'the native API': native, "AWS's API": amazon, 'the command line': commandLine, 'the console': consoleForms };

  before(async () => {
    await create('prod');
    await patch({ capture: {} });
    await patchVariant({ scaling: {}, functions: { batching: 'fixed', batch_size_max: 3, wait_ms_max: 10 } });
  });

  for (const round of [0, 1] as const) {
    for (const [api, rows] of Object.entries(apis)) {
      for (const [setting, values, change] of rows.filter(([, each]) => each[round] !== undefined)) {
        test(`of ${setting} by ${api} changes nothing else${round === 0 ? '' : ', once more'}`, async () => {
          await aws.server.inService('prod');
          await change(values[round] as never);
          assert.deepEqual(await lastChange(), { [setting]: values[round] });
        });
      }
    }
  }

  test('of the policy by AWS changes no limit of the scaling', async () => {
    const policy = {
      TargetValue: 50,
      PredefinedMetricSpecification: { PredefinedMetricType: 'SageMakerVariantInvocationsPerInstance' },
    } as const;
    const target = { ServiceNamespace: 'sagemaker', ResourceId: 'endpoint/prod/variant/main', PolicyName: 'p' } as const;
    await aws.scaling.send(
      new PutScalingPolicyCommand({
        ...target,
        ScalableDimension: 'sagemaker:variant:DesiredInstanceCount',
        PolicyType: 'TargetTrackingScaling',
        TargetTrackingScalingPolicyConfiguration: policy,
      }),
    );
    assert.deepEqual(Object.keys(await lastChange()), ['main.scaling.policy']);
  });

  test('to null removes exactly that', async () => {
    await patchVariant({ scaling: null, functions: null });
    const changes = await lastChange();
    assert(Object.keys(changes).every((setting) => /^main\.(?:scaling|functions)\./.test(setting)));
    assert(Object.values(changes).every((to) => to === null));
    await patchVariant({ start_timeout_ms: null, unpack_timeout_ms: null });
    assert.deepEqual(await lastChange(), { 'main.start_timeout_ms': null, 'main.unpack_timeout_ms': null });
  });

  test('by another API leaves an asynchronous endpoint asynchronous', async () => {
    const AsyncInferenceConfig = { OutputConfig: { S3OutputPath: 's3://models/out' } };
    await create('later', { AsyncInferenceConfig });
    await aws.server.callWell('PATCH', '/endpoints/later', { description: 'slow' });
    const described = await aws.sagemaker.send(new DescribeEndpointCommand({ EndpointName: 'later' }));
    assert.deepEqual(described.AsyncInferenceConfig, AsyncInferenceConfig);
  });
});
