/** What is looked at of calls: files of them, drift of what they bring, and how good the answers were once the truth is known. */
import { AwsError, decodeBody, type S3Store } from '../aws/index.ts';
import { decodeCsv, ModelPlan } from '../codecs/index.ts';
import type { Deployments } from '../deployment/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import {
  CallWatch,
  type CaptureConfig,
  CaptureFiles,
  type CaptureReader,
  captureBucketDefault,
  captureDefault,
  capturePlace,
  DriftWatch,
  type Events,
  type FeatureValues,
  featureRows,
  GroundTruth,
  type Log,
  outputFeatures,
  penstockNamespace,
  readCaptured,
} from '../monitoring/index.ts';
import { SystemRandom } from '../random.ts';
import type { Serving } from '../serving/index.ts';
import type { Closer, Ground } from './ground.ts';

export interface CapturingNeeds extends Pick<Ground, 'db' | 'clock' | 'series'> {
  readonly log: Log;
  readonly events: Events;
  readonly deployments: Pick<Deployments, 'list'>;
  readonly serving: Pick<Serving, 'watchCalls' | 'routeToVariant'>;
  readonly s3: S3Store;
}

export interface Capturing {
  readonly calls: CallWatch;
  readonly drift: DriftWatch;
  readonly truth: GroundTruth;
  readonly capturedValues: (endpoint: string, fromMs: number, toMs: number) => Promise<FeatureValues>;
}

/** Begins to look. What ends it is added to the closers. */
export async function openCapturing(needs: CapturingNeeds, closers: Closer[]): Promise<Capturing> {
  const { db, clock, log, series, events, s3 } = needs;
  const random = new SystemRandom();
  const endpoints = () => needs.deployments.list().map(({ config: { name } }) => name);
  const truth = new GroundTruth({
    db,
    clock,
    store: series,
    endpoints,
    onDropped: (dropped) => log.warn({ ...dropped }, 'more was predicted than can be kept: labels of these calls will find nothing'),
    onFailure: (error) => log.error({ error: messageOf(error) }, 'predictions could not be written yet'),
  });
  closers.push(() => truth.close());
  const drift = new DriftWatch({
    db,
    clock,
    random,
    store: series,
    events,
    endpoints,
    onWatched: (endpoint, isWatched) => needs.serving.watchCalls(endpoint, isWatched),
    onFailure: (error) => log.error({ error: messageOf(error) }, 'drift could not be looked at'),
  });
  await drift.open();
  closers.push(events.subscribe(({ kind, subject }) => (kind === 'endpoint.deleted' ? drift.forget(subject) : undefined)));
  closers.push(() => drift.close());
  const count = (endpoint: string, name: string, calls: number): void => {
    series.add({ namespace: penstockNamespace, dimensions: { EndpointName: endpoint } }, { name, unit: 'Count' }, calls);
  };
  const files = new CaptureFiles({
    clock,
    write: async ({ bucket, key }, chunks) => {
      if (bucket === captureBucketDefault) await ensureBucket(s3, bucket);
      await s3.put(bucket, key, chunks, { headers: { contentType: 'application/jsonlines' } });
    },
    onWritten: (endpoint, calls) => count(endpoint, 'CapturedCalls', calls),
    onGap: (endpoint, calls, reason) => {
      count(endpoint, 'CaptureDropped', calls);
      log.warn({ endpoint, calls, reason }, 'captured calls could not be kept: there is a gap in the files');
    },
  });
  closers.push(() => files.close());
  const onFailure = (endpoint: string, error: unknown): void =>
    log.error({ endpoint, error: messageOf(error) }, 'a call could not be looked at');
  const calls = new CallWatch({ clock, random, files, drift, truth, onFailure });
  return {
    calls,
    drift,
    truth,
    capturedValues: async (...span) => {
      await files.flush();
      return capturedValues(needs, truth, ...span);
    },
  };
}

async function ensureBucket(s3: S3Store, bucket: string): Promise<void> {
  if ((await s3.bucket(bucket)) !== null) return;
  await s3.createBucket(bucket).catch((error: unknown) => {
    if (!(error instanceof AwsError && error.code === 'BucketAlreadyOwnedByYou')) throw error;
  });
}

/** What captured calls brought, by feature, decoded by the model that serves their variant now. */
async function capturedValues(
  { deployments, serving, s3 }: CapturingNeeds,
  truth: GroundTruth,
  endpoint: string,
  fromMs: number,
  toMs: number,
): Promise<FeatureValues> {
  const found = deployments.list().find(({ config }) => config.name.toLowerCase() === endpoint.toLowerCase());
  if (found === undefined) throw new PlatformError('not_found', `endpoint '${endpoint}' is not known`);
  const { name, capture } = found.config;
  const config: CaptureConfig = capture ?? captureDefault;
  const left = new Set(config.redact);
  const plans = new Map<string, ModelPlan | null>();
  const planOf = (variant: string): ModelPlan | null => {
    let plan = plans.get(variant);
    if (plan === undefined) plans.set(variant, (plan = planFor(serving, name, variant)));
    return plan;
  };
  const values = new Map<string, number[]>();
  for await (const { variant, contentType, body } of readCaptured(readerOf(s3), {
    ...capturePlace(config.to),
    endpoint: name,
    fromMs,
    toMs,
  })) {
    const plan = planOf(variant);
    if (plan === null) continue;
    for (const { inputs, rows } of invocationsOf(plan, contentType, body)) {
      const features = featureRows(inputs, rows, left);
      for (let row = 0; row < rows; row++) addRow(values, features.names, features.row(row));
    }
  }
  const predicted = (await truth.predictedWithin(name, fromMs, toMs)).filter((value) => typeof value === 'number');
  if (predicted.length > 0) values.set(outputFeatures.prediction, predicted);
  return values;
}

function addRow(values: Map<string, number[]>, names: readonly string[], row: readonly number[]): void {
  for (const [i, name] of names.entries()) {
    const column = values.get(name);
    if (column === undefined) values.set(name, [row[i] as number]);
    else column.push(row[i] as number);
  }
}

function planFor(serving: CapturingNeeds['serving'], endpoint: string, variant: string): ModelPlan | null {
  try {
    const route = serving.routeToVariant(endpoint, variant);
    return route.runtime === 'onnx' ? new ModelPlan(route.endpoint, route.version, route.signature, route.batchable) : null;
  } catch {
    return null; // a variant that is served no more
  }
}

/** Nothing where it is redacted, or another model's. */
function invocationsOf(plan: ModelPlan, contentType: string, body: Buffer) {
  try {
    // What the native API was told of a column that is no input stands beside the type.
    const [, label] = /^text\/csv;.*\blabel="([^"]*)"$/.exec(contentType) ?? [];
    if (label !== undefined) return decodeCsv(plan.signature, body.toString('utf8'), { label: decodeURIComponent(label) });
    return decodeBody(plan, contentType, undefined, body).documents.flatMap(({ invocations }) => invocations);
  } catch {
    return [];
  }
}

const fileBytesMax = 64 * 2 ** 20;

function readerOf(s3: S3Store): CaptureReader {
  return {
    list: async (bucket, prefix, after) => {
      if ((await s3.bucket(bucket)) === null) return [];
      const from = after === null ? {} : { from: { key: after, inclusive: false } };
      return (await s3.list(bucket, { prefix, ...from, itemsMax: 1000 })).objects.map(({ key }) => key);
    },
    read: async (bucket, key) => {
      const object = await s3.open(bucket, key);
      if (object === null) return null;
      if (object.bytes > fileBytesMax) {
        object.close();
        return null;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of object.stream()) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    },
  };
}
