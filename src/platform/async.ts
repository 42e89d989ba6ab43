/** Asynchronous inference: who serves its requests, where their bodies lie, and how instances follow the backlog. */
import type { AsyncApi } from '../api/index.ts';
import { AsyncInference, BacklogWatch, type Capacity, timeoutMsMax, type WatchedQueue } from '../async-inference/index.ts';
import { AsyncConfigs, type AsyncDoor, AwsError, BodyInvocations, type S3Store } from '../aws/index.ts';
import type { Config } from '../config.ts';
import type { EndpointView } from '../deployment/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { addDelivery, announceDeliveries } from '../monitoring/index.ts';
import type { ServedVariant } from '../serving/index.ts';
import type { Capturing } from './capturing.ts';
import type { Closer, Ground } from './ground.ts';
import type { BuiltRooms } from './rooms.ts';

export interface AsyncWorks {
  readonly asyncDoor: AsyncDoor;
  readonly asyncApi: AsyncApi;
  /** How old the oldest waiting request of an endpoint is, and how old it may be; null where none ever came. */
  readonly backlogOf: BacklogWatch['backlogOf'];
}

const tellAfterMs = 100;
const testNotification = { eventVersion: '1.0', eventSource: 'aws:sagemaker', eventName: 'TestNotification' };

/** Bodies and answers that nobody said a place for. */
const ownBucket = 'penstock-async';

/** Goes on with what an earlier server accepted, and takes more. */
export async function openAsync(
  config: Config,
  rooms: Pick<BuiltRooms, 'serving' | 'deployments' | 'events'>,
  ground: Ground & Pick<Capturing, 'calls'> & { readonly s3: S3Store },
  closers: Closer[],
): Promise<AsyncWorks> {
  const { serving, deployments, events } = rooms;
  const { db, clock, jobs, series, s3 } = ground;
  const log = ground.logs.platform;
  const configs = new AsyncConfigs({ db, clock, deployments });
  const bodies = new BodyInvocations({ serving, calls: ground.calls, nowMs: () => clock.nowMs() });
  const capacityOf = async (endpoint: string): Promise<Capacity | null> => {
    const view = viewOf(deployments, endpoint);
    if (view === null) return null;
    const asked = (await configs.of(endpoint))?.ClientConfig?.MaxConcurrentInvocationsPerInstance ?? null;
    return capacity(view, view.status === 'Unloaded' ? [] : (serving.endpoint(endpoint)?.variants ?? []), asked);
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
    addressOf: (topic) => addressOf(config.asyncTopics, topic),
    awsRegion: config.awsRegion,
    bodyBytesMax: config.asyncBodyLimitBytes,
  });
  await asyncInference.open();
  closers.push(() => asyncInference.close());
  const watch = new BacklogWatch({
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
    scale: (endpoint, variant, count) => deployments.scale(endpoint, variant, count),
  });
  watch.open();
  closers.push(() => watch.close());
  closers.push(tellTopics(config, configs, events, ground));
  const bucket = () => ensureBucket(s3);
  const asyncDoor = { configOf: configs.of.bind(configs), submit: asyncInference.submit.bind(asyncInference), ownBucket: bucket };
  const asyncApi: AsyncApi = {
    requests: asyncInference,
    ownBucket: bucket,
    put: async (place, source, contentType) => void (await s3.put(place.bucket, place.key, source, { headers: { contentType } })),
    open: (place) => s3.open(place.bucket, place.key),
  };
  return { asyncDoor, asyncApi, backlogOf: watch.backlogOf.bind(watch) };
}

/** Who made an endpoint sees at once whether its topics are heard. The answer ends it. */
function tellTopics(config: Config, configs: AsyncConfigs, events: BuiltRooms['events'], { db, clock, jobs, logs }: Ground): Closer {
  const tellTest = async (endpoint: string): Promise<void> => {
    const { SuccessTopic, ErrorTopic } = (await configs.of(endpoint))?.OutputConfig.NotificationConfig ?? {};
    for (const topic of new Set([SuccessTopic, ErrorTopic])) {
      const url = topic === undefined ? null : addressOf(config.asyncTopics, topic);
      if (url === null) continue;
      const target = { id: endpoint, arn: url };
      await addDelivery(jobs, db, { rule: `async ${endpoint}`, target, body: JSON.stringify(testNotification), eventId: endpoint });
      announceDeliveries(jobs);
    }
  };
  return events.subscribe(({ kind, subject }) => {
    if (kind !== 'endpoint.created') return;
    // Those who hear of it first have not all entered it in their books yet.
    clock.after(tellAfterMs, () => {
      tellTest(subject).catch((error: unknown) =>
        logs.platform.warn({ endpoint: subject, error: messageOf(error) }, 'topics could not be told'),
      );
    });
  });
}

/** null where there is no such endpoint. */
function viewOf(deployments: BuiltRooms['deployments'], endpoint: string): EndpointView | null {
  try {
    return deployments.get(endpoint);
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'not_found') return null;
    throw error;
  }
}

function capacity({ config }: EndpointView, served: readonly ServedVariant[], concurrency: number | null): Capacity {
  const instances = served.reduce((sum, { executors }) => sum + executors.filter(({ isFunction }) => !isFunction).length, 0);
  // Functions beside instances help out; alone they are all there is.
  const functions = served.reduce((sum, each) => sum + (each.overflow === null ? (each.functions?.config.maxConcurrency ?? 0) : 0), 0);
  const sizes = served.flatMap((each) => [
    ...each.executors.map(({ batchSize }) => batchSize),
    ...(each.functions === null ? [] : [each.functions.setting.batchSizeMax]),
  ]);
  return {
    endpoint: config.name,
    variants: config.variants.map(({ name }) => name),
    executors: instances + functions,
    instances,
    batchRows: Math.max(1, ...sizes),
    takesFiles: served.length > 0 && served.every(({ version }) => version.runtime.kind === 'process'),
    concurrency,
  };
}

/** Where nothing else decides, the instances of an asynchronous endpoint follow its backlog. */
async function watchedQueue({ config, variants }: EndpointView, configs: AsyncConfigs, isAsync: boolean): Promise<WatchedQueue> {
  const following = await Promise.all(
    config.variants.map(async ({ name, scaling }) => {
      if (scaling === undefined) return [];
      const { policy, instancesMin, instancesMax, directions = 'both' } = scaling;
      const wanted = variants.find((each) => each.name === name)?.wanted ?? instancesMin;
      const isFree = policy === 'backlog' || (isAsync && policy === 'hold' && !(await configs.hasPolicies(config.name, name)));
      const isOurs = directions === 'both' && isFree;
      return directions === 'in' || directions === 'none' ? [] : [{ name, wanted, instancesMin, instancesMax, isOurs }];
    }),
  );
  return { objectiveMs: config.objective?.latencyMs ?? null, variants: following.flat() };
}

/** A topic is a URL, or the table of topics says which one it stands for. */
/** The URL that stands for a topic, or is one; null where there is none. */
export function addressOf(topics: Config['asyncTopics'], topic: string): string | null {
  if (/^https?:\/\//.test(topic)) return topic;
  const url = topics?.[topic];
  return typeof url === 'string' ? url : null;
}

async function ensureBucket(s3: S3Store): Promise<string> {
  if ((await s3.bucket(ownBucket)) !== null) return ownBucket;
  await s3.createBucket(ownBucket).catch((error: unknown) => {
    if (!(error instanceof AwsError && error.code === 'BucketAlreadyOwnedByYou')) throw error;
  });
  return ownBucket;
}
