/** Asynchronous inference: its workers, the storage of bodies, and the observation of the backlog. */

import { addDelivery, announceDeliveries, topicUrl } from '../../alerts/index.ts';
import {
  type AsyncApi,
  AsyncInference,
  BacklogMonitor,
  type Capacity,
  timeoutMsMax,
  type WatchedQueue,
} from '../../async-inference/index.ts';
import type { Closer, Closers } from '../../closers.ts';
import type { Config } from '../../config.ts';
import { type Deployments, type EndpointView, productionVariants } from '../../deployment/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Foundation } from '../../foundation/index.ts';
import type { Events } from '../../records/index.ts';
import { payloadKind } from '../../registry/index.ts';
import type { ServedVariant, Serving } from '../../serving/index.ts';
import { type S3Store } from '../s3/objects/store.ts';
import { AsyncConfigs } from '../sagemaker/endpoints/async-config.ts';
import { AwsError } from '../service.ts';
import { type AsyncHandler } from './async-invocation.ts';
import { BodyInvocations } from './body-invocation.ts';
import type { CaptureServices } from './capture/open-capture.ts';

export interface AsyncServices {
  readonly asyncHandler: AsyncHandler;
  readonly asyncApi: AsyncApi;
  /** Backlog of an endpoint: age of the oldest queued request and the limit. Null if it never had a request. */
  readonly backlogOf: BacklogMonitor['backlogOf'];
}

export interface AsyncDeps
  extends Pick<Foundation, 'db' | 'clock' | 'jobs' | 'series' | 'threads' | 'logs'>,
    Pick<CaptureServices, 'calls'> {
  readonly serving: Serving;
  readonly deployments: Deployments;
  readonly events: Events;
  readonly s3: S3Store;
}

const reportAfterMs = 100;
/** The message that SageMaker sends to the topics of a new endpoint. */
const testNotification = { eventVersion: '1.0', eventSource: 'aws:sagemaker', eventName: 'TestNotification' };

/** Default bucket for bodies and results. */
const ownBucket = 'penstock-async';

/** Resumes requests accepted by an earlier server, and accepts new ones. */
export async function openAsync(config: Config, deps: AsyncDeps, closers: Closers): Promise<AsyncServices> {
  const { serving, deployments, events, db, clock, jobs, series, s3, threads, calls } = deps;
  const log = deps.logs.platform;
  const configs = new AsyncConfigs({ db, clock, deployments });
  const bodies = new BodyInvocations({ serving, threads, calls, clock, log });
  const capacityOf = async (endpoint: string): Promise<Capacity | null> => {
    const view = viewOf(deployments, endpoint);
    if (view === null) return null;
    const requested = (await configs.of(endpoint))?.ClientConfig?.MaxConcurrentInvocationsPerInstance ?? null;
    return capacity(view, view.status === 'Unloaded' ? [] : (serving.endpoint(endpoint)?.variants ?? []), requested);
  };
  const asyncInference = new AsyncInference({
    db,
    clock,
    log,
    jobs,
    events,
    series,
    objects: s3,
    capacityOf,
    run: (order) => bodies.run(order),
    addressOf: (topic) => topicUrl(config.asyncTopics, topic),
    awsRegion: config.awsRegion,
    bodyBytesMax: config.asyncBodyLimitBytes,
  });
  await asyncInference.open();
  closers.add(asyncInference);
  const watch = new BacklogMonitor({
    clock,
    log,
    series,
    endpoints: async () => {
      const known = new Set(asyncInference.endpoints());
      for (const { config: each } of deployments.list()) {
        if (each.timeoutMs >= timeoutMsMax && (await configs.of(each.name)) !== null) known.add(each.name.toLowerCase());
      }
      return [...known];
    },
    backlog: (endpoint) => asyncInference.backlog(endpoint),
    capacityOf,
    workMs: (endpoint) => asyncInference.measures.workMs(endpoint),
    watched: async (endpoint) => {
      const view = viewOf(deployments, endpoint);
      return view === null ? null : watchedQueue(view, configs, (await configs.of(endpoint)) !== null);
    },
  });
  watch.open();
  closers.add(watch);
  closers.push(reportTopics(config, configs, deps));
  const bucket = () => ensureBucket(s3);
  const asyncHandler = { configOf: configs.of.bind(configs), submit: asyncInference.submit.bind(asyncInference), ownBucket: bucket };
  const asyncApi: AsyncApi = {
    requests: asyncInference,
    ownBucket: bucket,
    put: async (objectUri, source, contentType) =>
      void (await s3.put(objectUri.bucket, objectUri.key, source, { headers: { contentType, origin: 'input' } })),
    open: (objectUri) => s3.open(objectUri.bucket, objectUri.key),
  };
  return { asyncHandler, asyncApi, backlogOf: watch.backlogOf.bind(watch) };
}

/** Sends a test notification to the topics of each new endpoint, as SageMaker does. Returns a function that stops it. */
function reportTopics(config: Config, configs: AsyncConfigs, { events, db, clock, jobs, logs }: AsyncDeps): Closer {
  const sendTest = async (endpoint: string): Promise<void> => {
    const { SuccessTopic, ErrorTopic } = (await configs.of(endpoint))?.OutputConfig.NotificationConfig ?? {};
    for (const topic of new Set([SuccessTopic, ErrorTopic])) {
      const url = topic === undefined ? null : topicUrl(config.asyncTopics, topic);
      if (url === null) continue;
      const target = { id: endpoint, arn: url };
      await addDelivery(jobs, db, { rule: `async ${endpoint}`, target, body: JSON.stringify(testNotification), eventId: endpoint });
      announceDeliveries(jobs);
    }
  };
  return events.subscribe(({ kind, subject }) => {
    if (kind !== 'endpoint.created') return;
    // Other listeners may not have processed the event yet.
    clock.after(reportAfterMs, () => {
      sendTest(subject).catch((error: unknown) =>
        logs.platform.warn({ endpoint: subject, error: messageOf(error) }, 'failed to report the topics of an endpoint'),
      );
    });
  });
}

/** Null if the endpoint does not exist. */
function viewOf(deployments: Deployments, endpoint: string): EndpointView | null {
  try {
    return deployments.get(endpoint);
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'not_found') return null;
    throw error;
  }
}

/** Capacity of an endpoint for asynchronous requests, from its running executors. */
function capacity({ config }: EndpointView, served: readonly ServedVariant[], concurrency: number | null): Capacity {
  const instances = served.reduce((sum, { executors }) => sum + executors.filter(({ isFunction }) => !isFunction).length, 0);
  // Functions count only if there are no instances. With instances, functions are overflow.
  const functions = served.reduce((sum, each) => sum + (each.overflow === null ? (each.functions?.config.maxConcurrency ?? 0) : 0), 0);
  const sizes = served.flatMap((each) => [
    ...each.executors.map(({ batchSize }) => batchSize),
    ...(each.functions === null ? [] : [each.functions.setting.batchSizeMax]),
  ]);
  return {
    endpoint: config.name,
    variants: productionVariants(config.variants).map(({ name }) => name),
    executors: instances + functions,
    instances,
    batchRows: Math.max(1, ...sizes),
    acceptsFiles: served.length > 0 && served.every(({ version }) => payloadKind(version.runtime) !== 'tensors'),
    concurrency,
  };
}

/** The instances of an asynchronous endpoint follow its backlog unless another policy scales them. */
async function watchedQueue({ config }: EndpointView, configs: AsyncConfigs, isAsync: boolean): Promise<WatchedQueue> {
  const followers: string[] = [];
  for (const { name, scaling } of isAsync ? config.variants : [])
    if (scaling?.policy === 'hold' && !(await configs.hasPolicies(config.name, name))) followers.push(name);
  return { objectiveMs: config.objective?.latencyMs ?? null, followers };
}

/** Creates the default bucket. A concurrent request may create it first. */
async function ensureBucket(s3: S3Store): Promise<string> {
  if ((await s3.bucket(ownBucket)) !== null) return ownBucket;
  await s3.createBucket(ownBucket).catch((error: unknown) => {
    if (!(error instanceof AwsError && error.code === 'BucketAlreadyOwnedByYou')) throw error;
  });
  return ownBucket;
}
