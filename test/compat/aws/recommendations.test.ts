/** Inference recommendation jobs, created and observed by AWS's SDK. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CreateInferenceRecommendationsJobCommand,
  DescribeInferenceRecommendationsJobCommand,
  ListInferenceRecommendationsJobStepsCommand,
  ListInferenceRecommendationsJobsCommand,
  StopInferenceRecommendationsJobCommand,
} from '@aws-sdk/client-sagemaker';
import { until } from '../../end-to-end/poll.ts';
import { AwsFixture, account, region } from './aws-fixture.ts';

const JobName = 'advice';

test('a recommendation job is answered from the profile of its package, the cheapest configuration first', {
  timeout: 200_000,
}, async (t) => {
  const aws = await AwsFixture.open();
  t.after(() => aws.close());
  const { server, sagemaker } = aws;
  await server.approve(await server.register('digits', 'digits_mlp'));
  await server.callWell('POST', '/groups/digits/versions/1/profile', {});
  await sagemaker.send(
    new CreateInferenceRecommendationsJobCommand({
      JobName,
      JobType: 'Default',
      RoleArn: `arn:aws:iam::${account}:role/penstock`,
      InputConfig: {
        ModelPackageVersionArn: `arn:aws:sagemaker:${region}:${account}:model-package/digits/1`,
        TrafficPattern: { TrafficType: 'PHASES', Phases: [{ InitialNumberOfUsers: 2, SpawnRate: 1, DurationInSeconds: 120 }] },
      },
      StoppingConditions: { ModelLatencyThresholds: [{ Percentile: 'P95', ValueInMilliseconds: 60_000 }] },
    }),
  );
  const job = await until('the job is over', async () => {
    const found = await sagemaker.send(new DescribeInferenceRecommendationsJobCommand({ JobName }));
    return found.Status !== 'IN_PROGRESS' && found;
  });
  assert.equal(job.Status, 'COMPLETED', job.FailureReason);
  const found = job.InferenceRecommendations ?? [];
  const costs = found.map(({ Metrics }) => Metrics?.CostPerHour ?? Number.NaN);
  assert(costs.length >= 2 && costs.every((cost, i) => i === 0 || cost >= (costs[i - 1] as number)), String(costs));
  for (const { Metrics } of found) assert((Metrics?.MaxInvocations ?? 0) > 0 && (Metrics?.ModelLatency ?? 0) > 0);
  const { Steps = [] } = await sagemaker.send(new ListInferenceRecommendationsJobStepsCommand({ JobName }));
  assert.deepEqual(new Set(Steps.map(({ StepType, Status }) => `${StepType} ${Status}`)), new Set(['BENCHMARK COMPLETED']));
  const { InferenceRecommendationsJobs = [] } = await sagemaker.send(
    new ListInferenceRecommendationsJobsCommand({ StatusEquals: 'COMPLETED', SortBy: 'Name', NameContains: 'advi' }),
  );
  assert.deepEqual(
    InferenceRecommendationsJobs.map((each) => each.JobName),
    [JobName],
  );
  await assert.rejects(sagemaker.send(new StopInferenceRecommendationsJobCommand({ JobName })), { name: 'ValidationException' });
});
