/**
 * Metrics of a variant's requests in two namespaces: SageMaker's, with its names and units, and Penstock's, with stage times, dispatch
 * reasons and cost.
 */
import type { ErrorCode } from '../../errors.ts';
import type { AnswerColumns, LoggedAnswers } from './answer-columns.ts';
import type { MetricFeed, MetricKey } from './metric-group.ts';
import type { MetricStore } from './metric-store.ts';

/** The namespace in which scripts for SageMaker look. */
export const sagemakerNamespace = 'AWS/SageMaker';
/** The namespace of metrics that SageMaker does not have. */
export const penstockNamespace = 'Penstock';
/** Resource use of endpoint machines. */
export const endpointsNamespace = '/aws/sagemaker/Endpoints';

/** Attribution of errors as in SageMaker's metrics: client, server or model. */
const faults: Readonly<Record<ErrorCode, '4XX' | '5XX' | 'model'>> = {
  invalid_request: '4XX',
  unauthenticated: '4XX',
  forbidden: '4XX',
  not_found: '4XX',
  already_exists: '4XX',
  wrong_state: '4XX',
  too_large: '4XX',
  overloaded: '4XX',
  unsupported: '4XX',
  deadline_exceeded: 'model',
  model_failed: 'model',
  unavailable: '5XX',
  internal: '5XX',
};

/** Dimensions are those of SageMaker in both namespaces. */
export function variantMetricKey(namespace: string, endpoint: string, variant: string): MetricKey {
  return { namespace, dimensions: { EndpointName: endpoint, VariantName: variant } };
}

/** Executors are always on (instance) or on demand (function). */
export type ExecutorKind = 'instance' | 'function';

/** Key for metrics of one executor kind: a variant can have both. */
export function executorsMetricKey(namespace: string, endpoint: string, variant: string, kind: ExecutorKind): MetricKey {
  return { namespace, dimensions: { EndpointName: endpoint, VariantName: variant, ExecutorKind: kind } };
}

interface KindFeeds {
  readonly latency: MetricFeed;
  readonly compute: MetricFeed;
}

/** One feed per metric, fetched once when the variant is first served. */
export class VariantSeries {
  readonly #feedOf: (namespace: string, name: string, unit: string) => MetricFeed;
  readonly #invocations: MetricFeed;
  readonly #errors4XX: MetricFeed;
  readonly #errors5XX: MetricFeed;
  readonly #modelErrors: MetricFeed;
  readonly #modelLatency: MetricFeed;
  readonly #overhead: MetricFeed;
  readonly #latency: MetricFeed;
  readonly #queue: MetricFeed;
  readonly #compute: MetricFeed;
  readonly #encode: MetricFeed;
  readonly #rows: MetricFeed;
  readonly #batchRows: MetricFeed;
  readonly #missed: MetricFeed;
  readonly #cost: MetricFeed;
  /** Null without instances. */
  #perInstance: { readonly feed: MetricFeed; readonly share: number } | null = null;
  /** Feeds that few variants need. */
  readonly #rare = new Map<string, MetricFeed>();
  /** By dispatch reason. */
  /** By plan of a selection. */
  readonly #byPlan = new Map<string, MetricFeed>();
  readonly #byReason = new Map<string, { readonly batches: MetricFeed; readonly rows: MetricFeed }>();
  readonly #feedsOfKind: (kind: ExecutorKind) => KindFeeds;
  #instances: KindFeeds | null = null;
  #functions: KindFeeds | null = null;

  constructor(store: MetricStore, endpoint: string, variant: string) {
    this.#feedOf = (namespace, name, unit) => store.feed(variantMetricKey(namespace, endpoint, variant), { name, unit });
    const aws = (name: string, unit = 'None'): MetricFeed => this.#feedOf(sagemakerNamespace, name, unit);
    const own = (name: string, unit: string): MetricFeed => this.#feedOf(penstockNamespace, name, unit);
    this.#feedsOfKind = (kind) => {
      const metricKey = executorsMetricKey(penstockNamespace, endpoint, variant, kind);
      const feed = (name: string): MetricFeed => store.feed(metricKey, { name, unit: 'Milliseconds' });
      return { latency: feed('Latency'), compute: feed('ComputeTime') };
    };
    this.#invocations = aws('Invocations');
    this.#errors4XX = aws('Invocation4XXErrors');
    this.#errors5XX = aws('Invocation5XXErrors');
    this.#modelErrors = aws('InvocationModelErrors');
    this.#modelLatency = aws('ModelLatency', 'Microseconds');
    this.#overhead = aws('OverheadLatency', 'Microseconds');
    this.#latency = own('Latency', 'Milliseconds');
    this.#queue = own('QueueTime', 'Milliseconds');
    this.#compute = own('ComputeTime', 'Milliseconds');
    this.#encode = own('EncodeTime', 'Milliseconds');
    this.#rows = own('Rows', 'Count');
    this.#batchRows = own('BatchRows', 'Count');
    this.#missed = own('ObjectiveMissed', 'None');
    this.#cost = own('Cost', 'None');
  }

  /** Counts answers of one executor kind, for the variant and for that kind. */
  answered(answers: AnswerColumns, kind: ExecutorKind, columns: LoggedAnswers = answers.logged()): void {
    const { length, judged, missed } = answers;
    this.#ended(null, length);
    const feeds = kind === 'instance' ? (this.#instances ??= this.#feedsOfKind(kind)) : (this.#functions ??= this.#feedsOfKind(kind));
    this.#modelLatency.addAll(columns.computeMs, 1000);
    this.#overhead.addAll(columns.overheadMs, 1000);
    this.#queue.addAll(columns.queueMs, 1);
    this.#encode.addAll(columns.encodeMs, 1);
    this.#rows.addAll(columns.rows, 1);
    this.#cost.addAll(columns.costUsd, 1);
    for (const feed of [this.#latency, feeds.latency]) feed.addAll(columns.totalMs, 1);
    for (const feed of [this.#compute, feeds.compute]) feed.addAll(columns.computeMs, 1);
    // 0 or 1 per answer with an objective, so that the mean is the share.
    if (missed > 0) this.#missed.add(1, missed);
    if (judged > missed) this.#missed.add(0, judged - missed);
  }

  refused(code: ErrorCode | 'cancelled'): void {
    this.#ended(code === 'cancelled' ? '4XX' : faults[code]);
    this.#rareOf(`Errors/${code}`).add(1);
  }

  /** For a request answered by a function: how long its batch was held open. */
  batchHeld(batchWaitMs: number): void {
    this.#rareOf('BatchWait', penstockNamespace, 'Milliseconds').add(batchWaitMs);
  }

  dispatched(reason: string, rows: number): void {
    this.#batchRows.add(rows);
    let feeds = this.#byReason.get(reason);
    if (feeds === undefined) {
      feeds = { batches: this.#rareOf(`Dispatch/${reason}`), rows: this.#rareOf(`BatchRows/${reason}`) };
      this.#byReason.set(reason, feeds);
    }
    feeds.batches.add(1);
    feeds.rows.add(rows);
  }

  /** A function ran a batch. */
  invoked(isColdStart: boolean, setupMs: number | undefined): void {
    this.#rareOf('ColdStarts').add(isColdStart ? 1 : 0);
    if (setupMs !== undefined) this.#rareOf('ModelSetupTime', sagemakerNamespace, 'Microseconds').add(setupMs * 1000);
  }

  /** Sets the number of instances that calls are divided by from now on. */
  runsOn(instances: number): void {
    this.#perInstance =
      instances === 0 ? null : { feed: this.#rareOf('InvocationsPerInstance', sagemakerNamespace, 'None'), share: 1 / instances };
  }

  overflowed(reason: string): void {
    this.#rareOf(`Overflow/${reason}`).add(1);
  }

  /** Rows were answered under a plan of a selection. */
  planned(plan: string, rows: number): void {
    let feed = this.#byPlan.get(plan);
    if (feed === undefined) this.#byPlan.set(plan, (feed = this.#rareOf(`PlanRows/${plan}`)));
    feed.add(rows);
  }

  /** Rejected calls count, too: SageMaker's error metrics are 0 or 1 for every call. */
  #ended(fault: '4XX' | '5XX' | 'model' | null, times = 1): void {
    this.#invocations.add(1, times);
    this.#perInstance?.feed.add(this.#perInstance.share, times);
    this.#errors4XX.add(fault === '4XX' ? 1 : 0, times);
    this.#errors5XX.add(fault === '5XX' ? 1 : 0, times);
    this.#modelErrors.add(fault === 'model' ? 1 : 0, times);
  }

  #rareOf(name: string, namespace = penstockNamespace, unit = 'Count'): MetricFeed {
    let feed = this.#rare.get(name);
    if (feed === undefined) this.#rare.set(name, (feed = this.#feedOf(namespace, name, unit)));
    return feed;
  }
}
