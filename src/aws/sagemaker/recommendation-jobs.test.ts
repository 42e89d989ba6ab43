import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { callOf } from '../../../test/aws-endpoint-fixture.ts';
import { openRegistryFixture } from '../../../test/aws-registry-fixture.ts';
import type { DeploymentPlanner, PlannedDeployment } from '../../autoscaling/index.ts';
import { defaultPrices } from '../../costs/index.ts';
import { PlatformError } from '../../errors.ts';
import type { AwsInput, AwsOperation } from '../service.ts';
import { recommendationRequestOf } from './recommend.ts';
import { RecommendationJobs } from './recommendation-jobs.ts';

const arn = 'arn:aws:sagemaker:us-east-1:000000000000:model-package/digits/1';
const job: AwsInput = {
  JobName: 'advice',
  JobType: 'Default',
  RoleArn: 'arn:aws:iam::000000000000:role/r',
  InputConfig: { ModelPackageVersionArn: arn },
};

interface JobAnswer {
  readonly Status: string;
  readonly FailureReason?: string;
  readonly InferenceRecommendations: readonly {
    readonly Metrics: Readonly<Record<string, number>>;
    readonly EndpointConfiguration: {
      readonly InstanceType?: string;
      readonly InitialInstanceCount?: number;
      readonly ServerlessConfig?: unknown;
    };
  }[];
  readonly InferenceRecommendationsJobs: readonly { readonly JobName: string }[];
  readonly Steps: readonly { readonly Status: string }[];
}

/** Planned costs by instance type; functions have the key `functions`. A type without a price meets no objective. */
async function jobsOf(t: TestContext, usdPerHour: Readonly<Record<string, number>>, held: Promise<void> = Promise.resolve()) {
  const fixture = await openRegistryFixture();
  t.after(() => fixture.close());
  const { db, clock, registry, services } = fixture;
  await registry.register({ group: 'digits', source: new TextEncoder().encode('model'), sourceName: 'm.onnx', who: 'me' });
  const plan: DeploymentPlanner['plan'] = async (_version, { instanceType, objective }) => {
    await held;
    if (objective.latencyMs < 2) throw new PlatformError('invalid_request', 'too strict');
    const usd = usdPerHour[instanceType ?? 'functions'];
    const functions = instanceType === null ? { memoryMiB: 512, batchSizeMax: 4, concurrencyMax: 2 } : null;
    const chosen = {
      instances: instanceType === null ? 0 : 2,
      functions,
      p50Ms: 3,
      p95Ms: 4.2,
      p99Ms: 9,
      instanceUsdPerHour: usd,
      functionUsdPerHour: 0,
    };
    return (usd === undefined ? { chosen: null, reason: 'cannot meet 50 ms' } : { chosen, reason: null }) as unknown as PlannedDeployment;
  };
  const list = async () => Object.keys(usdPerHour).map((type) => ({ executor: `instance:${type}` }));
  const profiles = { get: async () => null, list: list as never };
  const { documents, tags, models, packages } = services;
  const options = { db, clock, documents, tags, registry, prices: defaultPrices, planner: { plan }, profiles };
  const jobs = new RecommendationJobs({
    ...options,
    findModel: models.findModel.bind(models),
    findPackage: packages.find.bind(packages),
  });
  const operations: Readonly<Record<string, AwsOperation>> = jobs.operations();
  return (operation: string, input: AwsInput): Promise<JobAnswer> =>
    (operations[operation] as AwsOperation).run(input, callOf(operation)) as unknown as Promise<JobAnswer>;
}

const configurations = (...types: readonly string[]) => ({
  ...job,
  InputConfig: { ModelPackageVersionArn: arn, EndpointConfigurations: types.map((InstanceType) => ({ InstanceType })) },
});

test('a job recommends the cheapest configuration first, with its latency rounded up, and says why others fail', async (t) => {
  const call = await jobsOf(t, { 'local.2': 0.17, 'local.1': 0.085 });
  await call('CreateInferenceRecommendationsJob', configurations('local.4', 'local.2', 'local.1'));
  const { Status, InferenceRecommendations: found } = await call('DescribeInferenceRecommendationsJob', { JobName: 'advice' });
  assert.equal(Status, 'COMPLETED');
  assert.deepEqual(
    found.map(({ EndpointConfiguration: { InstanceType, InitialInstanceCount }, Metrics }) => [
      InstanceType,
      InitialInstanceCount,
      Metrics['CostPerHour'],
      Metrics['ModelLatency'],
    ]),
    [
      ['local.1', 2, 0.085, 5],
      ['local.2', 2, 0.17, 5],
    ],
  );
  const { Steps } = await call('ListInferenceRecommendationsJobSteps', { JobName: 'advice' });
  assert.deepEqual(
    Steps.map((step) => step.Status),
    ['COMPLETED', 'COMPLETED', 'FAILED'],
  );
});

test('without configurations, it judges the types with a profile, and functions', async (t) => {
  const call = await jobsOf(t, { 'local.1': 0.085, functions: 0.01 });
  await call('CreateInferenceRecommendationsJob', job);
  const { InferenceRecommendations: found } = await call('DescribeInferenceRecommendationsJob', { JobName: 'advice' });
  assert.deepEqual(found[0]?.EndpointConfiguration.ServerlessConfig, { MemorySizeInMB: 512, MaxConcurrency: 200 });
  assert.equal(found[1]?.EndpointConfiguration.InstanceType, 'local.1');
});

test('a job of which nothing meets the latency fails with the reason', async (t) => {
  const call = await jobsOf(t, {});
  await call('CreateInferenceRecommendationsJob', configurations('local.1'));
  const { Status, FailureReason } = await call('DescribeInferenceRecommendationsJob', { JobName: 'advice' });
  assert.deepEqual([Status, FailureReason], ['FAILED', 'cannot meet 50 ms']);
});

test('a stopped job stays stopped; names are unique; lists filter by status', async (t) => {
  const gate = Promise.withResolvers<void>();
  const call = await jobsOf(t, { 'local.1': 0.085 }, gate.promise);
  await call('CreateInferenceRecommendationsJob', job);
  await assert.rejects(call('CreateInferenceRecommendationsJob', { ...job, JobName: 'Advice' }), /already exists/);
  await call('StopInferenceRecommendationsJob', { JobName: 'advice' });
  gate.resolve();
  assert.equal((await call('DescribeInferenceRecommendationsJob', { JobName: 'advice' })).Status, 'STOPPED');
  await assert.rejects(call('StopInferenceRecommendationsJob', { JobName: 'advice' }), /is in status STOPPED/);
  await assert.rejects(call('DescribeInferenceRecommendationsJob', { JobName: 'other' }), /Could not find recommendation job other/);
  const listed = async (status: string) =>
    (await call('ListInferenceRecommendationsJobs', { StatusEquals: status })).InferenceRecommendationsJobs.map(({ JobName }) => JobName);
  assert.deepEqual([await listed('STOPPED'), await listed('COMPLETED')], [['advice'], []]);
});

test('a job of a model that does not exist, or without a model, is rejected', async (t) => {
  const call = await jobsOf(t, {});
  const create = (input: AwsInput) => call('CreateInferenceRecommendationsJob', { ...job, InputConfig: input });
  await assert.rejects(create({}), /InputConfig needs ModelPackageVersionArn or ModelName/);
  await assert.rejects(create({ ModelName: 'none' }), /Could not find model/);
  await assert.rejects(create({ ModelPackageVersionArn: arn.replace('/1', '/7') }), /does not exist/);
});

for (const { members, objective, rate } of [
  { members: {}, objective: { percentile: 95, latencyMs: 1000 }, rate: 1 },
  {
    members: {
      InputConfig: {
        TrafficPattern: { Phases: [{ InitialNumberOfUsers: 1 }, { InitialNumberOfUsers: 10, SpawnRate: 5, DurationInSeconds: 120 }] },
      },
      StoppingConditions: { ModelLatencyThresholds: [{ Percentile: 'P99', ValueInMilliseconds: 50 }] },
    },
    objective: { percentile: 99, latencyMs: 50 },
    rate: 20,
  },
  {
    members: { InputConfig: { TrafficPattern: { Stairs: { NumberOfSteps: 3, UsersPerStep: 4 } } } },
    objective: { percentile: 95, latencyMs: 1000 },
    rate: 12,
  },
]) {
  test(`a traffic pattern of ${rate} users is ${rate} requests a second, within ${objective.latencyMs} ms`, () => {
    const read = recommendationRequestOf(members);
    assert.deepEqual([read.objective, read.ratePerSecond], [objective, rate]);
  });
}

test('an invalid percentile, and a configuration of neither kind, are rejected', () => {
  const thresholds = { ModelLatencyThresholds: [{ Percentile: 'most', ValueInMilliseconds: 5 }] };
  assert.throws(() => recommendationRequestOf({ StoppingConditions: thresholds }), /Percentile 'most' is invalid/);
  assert.throws(() => recommendationRequestOf({ InputConfig: { EndpointConfigurations: [{}] } }), /needs InstanceType or ServerlessConfig/);
});
