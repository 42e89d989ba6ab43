/** CloudWatch called by AWS's own clients: boto3 over JSON and forms, and awscli. Its counts must equal those of all other APIs. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

/** The number of calls that `cloudwatch_checks.py` makes. */
const calls = 37;

describe('CloudWatch', { timeout: 500_000, concurrency: true }, () => {
  for (const generation of generations) {
    test(generation, async (t) => {
      const aws = await AwsFixture.open();
      try {
        const { server } = aws;
        await server.deploy('digits', 'digits_mlp', { instances: 2 });
        await aws.python(t, generation, 'cloudwatch_checks.py');
        const labels = 'penstock_requests_total{endpoint="digits",variant="AllTraffic",outcome="ok"}';
        assert.equal(await server.metric(labels), calls);
        const { total } = await server.callWell<{ total: { requests: number } }>('GET', '/costs?endpoint=digits');
        assert.equal(total.requests, calls);
      } finally {
        await aws.close();
      }
    });
  }

  describe('awscli', () => {
    let aws: AwsFixture;
    before(async () => {
      aws = await AwsFixture.open();
    });
    after(() => aws.close());

    for (const major of [1, 2] as const) {
      test(`awscli ${major} puts a metric and reads it back`, async (t) => {
        const put = [
          'cloudwatch',
          'put-metric-data',
          '--namespace',
          `Cli${major}`,
          '--metric-name',
          'Orders',
          '--value',
          '4',
          '--unit',
          'Count',
        ];
        const ran = await aws.cli(t, major, put);
        if (ran === null) return;
        assert.deepEqual([ran.code, ran.stdout], [0, ''], ran.stderr);
        const listed = await aws.cli(t, major, ['cloudwatch', 'list-metrics', '--namespace', `Cli${major}`, '--output', 'json']);
        const { Metrics } = JSON.parse(listed?.stdout ?? '{}') as { Metrics: unknown[] };
        assert.deepEqual(Metrics, [{ Namespace: `Cli${major}`, MetricName: 'Orders', Dimensions: [] }]);
        const [from, to] = [-3_600_000, 3_600_000].map((ms) => new Date(Date.now() + ms).toISOString()) as [string, string];
        const about = ['--namespace', `Cli${major}`, '--metric-name', 'Orders', '--start-time', from, '--end-time', to];
        const requested = ['cloudwatch', 'get-metric-statistics', ...about, '--period', '7200', '--statistics', 'Sum', '--output', 'json'];
        const read = await aws.cli(t, major, requested);
        const { Datapoints } = JSON.parse(read?.stdout ?? '{}') as { Datapoints: { Sum: number; Unit: string }[] };
        assert.deepEqual(
          Datapoints.map(({ Sum, Unit }) => [Sum, Unit]),
          [[4, 'Count']],
          read?.stderr,
        );
      });
    }
  });
});
