/** What Prometheus reads at /metrics, and what is kept of it. The serving path holds on to one `VariantMetrics` for each variant. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ErrorCode } from '../errors.ts';
import { type HistogramChild, HistogramFamily } from './exposition/histogram-family.ts';
import { encodeFamilies, type PlainFamily, protobufContentType, takesProtobuf } from './exposition/protobuf.ts';
import type { MetricStore } from './series/metric-store.ts';
import { type ExecutorKind, VariantSeries as Recorded } from './series/variant-series.ts';

export type RequestOutcome = 'ok' | 'cancelled' | ErrorCode;

/** What one variant counts; a whole request costs about 2 us. */
export interface VariantMetrics {
  /** A request has ended. The stages count only where it was answered; a cancelled one has no latency. */
  request(outcome: RequestOutcome, totalMs: number, queueMs: number, computeMs: number, encodeMs: number, rows: number): void;
  /** Which kind of executor ran the request that was just answered. */
  served(kind: ExecutorKind, totalMs: number, computeMs: number): void;
  /** A function answered a request; of its wait, what its batch was kept for company. */
  kept(batchWaitMs: number): void;
  /** A batch has left, and why. */
  dispatch(reason: string, batchRows: number): void;
  /** A request was answered where there is an objective: later than that says, or not. */
  met(isMissed: boolean): void;
  cost(usd: number): void;
  /** A function ran a batch and is billed for so long; `setupMs` is what a cold start took. */
  invoked(billedMs: number, isColdStart: boolean, setupMs?: number): void;
  /** It has so many instances from now on. */
  runsOn(instances: number): void;
  /** A function answered a request of a variant that has instances, and why. */
  overflowed(reason: string): void;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Half a millisecond to a minute in steps of 2 to 2.5: fine enough for a percentile, few enough for many variants. */
const secondsBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60];
const rowsBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const ofVariant = ['endpoint', 'variant'] as const;

export class Metrics {
  readonly register = new Registry();
  readonly #series: VariantSeries;
  readonly #variants = new Map<string, Map<string, CountedVariant>>();

  readonly #store: MetricStore | null;

  constructor(options: { readonly processMetrics?: boolean; readonly store?: MetricStore } = {}) {
    this.#store = options.store ?? null;
    if (options.processMetrics ?? true) collectDefaultMetrics({ register: this.register });
    this.#series = makeSeries(this.register);
  }

  /** In the text format of Prometheus; for a scraper that takes native histograms in protocol buffers, with those. */
  async prometheus(accept?: string): Promise<{ readonly contentType: string; readonly body: Buffer }> {
    const { seconds, stages, batchRows } = this.#series;
    const histograms = [seconds, stages, batchRows];
    if (takesProtobuf(accept)) {
      const plain = (await this.register.getMetricsAsJSON()) as unknown as PlainFamily[];
      return { contentType: protobufContentType, body: encodeFamilies(plain, histograms) };
    }
    const texts = [(await this.register.metrics()).trimEnd(), ...histograms.map((each) => each.text())];
    return { contentType: this.register.contentType, body: Buffer.from(`${texts.join('\n')}\n`) };
  }

  /** The same variant gives the same counters. */
  variant(endpoint: string, variant: string): VariantMetrics {
    let ofEndpoint = this.#variants.get(endpoint);
    if (ofEndpoint === undefined) this.#variants.set(endpoint, (ofEndpoint = new Map<string, CountedVariant>()));
    let counted = ofEndpoint.get(variant);
    if (counted === undefined) ofEndpoint.set(variant, (counted = this.#counted(endpoint, variant)));
    return counted;
  }

  #counted(endpoint: string, variant: string): CountedVariant {
    const recorded = this.#store === null ? null : new Recorded(this.#store, endpoint, variant);
    return new CountedVariant(this.#series, endpoint, variant, recorded);
  }

  /** The endpoint is gone: so are its series, also where a late request still ends. */
  remove(endpoint: string): void {
    for (const counted of this.#variants.get(endpoint)?.values() ?? []) counted.remove();
    this.#variants.delete(endpoint);
  }

  /** A number that is looked up whenever Prometheus asks; samples of the same labels are added up. */
  gauge(name: string, help: string, labels: readonly string[], collect: () => readonly Sample[]): void {
    new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [this.register],
      collect() {
        this.reset();
        for (const sample of collect()) this.inc(sample.labels, sample.value);
      },
    });
  }

  /** A count that somebody else keeps, looked up whenever Prometheus asks; it only goes up. */
  counter(name: string, help: string, labels: readonly string[], collect: () => readonly Sample[]): void {
    new Counter({
      name,
      help,
      labelNames: [...labels],
      registers: [this.register],
      collect() {
        this.reset();
        for (const sample of collect()) this.inc(sample.labels, sample.value);
      },
    });
  }
}

type VariantSeries = ReturnType<typeof makeSeries>;

function makeSeries(register: Registry) {
  const registers = [register];
  const counter = <Label extends string>(name: string, help: string, ...labels: readonly Label[]) =>
    new Counter({ name, help, labelNames: [...ofVariant, ...labels], registers });
  const histogram = (name: string, help: string, bounds: readonly number[]) => new HistogramFamily({ name, help, bounds });
  return {
    requests: counter('penstock_requests_total', 'Inference requests by how they ended', 'outcome'),
    answers: counter('penstock_answers_total', 'Answered requests by the kind of executor that ran them', 'executor_kind'),
    rows: counter('penstock_rows_total', 'Rows that were answered'),
    seconds: histogram('penstock_request_seconds', 'From the whole request read to its answer written', secondsBuckets),
    stages: histogram('penstock_stage_seconds', 'Where the time of answered requests went', secondsBuckets),
    batchRows: histogram('penstock_batch_rows', 'Rows of each dispatched batch', rowsBuckets),
    dispatches: counter('penstock_dispatch_total', 'Dispatched batches by why they left', 'reason'),
    missed: counter('penstock_objective_missed_total', 'Answers that came later than the objective says'),
    coldStarts: counter('penstock_cold_starts_total', 'Batches billed with the start of a function environment'),
    overflow: counter('penstock_overflow_total', 'Requests that functions answered because instances could not in time', 'reason'),
    billedMs: counter('penstock_function_billed_ms_total', 'Milliseconds that functions are billed for'),
    cost: counter('penstock_cost_usd_total', 'Cost of the executor time that served requests, in US dollars'),
  };
}

/** Children are looked up once: a lookup by labels costs as much as the counting itself. */
class CountedVariant implements VariantMetrics {
  readonly #series: VariantSeries;
  readonly #labels: { endpoint: string; variant: string };
  readonly #outcomes = new Map<string, Counter.Internal>();
  readonly #reasons = new Map<string, Counter.Internal>();
  readonly #overflows = new Set<string>();
  readonly #answers = new Map<ExecutorKind, Counter.Internal>();
  readonly #rows: Counter.Internal;
  readonly #seconds: HistogramChild;
  readonly #queue: HistogramChild;
  readonly #compute: HistogramChild;
  readonly #encode: HistogramChild;
  readonly #batchRows: HistogramChild;
  #batchWait: HistogramChild | null = null;
  readonly #missed: Counter.Internal;
  readonly #cost: Counter.Internal;
  readonly #recorded: Recorded | null;
  #removed = false;

  constructor(series: VariantSeries, endpoint: string, variant: string, recorded: Recorded | null) {
    this.#series = series;
    this.#recorded = recorded;
    this.#labels = { endpoint, variant };
    this.#rows = series.rows.labels(this.#labels);
    this.#seconds = series.seconds.child(this.#labels);
    this.#queue = series.stages.child({ ...this.#labels, stage: 'queue' });
    this.#compute = series.stages.child({ ...this.#labels, stage: 'compute' });
    this.#encode = series.stages.child({ ...this.#labels, stage: 'encode' });
    this.#batchRows = series.batchRows.child(this.#labels);
    this.#missed = series.missed.labels(this.#labels);
    this.#cost = series.cost.labels(this.#labels);
    // Prometheus sees an increase only from a value on that it has seen: so they begin at zero.
    for (const counter of [this.#rows, this.#missed, this.#cost]) counter.inc(0);
  }

  request(outcome: RequestOutcome, totalMs: number, queueMs: number, computeMs: number, encodeMs: number, rows: number): void {
    if (this.#removed) return;
    this.#outcome(outcome).inc();
    if (outcome !== 'ok') this.#recorded?.refused(outcome);
    if (outcome === 'cancelled') return;
    this.#seconds.observe(totalMs / 1000);
    if (outcome !== 'ok') return;
    this.#recorded?.answered(totalMs, queueMs, computeMs, encodeMs, rows);
    this.#rows.inc(rows);
    this.#queue.observe(queueMs / 1000);
    this.#compute.observe(computeMs / 1000);
    this.#encode.observe(encodeMs / 1000);
  }

  served(kind: ExecutorKind, totalMs: number, computeMs: number): void {
    if (this.#removed) return;
    let counter = this.#answers.get(kind);
    if (counter === undefined) {
      counter = this.#series.answers.labels({ ...this.#labels, executor_kind: kind });
      this.#answers.set(kind, counter);
    }
    counter.inc();
    this.#recorded?.served(kind, totalMs, computeMs);
  }

  kept(batchWaitMs: number): void {
    if (this.#removed) return;
    this.#batchWait ??= this.#series.stages.child({ ...this.#labels, stage: 'batch_wait' });
    this.#batchWait.observe(batchWaitMs / 1000);
    this.#recorded?.kept(batchWaitMs);
  }

  dispatch(reason: string, batchRows: number): void {
    if (this.#removed) return;
    let counter = this.#reasons.get(reason);
    if (counter === undefined) {
      counter = this.#series.dispatches.labels({ ...this.#labels, reason });
      this.#reasons.set(reason, counter);
    }
    counter.inc();
    this.#batchRows.observe(batchRows);
    this.#recorded?.dispatched(reason, batchRows);
  }

  met(isMissed: boolean): void {
    if (this.#removed) return;
    if (isMissed) this.#missed.inc();
    this.#recorded?.met(isMissed);
  }

  cost(usd: number): void {
    if (this.#removed) return;
    this.#cost.inc(usd);
    this.#recorded?.cost(usd);
  }

  /** Looked up each time: a batch of a function takes longer than that, and most variants have none. */
  invoked(billedMs: number, isColdStart: boolean, setupMs?: number): void {
    if (this.#removed) return;
    this.#series.billedMs.labels(this.#labels).inc(billedMs);
    this.#series.coldStarts.labels(this.#labels).inc(isColdStart ? 1 : 0);
    this.#recorded?.invoked(isColdStart, setupMs);
  }

  runsOn(instances: number): void {
    this.#recorded?.runsOn(instances);
  }

  overflowed(reason: string): void {
    if (this.#removed) return;
    this.#overflows.add(reason);
    this.#series.overflow.labels({ ...this.#labels, reason }).inc();
    this.#recorded?.overflowed(reason);
  }

  remove(): void {
    this.#removed = true;
    const { requests, answers, rows, seconds, stages, batchRows, dispatches, missed, cost, coldStarts, billedMs } = this.#series;
    for (const outcome of this.#outcomes.keys()) requests.remove({ ...this.#labels, outcome });
    for (const kind of this.#answers.keys()) answers.remove({ ...this.#labels, executor_kind: kind });
    for (const reason of this.#reasons.keys()) dispatches.remove({ ...this.#labels, reason });
    for (const reason of this.#overflows) this.#series.overflow.remove({ ...this.#labels, reason });
    for (const stage of ['queue', 'batch_wait', 'compute', 'encode']) stages.remove({ ...this.#labels, stage });
    for (const metric of [rows, seconds, batchRows, missed, cost, coldStarts, billedMs]) metric.remove(this.#labels);
  }

  #outcome(outcome: string): Counter.Internal {
    let counter = this.#outcomes.get(outcome);
    if (counter === undefined) {
      counter = this.#series.requests.labels({ ...this.#labels, outcome });
      this.#outcomes.set(outcome, counter);
    }
    return counter;
  }
}
