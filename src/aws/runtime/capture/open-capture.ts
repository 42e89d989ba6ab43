/** Captures calls: writes files, detects drift, and measures quality once labels arrive. */

import type { Closers } from '../../../closers.ts';
import type { ModelPlan } from '../../../codecs/index.ts';
import {
  CallCapture,
  type CaptureConfig,
  CaptureFiles,
  captureBucketDefault,
  captureDefault,
  DriftMonitor,
  type FeatureValues,
  featureRows,
  GroundTruth,
  outputFeatures,
  parseCaptureDestination,
  readCaptured,
} from '../../../data-quality/index.ts';
import type { Deployments } from '../../../deployment/index.ts';
import { messageOf, PlatformError } from '../../../errors.ts';
import type { Foundation } from '../../../foundation/index.ts';
import type { Listener } from '../../../http/index.ts';
import { penstockNamespace, variantMetricKey } from '../../../metrics/index.ts';
import { sameName } from '../../../names.ts';
import { SystemRandom } from '../../../random.ts';
import type { Events } from '../../../records/index.ts';
import type { ServedRoute, Serving } from '../../../serving/index.ts';
import { Slices } from '../../../threads/index.ts';
import { type S3Store } from '../../s3/objects/store.ts';
import { AwsError } from '../../service.ts';
import { BodyInvocations } from '../body-invocation.ts';
import { capturedInvocations, capturedPlan, captureReader } from './captured-bodies.ts';
import { expectCapturing, type LabelledRowsQuery, labelledRows } from './labelled-rows.ts';
import { ShadowComparison } from './shadow-comparison.ts';
import { ShadowCopies } from './shadow-copies.ts';

export interface CaptureDeps extends Pick<Foundation, 'db' | 'clock' | 'series' | 'threads' | 'logs'> {
  readonly events: Events;
  readonly deployments: Pick<Deployments, 'list'>;
  readonly serving: Serving;
  readonly s3: S3Store;
  /** The memory of this machine, and that for request bodies: nothing is copied while one of them is short. */
  readonly overload: { readonly pressure: string };
  readonly listener: Pick<Listener, 'bodies'>;
}

/** What captures calls, and what other modules read of captured ones. */
export interface CaptureServices {
  readonly calls: Pick<CallCapture, 'begin'>;
  readonly drift: DriftMonitor;
  readonly truth: GroundTruth;
  readonly capturedValues: (endpoint: string, fromMs: number, toMs: number) => Promise<FeatureValues>;
  readonly labelled: {
    /** Throws `not_found` if there is no such endpoint. */
    readonly expect: (endpoint: string) => void;
    /** Captured calls with their labels, as CSV. */
    readonly rows: (query: LabelledRowsQuery) => AsyncIterable<Uint8Array>;
  };
}

/** Starts capturing, and adds its closers. */
export async function openCapture(deps: CaptureDeps, closers: Closers): Promise<CaptureServices> {
  const { db, clock, series, events, s3 } = deps;
  const log = deps.logs.platform;
  const random = new SystemRandom();
  const endpoints = () => deps.deployments.list().map(({ config: { name } }) => name);
  const truth = new GroundTruth({
    db,
    clock,
    store: series,
    endpoints,
    onDropped: (dropped) => log.warn({ ...dropped }, 'predictions beyond the limit were dropped: labels for these calls will not match'),
    onFailure: (error) => log.error({ error: messageOf(error) }, 'failed to write predictions, will retry'),
  });
  closers.add(truth);
  deps.serving.onShadowAnswered(({ endpoint }, answer) => truth.addShadow({ endpoint, ...answer }));
  const drift = new DriftMonitor({
    db,
    clock,
    random,
    store: series,
    events,
    endpoints,
    onWatched: (endpoint, isWatched) => deps.serving.watchCalls(endpoint, isWatched),
    onFailure: (error) => log.error({ error: messageOf(error) }, 'failed to evaluate drift'),
  });
  await drift.open();
  closers.push(events.subscribe(({ kind, subject }) => (kind === 'endpoint.deleted' ? drift.discard(subject) : undefined)));
  closers.add(drift);
  const count = (endpoint: string, name: string, calls: number): void => {
    series.add({ namespace: penstockNamespace, dimensions: { EndpointName: endpoint } }, { name, unit: 'Count' }, calls);
  };
  const files = new CaptureFiles({
    clock,
    write: async ({ bucket, key }, chunks) => {
      if (bucket === captureBucketDefault) await ensureBucket(s3, bucket);
      await s3.put(bucket, key, chunks, { headers: { contentType: 'application/jsonlines', origin: 'input' } });
    },
    onWritten: (endpoint, calls) => count(endpoint, 'CapturedCalls', calls),
    onGap: (endpoint, calls, reason) => {
      count(endpoint, 'CaptureDropped', calls);
      log.warn({ endpoint, calls, reason }, 'failed to store captured calls: the files have a gap');
    },
  });
  closers.add(files);
  const onFailure = (endpoint: string, error: unknown): void =>
    log.error({ endpoint, error: messageOf(error) }, 'failed to capture a call');
  const captured = new CallCapture({ clock, random, files, drift, truth, onFailure });
  return {
    calls: withShadows(deps, captured, new CallCapture({ clock, random, files, drift, truth: noTruth, onFailure })),
    drift,
    truth,
    // Buffered calls are written first, so the files include every call so far.
    capturedValues: async (...span) => {
      await files.flush();
      return capturedValues(deps, truth, ...span);
    },
    labelled: {
      expect: (endpoint) => void expectCapturing(deps, endpoint),
      rows: async function* (query) {
        await files.flush();
        yield* labelledRows(deps, truth, query);
      },
    },
  };
}

/** Creates a missing bucket. A concurrent call may create it first. */
async function ensureBucket(s3: S3Store, bucket: string): Promise<void> {
  if ((await s3.bucket(bucket)) !== null) return;
  await s3.createBucket(bucket).catch((error: unknown) => {
    if (!(error instanceof AwsError && error.code === 'BucketAlreadyOwnedByYou')) throw error;
  });
}

/** Labels belong to the answers that clients received, which a shadow must not replace. */
const noTruth = { add: () => undefined };

/** Captures calls, and copies them to shadows, whose own calls go to `ofShadows`. */
function withShadows(
  { serving, clock, threads, series, overload, listener, logs }: CaptureDeps,
  calls: CallCapture,
  ofShadows: CallCapture,
): ShadowCopies {
  const { budget } = listener.bodies;
  const count = ({ endpoint, variant }: Pick<ServedRoute, 'endpoint' | 'variant'>, name: string, unit: string, value: number): void =>
    series.add(variantMetricKey(penstockNamespace, endpoint, variant), { name, unit }, value);
  const comparison = new ShadowComparison({
    calls: ofShadows,
    onCompared: (shadow, disagreement) => count(shadow, 'ShadowDisagreement', 'None', disagreement),
  });
  const bodies = new BodyInvocations({ serving, threads, calls: comparison, clock, log: logs.platform });
  return new ShadowCopies({
    calls,
    comparison,
    serving,
    run: (route, request) => bodies.runOn(route, request),
    random: new SystemRandom(),
    isMemoryShort: () => overload.pressure !== 'normal' || budget.bytes > budget.bytesMax / 2,
    onDropped: (shadow) => count(shadow, 'ShadowCopiesDropped', 'Count', 1),
  });
}

/** Processing this many values takes a few milliseconds. */
const valuesPerSlice = 50_000;

/** Values of captured calls by feature, decoded with the signature of the model that currently serves the variant. */
async function capturedValues(
  { deployments, serving, s3, threads }: CaptureDeps,
  truth: GroundTruth,
  endpoint: string,
  fromMs: number,
  toMs: number,
): Promise<FeatureValues> {
  const found = deployments.list().find(({ config }) => sameName(config.name, endpoint));
  if (found === undefined) throw new PlatformError('not_found', `endpoint '${endpoint}' is not known`);
  const { name, capture } = found.config;
  const config: CaptureConfig = capture ?? captureDefault;
  const redacted = new Set(config.redact);
  const plans = new Map<string, ModelPlan | null>();
  const planOf = (variant: string): ModelPlan | null => {
    let plan = plans.get(variant);
    if (plan === undefined) plans.set(variant, (plan = capturedPlan(serving, name, variant)));
    return plan;
  };
  const values = new Map<string, number[]>();
  const slices = new Slices(valuesPerSlice);
  for await (const { variant, contentType, body } of readCaptured(captureReader(s3), {
    ...parseCaptureDestination(config.to),
    endpoint: name,
    fromMs,
    toMs,
  })) {
    const plan = planOf(variant);
    if (plan === null) continue;
    for (const { inputs, rows } of await capturedInvocations(threads, plan, contentType, body)) {
      const features = featureRows(inputs, rows, redacted);
      const { names } = features;
      for (let row = 0; row < rows; row++) {
        addRow(values, names, features.row(row));
        await slices.done(names.length);
      }
    }
  }
  const predicted = (await truth.predictionsWithin(name, fromMs, toMs)).filter((value) => typeof value === 'number');
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
