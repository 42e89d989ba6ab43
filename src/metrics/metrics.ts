/** Metrics for Prometheus (/metrics) and for the metric store. The serving path holds one `VariantMetrics` per variant. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { HistogramFamily } from './exposition/histogram-family.ts';
import { acceptsProtobuf, encodeFamilies, type PlainFamily, protobufContentType } from './exposition/protobuf.ts';
import type { MetricStore } from './series/metric-store.ts';
import { VariantSeries } from './series/variant-series.ts';
import { CountedVariant, type VariantCounts, type VariantMetrics } from './variant-metrics.ts';

/** One value of a gauge or counter, with its labels. */
export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** 0.5 ms to 60 s in steps of 2 to 2.5: fine enough for percentiles, few enough for many variants. */
const secondsBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60];
const rowsBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** One per server. The store is null where only the page is needed. */
export class Metrics {
  readonly register = new Registry();
  readonly #histograms = {
    seconds: histogram('penstock_request_seconds', 'Time from the complete request to the sent response', secondsBuckets),
    stages: histogram('penstock_stage_seconds', 'Time of answered requests by stage', secondsBuckets),
    batchRows: histogram('penstock_batch_rows', 'Rows per dispatched batch', rowsBuckets),
    pythonStarts: histogram('penstock_python_start_seconds', 'Cold starts of Python workers, until the first inference', secondsBuckets),
  };
  readonly #variants = new Map<string, Map<string, CountedVariant>>();
  readonly #store: MetricStore | null;

  constructor(options: { readonly processMetrics?: boolean; readonly store?: MetricStore } = {}) {
    this.#store = options.store ?? null;
    if (options.processMetrics ?? true) this.#countProcess();
    this.#count('penstock_requests_total', 'Inference requests by outcome', ({ outcomes }) => outcomes, 'outcome');
    this.#count('penstock_responses_total', 'Answered requests by executor kind', ({ kinds }) => kinds, 'executor_kind');
    this.#count('penstock_rows_total', 'Rows answered', ({ rows }) => rows);
    this.#count('penstock_dispatch_total', 'Dispatched batches by dispatch reason', ({ dispatches }) => dispatches, 'reason');
    this.#count('penstock_objective_missed_total', 'Responses later than the latency objective', ({ missed }) => missed);
    const coldStarts = 'Batches billed with a function cold start';
    this.#count('penstock_cold_starts_total', coldStarts, ({ functions }) => functions?.coldStarts ?? null);
    const overflows = 'Requests answered by functions because instances would have been late';
    this.#count('penstock_overflow_total', overflows, (counts) => counts.overflows, 'reason');
    const planRows = 'Rows answered under each plan of a selection';
    this.#count('penstock_plan_rows_total', planRows, ({ planRows: rows }) => rows, 'plan');
    const modelRows = 'Rows answered by each model of a selection';
    this.#count('penstock_model_rows_total', modelRows, ({ modelRows: rows }) => rows, 'model');
    const billed = 'Billed function time in milliseconds';
    this.#count('penstock_function_billed_ms_total', billed, ({ functions }) => functions?.billedMs ?? null);
    this.#count('penstock_cost_usd_total', 'Cost of the executor time that served requests, in US dollars', ({ costUsd }) => costUsd);
  }

  /** Removes three gauges that are named like counters and are sums of others. */
  #countProcess(): void {
    collectDefaultMetrics({ register: this.register });
    for (const name of ['handles', 'requests', 'resources']) this.register.removeSingleMetric(`nodejs_active_${name}_total`);
  }

  /** Prometheus text format, or protocol buffers with native histograms if the scraper accepts them. */
  async prometheus(accept?: string): Promise<{ readonly contentType: string; readonly body: Buffer }> {
    for (const ofEndpoint of this.#variants.values()) for (const variant of ofEndpoint.values()) variant.settle();
    const histograms = Object.values(this.#histograms);
    if (acceptsProtobuf(accept)) {
      const plain = (await this.register.getMetricsAsJSON()) as unknown as PlainFamily[];
      return { contentType: protobufContentType, body: encodeFamilies(plain, histograms) };
    }
    const texts = [(await this.register.metrics()).trimEnd(), ...histograms.map((each) => each.text())];
    return { contentType: this.register.contentType, body: Buffer.from(`${texts.join('\n')}\n`) };
  }

  /** Counts the cold start of a Python worker. */
  pythonStarted(how: 'fork' | 'spawn', seconds: number): void {
    this.#histograms.pythonStarts.child({ how }).observe(seconds);
  }

  /** Returns the same counters for the same variant. */
  variant(endpoint: string, variant: string): VariantMetrics {
    let ofEndpoint = this.#variants.get(endpoint);
    if (ofEndpoint === undefined) this.#variants.set(endpoint, (ofEndpoint = new Map<string, CountedVariant>()));
    let counted = ofEndpoint.get(variant);
    if (counted === undefined) ofEndpoint.set(variant, (counted = this.#counted(endpoint, variant)));
    return counted;
  }

  /** Removes the series of a deleted endpoint; requests that end later are not counted. Stored history remains readable. */
  remove(endpoint: string): void {
    for (const counted of this.#variants.get(endpoint)?.values() ?? []) counted.remove();
    this.#variants.delete(endpoint);
    this.#store?.release({ EndpointName: endpoint });
  }

  /** Registers a gauge that is computed at each scrape. Samples with equal labels are summed. */
  gauge(name: string, help: string, labels: readonly string[], collect: () => readonly MetricSample[]): void {
    new Gauge(this.#cached(name, help, labels, collect));
  }

  /** Registers a counter maintained elsewhere and read at each scrape. It must never decrease. */
  counter(name: string, help: string, labels: readonly string[], collect: () => readonly MetricSample[]): void {
    new Counter(this.#cached(name, help, labels, collect));
  }

  #cached(name: string, help: string, labels: readonly string[], samples: () => readonly MetricSample[]) {
    return {
      name,
      help,
      labelNames: [...labels],
      registers: [this.register],
      collect(this: Gauge | Counter): void {
        this.reset();
        for (const sample of samples()) this.inc(sample.labels, sample.value);
      },
    };
  }

  #counted(endpoint: string, variant: string): CountedVariant {
    const recorded = this.#store === null ? null : new VariantSeries(this.#store, endpoint, variant);
    const counted = new CountedVariant(this.#histograms, { endpoint, variant }, recorded);
    if (this.#store !== null) counted.onRemoval(this.#store.beforeRead(() => counted.settle()));
    return counted;
  }

  /**
   * Exports a plain counter of every variant; incrementing prom-client counters would cost as much as everything else. `by`: the label of
   * the map's keys.
   */
  #count(name: string, help: string, of: (counts: VariantCounts) => number | null | ReadonlyMap<string, number>, by?: string): void {
    this.counter(name, help, ['endpoint', 'variant', ...(by === undefined ? [] : [by])], () =>
      [...this.#variants.values()].flatMap((ofEndpoint) =>
        [...ofEndpoint.values()].flatMap(({ labels, counts }): MetricSample[] => {
          const counted = of(counts);
          if (counted === null) return [];
          if (typeof counted === 'number') return [{ labels, value: counted }];
          return [...counted].map(([key, value]) => ({ labels: { ...labels, [by as string]: key }, value }));
        }),
      ),
    );
  }
}

function histogram(name: string, help: string, bounds: readonly number[]): HistogramFamily {
  return new HistogramFamily({ name, help, bounds });
}
