/** PutMetricData: metrics reported by clients. */
import type { Clock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import type { MetricStore } from '../../metrics/index.ts';
import { isReservedNamespace, Measure, type MetricKey, type MetricName } from '../../metrics/index.ts';
import { AwsError, type AwsInput, type AwsOutput } from '../service.ts';
import { invalidCombination, invalidValue, missingParameter } from './cloudwatch-errors.ts';
import { dimensionsOf } from './metric-key.ts';

const metricsMax = 1000;
const valuesMax = 150;
const magnitudeMax = 2 ** 360;
const oldestMs = 14 * 86_400_000;
const aheadMs = 2 * 3_600_000;

/** One validated metric of a call. */
interface Datum {
  readonly metricKey: MetricKey;
  readonly metric: MetricName;
  readonly atMs: number;
  readonly measured: Measure;
}

interface DatumBody {
  readonly MetricName: string;
  readonly Dimensions?: unknown;
  readonly Timestamp?: number;
  readonly Value?: number;
  readonly StatisticValues?: { readonly SampleCount: number; readonly Sum: number; readonly Minimum: number; readonly Maximum: number };
  readonly Values?: readonly number[];
  readonly Counts?: readonly number[];
  readonly Unit?: string;
  readonly StorageResolution?: number;
}

export interface PutMetricDataOptions {
  readonly store: Pick<MetricStore, 'put' | 'written' | 'isFullFor' | 'drop'>;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly log: Log;
}

/** Stores all metrics of the call, or none if one is invalid. Resolves once the data survives a crash. */
export async function putMetricData({ store, clock, log }: PutMetricDataOptions, input: AwsInput): Promise<AwsOutput> {
  const nowMs = clock.wallMs();
  const data = readData(input, nowMs);
  const lacking = store.isFullFor(data);
  if (lacking > 0) {
    store.drop(data.length);
    log.warn({ namespace: input.Namespace, lacking, dropped: data.length }, 'dropped metrics above the limit for distinct metrics');
    const why = 'the limit for distinct metrics is reached: do not use dimensions with unbounded values';
    throw new AwsError('LimitExceeded', `Nothing of this call was stored: ${lacking} of its ${data.length} metrics are new, and ${why}.`);
  }
  for (const { metricKey, metric, atMs, measured } of data) store.put(metricKey, metric, atMs, measured);
  await store.written();
  return {};
}

/** Validates all metrics. `at` is the path of a metric in AWS's notation, as error messages show it. */
function readData({ Namespace, MetricData = [], EntityMetricData = [] }: AwsInput, nowMs: number): Datum[] {
  const namespace = String(Namespace);
  if (isReservedNamespace(namespace)) {
    throw invalidValue(
      `The value ${namespace} for parameter Namespace is invalid: namespaces that begin with AWS/ or /aws/, and Penstock, are reserved.`,
    );
  }
  const named = (MetricData as DatumBody[]).map((body, index) => ({ body, at: `MetricData.member.${index + 1}` }));
  const ofEntities = (EntityMetricData as { MetricData?: DatumBody[] }[]).flatMap(({ MetricData: bodies = [] }, entity) =>
    bodies.map((body, index) => ({ body, at: `EntityMetricData.member.${entity + 1}.MetricData.member.${index + 1}` })),
  );
  const all = [...named, ...ofEntities];
  if (all.length === 0) throw missingParameter('The parameter MetricData is required.');
  if (all.length > metricsMax) throw invalidValue(`The collection MetricData must not have a size greater than ${metricsMax}.`);
  return all.map(({ body, at }) => readDatum(body, at, namespace, nowMs));
}

function readDatum(body: DatumBody, at: string, namespace: string, nowMs: number): Datum {
  const { MetricName: name, Unit: unit = 'None', Timestamp: atMs = nowMs, StorageResolution: resolution = 60 } = body;
  if (name.trim() === '') throw invalidValue(`The parameter ${at}.MetricName is empty.`);
  if (resolution !== 1 && resolution !== 60)
    throw invalidValue(`The parameter ${at}.StorageResolution must be 1 or 60, got ${resolution}.`);
  if (atMs < nowMs - oldestMs || atMs > nowMs + aheadMs) {
    const reported = new Date(atMs).toISOString();
    throw invalidValue(
      `The parameter ${at}.Timestamp must specify a time within the past two weeks and no more than two hours in the future, got ${reported}.`,
    );
  }
  const metricKey = { namespace, dimensions: dimensionsOf(body.Dimensions, `${at}.Dimensions`) };
  return { metricKey, metric: { name, unit }, atMs, measured: measuredOf(body, at) };
}

function measuredOf({ Value, StatisticValues, Values, Counts }: DatumBody, at: string): Measure {
  const input = Object.entries({ Value, StatisticValues, Values }).filter(([, value]) => value !== undefined);
  if (input.length > 1) {
    const [first, second] = input.map(([name]) => `${at}.${name}`);
    throw invalidCombination(`The parameters ${first} and ${second} are mutually exclusive and you have specified both.`);
  }
  const measured = new Measure();
  if (Value !== undefined) measured.add(checked(Value, `${at}.Value`));
  else if (StatisticValues !== undefined) addSet(measured, StatisticValues, `${at}.StatisticValues`);
  else if (Values !== undefined) addValues(measured, Values, Counts, at);
  else throw missingParameter(`At least one of the parameters ${at}.Value, ${at}.Values and ${at}.StatisticValues must be specified.`);
  return measured;
}

function addSet(into: Measure, set: NonNullable<DatumBody['StatisticValues']>, at: string): void {
  for (const [name, value] of Object.entries(set)) checked(value, `${at}.${name}`);
  const { SampleCount: count, Sum: sum, Minimum: min, Maximum: max } = set;
  if (count <= 0) throw invalidValue(`The value ${count} for parameter ${at}.SampleCount is invalid: it must be greater than 0.`);
  if (min > max) throw invalidValue(`The parameter ${at}.Minimum must not be greater than ${at}.Maximum.`);
  into.addSet({ count, sum, min, max });
}

function addValues(into: Measure, values: readonly number[], counts: readonly number[] | undefined, at: string): void {
  if (values.length === 0 || values.length > valuesMax)
    throw invalidValue(`The collection ${at}.Values must have a size of 1 to ${valuesMax}, got ${values.length}.`);
  if (counts !== undefined && counts.length !== values.length)
    throw invalidValue(`The collections ${at}.Values and ${at}.Counts must have the same size, got ${values.length} and ${counts.length}.`);
  for (const [index, value] of values.entries()) {
    const times = counts?.[index] ?? 1;
    checked(times, `${at}.Counts.member.${index + 1}`);
    if (times < 0) throw invalidValue(`The value ${times} for parameter ${at}.Counts.member.${index + 1} is invalid.`);
    checked(value, `${at}.Values.member.${index + 1}`);
    // A count of 0 is valid and adds nothing.
    if (times > 0) into.add(value, times);
  }
  if (into.count === 0) throw invalidValue(`The collection ${at}.Counts counts nothing.`);
}

function checked(value: number, at: string): number {
  if (Number.isFinite(value) && Math.abs(value) <= magnitudeMax) return value;
  throw invalidValue(`The value ${value} for parameter ${at} is invalid: a number of -2^360 to 2^360 is expected.`);
}
