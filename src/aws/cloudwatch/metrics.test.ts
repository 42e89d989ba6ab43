import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nowMs, openCloudWatch } from '../../../test/aws-cloudwatch-fixture.ts';

const now = nowMs / 1000;
const dimensions = [
  { Name: 'Region', Value: 'north' },
  { Name: 'Kind', Value: 'a b' },
];
const shop = (datum: Record<string, unknown>) => ({
  Namespace: 'Shop',
  MetricData: [{ MetricName: 'Orders', Dimensions: dimensions, ...datum }],
});
const about = { Namespace: 'Shop', MetricName: 'Orders', Dimensions: dimensions };

describe('PutMetricData', () => {
  test('accepts single values, counted values and statistic sets, each at its time', async (t) => {
    const { ask } = await openCloudWatch(t);
    await ask('PutMetricData', shop({ Value: 5, Unit: 'Count', Timestamp: now - 120 }));
    await ask('PutMetricData', shop({ Values: [1, 3], Counts: [2, 1], Unit: 'Count', Timestamp: now - 60 }));
    const StatisticValues = { SampleCount: 10, Sum: 50, Minimum: 1, Maximum: 9 };
    await ask('PutMetricData', shop({ StatisticValues, Unit: 'Count', Timestamp: now - 60 }));
    const answer = await ask('GetMetricStatistics', {
      ...about,
      StartTime: now - 180,
      EndTime: now,
      Period: 60,
      Statistics: ['SampleCount', 'Sum', 'Minimum', 'Maximum', 'Average'],
    });
    const point = (at: number, SampleCount: number, Sum: number, Minimum: number, Maximum: number) => {
      return { Timestamp: new Date(at * 1000), SampleCount, Sum, Minimum, Maximum, Average: Sum / SampleCount, Unit: 'Count' };
    };
    assert.deepEqual(answer, { Label: 'Orders', Datapoints: [point(now - 120, 1, 5, 5, 5), point(now - 60, 13, 55, 1, 9)] });
  });

  test('rejects values that are invalid, too old, in the future, ambiguous or empty, and stores nothing of the call', async (t) => {
    const { ask, refusal } = await openCloudWatch(t);
    const refused: [Record<string, unknown>, RegExp][] = [
      [{ Value: 'NaN' }, /^InvalidParameterValue: The value NaN for parameter MetricData\.member\.1\.Value is invalid/],
      [{ Value: 1e109 }, /^InvalidParameterValue: The value 1e\+109 for/],
      [{ Values: [1, 'Infinity'] }, /^InvalidParameterValue: The value Infinity for parameter MetricData\.member\.1\.Values\.member\.2/],
      [{ Values: [1, 2], Counts: [1] }, /^InvalidParameterValue: .*must have the same size/],
      [{ Values: Array.from({ length: 151 }, () => 1) }, /^InvalidParameterValue: .*1 to 150, got 151/],
      [{ Value: 1, Timestamp: now - 15 * 86_400 }, /^InvalidParameterValue: .*within the past two weeks/],
      [{ Value: 1, Timestamp: now + 3 * 3600 }, /^InvalidParameterValue: .*two hours in the future/],
      [{ Value: 1, Values: [1] }, /^InvalidParameterCombination: .*Value and MetricData\.member\.1\.Values are mutually exclusive/],
      [{}, /^MissingParameter: At least one of/],
      [{ Value: 1, StorageResolution: 10 }, /^InvalidParameterValue: .*StorageResolution must be 1 or 60/],
      [{ StatisticValues: { SampleCount: 0, Sum: 1, Minimum: 1, Maximum: 1 } }, /^InvalidParameterValue: The value 0 for/],
      [{ Value: 1, Dimensions: [dimensions[0], dimensions[0]] }, /^InvalidParameterValue: .*names the dimension Region twice/],
      [{ Value: 1, Dimensions: [{ Name: 'Region', Value: 'ü' }] }, /^InvalidParameterValue: .*printable ASCII/],
    ];
    for (const [datum, expected] of refused) assert.match(await refusal('PutMetricData', shop(datum)), expected);
    const [good] = shop({ Value: 1 }).MetricData;
    const half = { Namespace: 'Shop', MetricData: [good, { MetricName: 'Orders' }] };
    assert.match(await refusal('PutMetricData', half), /^MissingParameter: .*MetricData\.member\.2/);
    assert.match(await refusal('PutMetricData', { ...half, Namespace: 'AWS/SageMaker' }), /^InvalidParameterValue: .*are reserved/);
    const many = { Namespace: 'Shop', MetricData: Array.from({ length: 1001 }, () => good) };
    assert.match(await refusal('PutMetricData', many), /^InvalidParameterValue: .*greater than 1000/);
    assert.deepEqual(await ask('ListMetrics', {}), { Metrics: [] });
  });

  test('rejects and counts unbounded new names beyond the limit, without affecting others', async (t) => {
    const { ask, refusal, store } = await openCloudWatch(t);
    const flood = (call: number) => {
      const MetricData = Array.from({ length: 1000 }, (_, i) => ({
        MetricName: 'Visits',
        Value: 1,
        Dimensions: [{ Name: 'Visitor', Value: String(1000 * call + i) }],
      }));
      return { Namespace: 'Flood', MetricData };
    };
    await ask('PutMetricData', shop({ Value: 1 }));
    for (let call = 0; call < 19; call++) await ask('PutMetricData', flood(call));
    assert.match(
      await refusal('PutMetricData', flood(19)),
      /^LimitExceeded: Nothing of this call was stored: 1 of its 1000 metrics are new/,
    );
    assert.equal(store.dropped, 1000);
    await ask('PutMetricData', shop({ Value: 2 }));
    await ask('PutMetricData', flood(3));
    assert.equal(store.dropped, 1000);
  });
});

test('ListMetrics returns pages of 500, filters by dimensions and by recent data', async (t) => {
  const { ask, clock } = await openCloudWatch(t);
  const MetricData = Array.from({ length: 700 }, (_, i) => ({
    MetricName: `M${i}`,
    Value: 1,
    Dimensions: [...dimensions, { Name: 'Part', Value: String(i % 7) }],
  }));
  await ask('PutMetricData', { Namespace: 'Shop', MetricData });
  const first = await ask('ListMetrics', { Namespace: 'Shop' });
  assert.equal((first.Metrics as unknown[]).length, 500);
  const second = await ask('ListMetrics', { Namespace: 'Shop', NextToken: first.NextToken });
  assert.equal((second.Metrics as unknown[]).length, 200);
  assert.equal(second.NextToken, undefined);
  await assert.rejects(ask('ListMetrics', { Namespace: 'Other', NextToken: first.NextToken }), { code: 'InvalidParameterValue' });
  const count = async (input: Record<string, unknown>) => ((await ask('ListMetrics', input)).Metrics as unknown[]).length;
  assert.equal(await count({ Dimensions: [{ Name: 'Part', Value: '3' }] }), 100);
  assert.equal(await count({ Dimensions: [{ Name: 'Part' }], MetricName: 'M5' }), 1);
  assert.equal(await count({ Dimensions: [{ Name: 'Other' }] }), 0);
  clock.advance(4 * 3_600_000);
  await ask('PutMetricData', shop({ Value: 1 }));
  assert.equal(await count({ RecentlyActive: 'PT3H' }), 1);
});

describe('GetMetricStatistics', () => {
  test('aligns periods with the requested start and separates units', async (t) => {
    const { ask } = await openCloudWatch(t);
    for (let minute = 1; minute <= 60; minute++) await ask('PutMetricData', shop({ Value: minute, Timestamp: now - 60 * minute }));
    await ask('PutMetricData', shop({ Value: 7, Unit: 'Bytes', Timestamp: now - 60 }));
    const requested = { ...about, StartTime: now - 3600 - 18 * 60 + 7, EndTime: now, Period: 3600, Statistics: ['Sum'] };
    const begun = new Date((now - 3600 - 18 * 60) * 1000);
    const { Datapoints } = await ask('GetMetricStatistics', { ...requested, Unit: 'None' });
    assert.deepEqual(Datapoints, [
      { Timestamp: begun, Sum: Array.from({ length: 42 }, (_, i) => 60 - i).reduce((a, b) => a + b), Unit: 'None' },
      { Timestamp: new Date(begun.getTime() + 3_600_000), Sum: (18 * 19) / 2, Unit: 'None' },
    ]);
    const both = await ask('GetMetricStatistics', { ...requested, StartTime: now - 60, Period: 60 });
    const reported = (both.Datapoints as { Unit: string; Sum: number }[]).map(({ Unit, Sum }) => `${Sum} ${Unit}`);
    assert.deepEqual(reported.sort(), ['1 None', '7 Bytes']);
  });

  test('accepts percentiles, alone or with statistics', async (t) => {
    const { ask } = await openCloudWatch(t);
    await ask('PutMetricData', shop({ Values: Array.from({ length: 100 }, (_, i) => i + 1), Timestamp: now - 60 }));
    const requested = { ...about, StartTime: now - 60, EndTime: now, Period: 60 };
    const { Datapoints } = await ask('GetMetricStatistics', {
      ...requested,
      Statistics: ['Maximum'],
      ExtendedStatistics: ['p50', 'p99.0'],
    });
    const [{ Maximum, ExtendedStatistics }] = Datapoints as [{ Maximum: number; ExtendedStatistics: Record<string, number> }];
    assert.equal(Maximum, 100);
    assert(Math.abs((ExtendedStatistics.p50 ?? 0) - 50) <= 0.5 && Math.abs((ExtendedStatistics['p99.0'] ?? 0) - 99) <= 1);
  });

  test('rejects too many points, invalid periods, reversed times and unknown statistics', async (t) => {
    const { refusal } = await openCloudWatch(t);
    const requested = { ...about, StartTime: now - 86_460, EndTime: now, Period: 60, Statistics: ['Sum'] };
    const of = (input: Record<string, unknown>) => refusal('GetMetricStatistics', { ...requested, ...input });
    assert.match(await of({}), /^InvalidParameterCombination: You have requested up to 1441 datapoints, which exceeds the limit of 1440/);
    assert.match(await of({ Period: 90 }), /^InvalidParameterValue: The parameter Period must be/);
    assert.match(await of({ StartTime: now }), /^InvalidParameterCombination: The parameter StartTime must be less than/);
    assert.match(await of({ Statistics: undefined }), /^InvalidParameterCombination: At least one of the parameters Statistics/);
    assert.match(await of({ Statistics: undefined, ExtendedStatistics: ['p101'] }), /^InvalidParameterValue: The value p101/);
  });
});

describe('GetMetricData', () => {
  const stat = (Id: string, MetricName: string, Stat: string, more: Record<string, unknown> = {}) => ({
    Id,
    MetricStat: { Metric: { Namespace: 'Shop', MetricName }, Period: 60, Stat },
    ...more,
  });
  const span = { StartTime: now - 300, EndTime: now };

  async function measured(t: Parameters<typeof openCloudWatch>[0]) {
    const fixture = await openCloudWatch(t);
    for (let minute = 1; minute <= 5; minute++) {
      const MetricData = [
        { MetricName: 'Good', Value: 10 * minute, Timestamp: now - 60 * minute },
        ...(minute === 2 ? [] : [{ MetricName: 'Bad', Value: minute, Timestamp: now - 60 * minute }]),
      ];
      await fixture.ask('PutMetricData', { Namespace: 'Shop', MetricData });
    }
    return fixture;
  }

  test('evaluates metrics and expressions over them, including queries that are defined later', async (t) => {
    const { ask } = await measured(t);
    const { MetricDataResults, NextToken } = await ask('GetMetricData', {
      ...span,
      ScanBy: 'TimestampAscending',
      MetricDataQueries: [
        { Id: 'twice', Expression: 'share * 2', Label: 'Twice' },
        { Id: 'share', Expression: '100 * FILL(bad, 0) / SUM(METRICS("good"))' },
        stat('good', 'Good', 'Sum', { ReturnData: false }),
        stat('bad', 'Bad', 'Average'),
        stat('nothing', 'Nothing', 'Sum'),
      ],
    });
    const results = MetricDataResults as { Id: string; Label: string; Timestamps: Date[]; Values: number[]; StatusCode: string }[];
    assert.deepEqual(
      results.map(({ Id, Label, Values, StatusCode }) => ({ Id, Label, Values, StatusCode })),
      [
        { Id: 'twice', Label: 'Twice', Values: [20, 20, 20, 0, 20], StatusCode: 'Complete' },
        { Id: 'share', Label: 'share', Values: [10, 10, 10, 0, 10], StatusCode: 'Complete' },
        { Id: 'bad', Label: 'Bad', Values: [5, 4, 3, 1], StatusCode: 'Complete' },
        { Id: 'nothing', Label: 'Nothing', Values: [], StatusCode: 'Complete' },
      ],
    );
    assert.deepEqual(results[2]?.Timestamps[0], new Date((now - 300) * 1000));
    assert.equal(NextToken, undefined);
  });

  test('returns pages of the requested number of points, the latest first', async (t) => {
    const { ask } = await measured(t);
    const requested = { ...span, MaxDatapoints: 4, MetricDataQueries: [stat('good', 'Good', 'Sum'), stat('bad', 'Bad', 'Sum')] };
    const pages: string[] = [];
    let token: unknown;
    do {
      const answer = await ask('GetMetricData', { ...requested, ...(token === undefined ? {} : { NextToken: token }) });
      const results = answer.MetricDataResults as { Id: string; Values: number[]; StatusCode: string }[];
      pages.push(results.map(({ Id, Values, StatusCode }) => `${Id} ${Values.join(' ')} ${StatusCode}`).join(', '));
      token = answer.NextToken;
    } while (token !== undefined);
    assert.deepEqual(pages, ['good 10 20 30 40 PartialData', 'good 50 Complete, bad 1 3 4 PartialData', 'bad 5 Complete']);
  });

  test('rejects invalid ids, expressions and requests, and names them', async (t) => {
    const { refusal } = await openCloudWatch(t);
    const of = (...MetricDataQueries: Record<string, unknown>[]) => refusal('GetMetricData', { ...span, MetricDataQueries });
    const good = stat('good', 'Good', 'Sum');
    assert.match(
      await of({ ...good, Id: 'Good' }),
      /^InvalidParameterValue: The value Good for parameter MetricDataQueries\.member\.1\.Id/,
    );
    assert.match(await of(good, good), /^InvalidParameterValue: .*not unique: good/);
    assert.match(await of({ Id: 'a' }), /^InvalidParameterCombination: Exactly one of/);
    assert.match(await of({ ...good, ReturnData: false }), /^InvalidParameterCombination: ReturnData is false/);
    assert.match(await of(good, { Id: 'a', Expression: 'good + b' }), /^invalid_request: Error in expression 'a': no query has the id 'b'/);
    assert.match(
      await of({ Id: 'a', Expression: 'b' }, { Id: 'b', Expression: 'a' }),
      /^invalid_request: Error in expression 'a': it depends on itself/,
    );
    assert.match(await of({ Id: 'a', Expression: "SEARCH('x', 'Sum')" }), /^invalid_request: the expression is not valid/);
    assert.match(await of(), /^MissingParameter: The parameter MetricDataQueries is required/);
    const long = {
      StartTime: now - 80 * 86_400,
      EndTime: now,
      MetricDataQueries: Array.from({ length: 9 }, (_, i) => stat(`m${i}`, 'Good', 'Sum')),
    };
    assert.match(await refusal('GetMetricData', long), /^InvalidParameterCombination: You have requested up to 1036800 datapoints/);
  });
});
