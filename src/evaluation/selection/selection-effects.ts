/**
 * Measures the effect of a selection's decision: latency, cost, the plans that answered, and accuracy if there are labels. Figures come
 * from stored metrics, so they survive a restart. They are updated every ten minutes for a day, and then are final.
 */
import { type Clock, every } from '../../clock.ts';
import type { EndpointConfig } from '../../deployment/index.ts';
import {
  CombinedMeasure,
  type Measured,
  type MetricStore,
  penstockNamespace,
  percentileOf,
  variantMetricKey,
} from '../../metrics/index.ts';
import type { Decision, Decisions } from '../../records/index.ts';
import { confidenceSequence } from '../../statistics/index.ts';
import type { ChosenSelection } from './selection-decision.ts';

/** What a selection's decision led to, stored with it. */
export interface SelectionEffect {
  readonly windowS: number;
  readonly requests: number;
  readonly rows: number;
  readonly p95Ms: number;
  /** Share of requests within the objective; null without an objective. */
  readonly inTime: number | null;
  /** Total cost of the variant per million rows. */
  readonly usdPerMillion: number;
  /** Share of the rows by plan. */
  readonly shares: readonly { readonly plan: string; readonly share: number }[];
  /** Mean of the plans' accuracies on the set, weighted by their rows. It is meaningless for other kinds of rows. */
  readonly accuracyEstimated: number | null;
  /** From labels; null without any. The 95 % interval is valid however often it is read. */
  readonly labelled: { readonly rows: number; readonly accuracy: number; readonly low: number; readonly high: number } | null;
}

export interface SelectionEffectsOptions {
  readonly clock: Clock;
  readonly decisions: Pick<Decisions, 'list' | 'fillEffect'>;
  readonly store: Pick<MetricStore, 'columns' | 'namesOf'>;
  readonly endpoints: () => readonly EndpointConfig[];
  readonly onFailure: (error: unknown) => void;
}

const pollEveryMs = 60_000;
const measureEveryMs = 600_000;
const measuredForMs = 86_400_000;
const minuteMs = 60_000;
const plansPrefix = 'PlanRows/';
const labelAlpha = 0.05;

/** Effects of a day are final, so a restart measures only those of the last day again. */
export class SelectionEffects {
  readonly #options: SelectionEffectsOptions;
  /** By endpoint: when its decision was last measured. */
  readonly #measuredAtMs = new Map<string, number>();
  #cancel: () => void = () => undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: SelectionEffectsOptions) {
    this.#options = options;
  }

  open(): void {
    this.#cancel = every(this.#options.clock, pollEveryMs, () => {
      this.#turn = this.#turn.then(() => this.measure()).catch(this.#options.onFailure);
    });
  }

  async close(): Promise<void> {
    this.#cancel();
    await this.#turn;
  }

  /** Updates the effects that are due. */
  async measure(): Promise<void> {
    const { endpoints, clock } = this.#options;
    const nowMs = clock.wallMs();
    const selected = endpoints().filter(({ variants }) => variants.some(({ ladder }) => ladder?.selection !== undefined));
    const names = new Set(selected.map(({ name }) => name));
    for (const name of this.#measuredAtMs.keys()) if (!names.has(name)) this.#measuredAtMs.delete(name);
    for (const name of names) {
      if (nowMs - (this.#measuredAtMs.get(name) ?? Number.NEGATIVE_INFINITY) < measureEveryMs) continue;
      if (await this.#measure(name, nowMs)) this.#measuredAtMs.set(name, nowMs);
    }
  }

  /** Whether there is nothing to do for a while. */
  async #measure(endpoint: string, nowMs: number): Promise<boolean> {
    const { decisions, store } = this.#options;
    const [made] = await decisions.list({ endpoint, kind: 'selection', changes: true, limit: 1 });
    if (made === undefined) return true;
    const ageMs = nowMs - made.atMs;
    if (ageMs < measureEveryMs) return false;
    if (ageMs > measuredForMs) return true;
    const effect = await selectionEffect(store, endpoint, made, nowMs);
    if (effect !== null) await decisions.fillEffect({ id: made.id, effect });
    return true;
  }
}

/** From the first full minute after the decision; null if nothing was answered since. */
async function selectionEffect(
  store: SelectionEffectsOptions['store'],
  endpoint: string,
  { variant, atMs, chosen }: Decision,
  nowMs: number,
): Promise<SelectionEffect | null> {
  const metricKey = variantMetricKey(penstockNamespace, endpoint, variant);
  const plans = store.namesOf(metricKey, plansPrefix);
  const names = ['Latency', 'Rows', 'ObjectiveMissed', 'Spent', 'Accuracy', ...plans];
  const fromMs = Math.ceil(atMs / minuteMs) * minuteMs;
  const read = await store.columns({ metricKey, fromMs, toMs: nowMs, periodMs: minuteMs }, names);
  const total = (name: string): Measured => {
    const sum = new CombinedMeasure();
    for (const point of read[name] ?? []) sum.add(point);
    return sum;
  };
  const [latency, rows, missed] = [total('Latency'), total('Rows').sum, total('ObjectiveMissed')];
  const p95Ms = percentileOf(latency, 95);
  if (p95Ms === null || rows === 0) return null;
  const { ladder } = chosen as ChosenSelection;
  const byPlan = plans.map((name) => ({ plan: name.slice(plansPrefix.length), rows: total(name).sum })).filter((each) => each.rows > 0);
  const planned = byPlan.reduce((sum, each) => sum + each.rows, 0);
  const shares = byPlan.map((each) => ({ plan: each.plan, share: each.rows / planned }));
  return {
    windowS: (nowMs - fromMs) / 1000,
    requests: latency.count,
    rows,
    p95Ms,
    inTime: missed.count === 0 ? null : 1 - missed.sum / missed.count,
    usdPerMillion: (total('Spent').sum / rows) * 1e6,
    shares,
    accuracyEstimated: estimatedAccuracy(shares, ladder),
    labelled: labelledAccuracy(total('Accuracy')),
  };
}

/** Null if a plan answered that the decision does not contain, such as one of the previous ladder. */
function estimatedAccuracy(shares: SelectionEffect['shares'], ladder: ChosenSelection['ladder']): number | null {
  const known = new Map(ladder.map(({ plan, accuracy }) => [plan, accuracy]));
  if (shares.length === 0 || shares.some(({ plan }) => !known.has(plan))) return null;
  return shares.reduce((sum, { plan, share }) => sum + share * (known.get(plan) as number), 0);
}

/** The values of the metric `Accuracy`: 1 for each row whose label matches, otherwise 0. */
function labelledAccuracy({ count, sum }: Pick<Measured, 'count' | 'sum'>): SelectionEffect['labelled'] {
  if (count === 0) return null;
  const hits = Math.round(sum);
  return { rows: count, accuracy: hits / count, ...confidenceSequence(hits, count, labelAlpha) };
}
