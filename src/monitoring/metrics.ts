/** What Prometheus reads at /metrics, and what is kept of it. The serving path holds on to one `VariantMetrics` for each variant. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { HistogramFamily } from './exposition/histogram-family.ts';
import { encodeFamilies, type PlainFamily, protobufContentType, takesProtobuf } from './exposition/protobuf.ts';
import type { MetricStore } from './series/metric-store.ts';
import { VariantSeries } from './series/variant-series.ts';
import { CountedVariant, type Counts, type VariantMetrics } from './variant-metrics.ts';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Half a millisecond to a minute in steps of 2 to 2.5: fine enough for a percentile, few enough for many variants. */
const secondsBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60];
const rowsBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256];

export class Metrics {
  readonly register = new Registry();
  readonly #histograms = {
    seconds: histogram('penstock_request_seconds', 'From the whole request read to its answer written', secondsBuckets),
    stages: histogram('penstock_stage_seconds', 'Where the time of answered requests went', secondsBuckets),
    batchRows: histogram('penstock_batch_rows', 'Rows of each dispatched batch', rowsBuckets),
  };
  readonly #variants = new Map<string, Map<string, CountedVariant>>();
  readonly #store: MetricStore | null;

  constructor(options: { readonly processMetrics?: boolean; readonly store?: MetricStore } = {}) {
    this.#store = options.store ?? null;
    if (options.processMetrics ?? true) this.#countProcess();
    this.#count('penstock_requests_total', 'Inference requests by how they ended', ({ outcomes }) => outcomes, 'outcome');
    this.#count('penstock_answers_total', 'Answered requests by the kind of executor that ran them', ({ kinds }) => kinds, 'executor_kind');
    this.#count('penstock_rows_total', 'Rows that were answered', ({ rows }) => rows);
    this.#count('penstock_dispatch_total', 'Dispatched batches by why they left', ({ dispatches }) => dispatches, 'reason');
    this.#count('penstock_objective_missed_total', 'Answers that came later than the objective says', ({ missed }) => missed);
    const coldStarts = 'Batches billed with the start of a function environment';
    this.#count('penstock_cold_starts_total', coldStarts, ({ functions }) => functions?.coldStarts ?? null);
    const overflows = 'Requests that functions answered because instances could not in time';
    this.#count('penstock_overflow_total', overflows, (counts) => counts.overflows, 'reason');
    const billed = 'Milliseconds that functions are billed for';
    this.#count('penstock_function_billed_ms_total', billed, ({ functions }) => functions?.billedMs ?? null);
    this.#count('penstock_cost_usd_total', 'Cost of the executor time that served requests, in US dollars', ({ costUsd }) => costUsd);
  }

  /** Without three gauges that are named as counters are, and are sums of others. */
  #countProcess(): void {
    collectDefaultMetrics({ register: this.register });
    for (const what of ['handles', 'requests', 'resources']) this.register.removeSingleMetric(`nodejs_active_${what}_total`);
  }

  /** In the text format of Prometheus; for a scraper that takes native histograms in protocol buffers, with those. */
  async prometheus(accept?: string): Promise<{ readonly contentType: string; readonly body: Buffer }> {
    for (const ofEndpoint of this.#variants.values()) for (const variant of ofEndpoint.values()) variant.settle();
    const histograms = Object.values(this.#histograms);
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

  /** The endpoint is gone: so are its series, also where a late request still ends. What was kept of it stays readable. */
  remove(endpoint: string): void {
    for (const counted of this.#variants.get(endpoint)?.values() ?? []) counted.remove();
    this.#variants.delete(endpoint);
    this.#store?.release({ EndpointName: endpoint });
  }

  /** A number that is looked up whenever Prometheus asks; samples of the same labels are added up. */
  gauge(name: string, help: string, labels: readonly string[], collect: () => readonly Sample[]): void {
    new Gauge(this.#lookedUp(name, help, labels, collect));
  }

  /** A count that somebody else keeps, looked up whenever Prometheus asks; it only goes up. */
  counter(name: string, help: string, labels: readonly string[], collect: () => readonly Sample[]): void {
    new Counter(this.#lookedUp(name, help, labels, collect));
  }

  #lookedUp(name: string, help: string, labels: readonly string[], samples: () => readonly Sample[]) {
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
    if (this.#store !== null) counted.onRemoval(this.#store.beforeTaking(() => counted.settle()));
    return counted;
  }

  /** What each variant counts: as plain numbers, for counting in prom-client takes as long as all the rest. `by`: the label that tells several apart. */
  #count(name: string, help: string, of: (counts: Counts) => number | null | ReadonlyMap<string, number>, by?: string): void {
    this.counter(name, help, ['endpoint', 'variant', ...(by === undefined ? [] : [by])], () =>
      [...this.#variants.values()].flatMap((ofEndpoint) =>
        [...ofEndpoint.values()].flatMap(({ labels, counts }): Sample[] => {
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
