/**
 * Compares requests with the baselines of their endpoints every five minutes. Reports drift as metrics, as an event when it starts and
 * ends, and in views. Rows are sampled in memory, so the window refills after a restart.
 */

import { type Clock, Loop } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { MetricKey, MetricStore } from '../../metrics/index.ts';
import { penstockNamespace } from '../../metrics/index.ts';
import { type NameKey, nameKey, sameName } from '../../names.ts';
import type { Random } from '../../random.ts';
import type { Events } from '../../records/index.ts';
import type { Database } from '../../storage/index.ts';
import { Slices } from '../../threads/index.ts';
import { type Baseline, deleteBaseline, readBaselines, writeBaseline } from './baseline-rows.ts';
import { DriftWindow, spanMs, windowMs } from './drift-window.ts';
import type { FeatureRows, Predictions } from './features.ts';
import type { RowsBaseline } from './posted-baseline.ts';
import { type DriftReport, driftReport, type FeatureDrift } from './report.ts';

export interface DriftMonitorOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Pick<MetricStore, 'add'>;
  readonly events: Pick<Events, 'recordAndPublish'>;
  /** Names of all endpoints. */
  readonly endpoints: () => readonly string[];
  /** An endpoint's baseline was set or removed. */
  readonly onWatched: (endpoint: string, isWatched: boolean) => void;
  readonly onFailure: (error: unknown) => void;
}

/** Drift as the APIs show it. */
export interface DriftView {
  readonly baseline: Baseline | null;
  /** All rows of the last hour, including those not sampled. */
  readonly rowsSeen: number;
  /** Null without a baseline or with fewer than 50 rows. */
  readonly report: DriftReport | null;
  /** Features of requests that are not in the baseline. */
  readonly unknown: readonly string[];
}

/** Rows by feature. */
export type FeatureValues = ReadonlyMap<string, readonly number[]>;

/** Names of output features. */
export const outputFeatures = { prediction: 'output:prediction', score: 'output:score' } as const;

const reportedFeatures = 20;
const endpointsMax = 1000;
/** Copying this many values takes less than a millisecond. */
const valuesPerSlice = 50_000;

/** `observe` only samples; comparisons run in the loop. */
export class DriftMonitor {
  readonly #options: DriftMonitorOptions;
  /** By lower-case endpoint, then variant. */
  readonly #windows = new Map<string, Map<string, DriftWindow>>();
  #baselines = new Map<string, Baseline>();
  /** The last report, by lower-case endpoint. */
  readonly #drifted = new Map<string, DriftReport>();
  /** Comparisons under way, and those that follow them, by lower-case endpoint. */
  readonly #running = new Map<string, Promise<DriftView>>();
  readonly #waiting = new Map<string, Promise<DriftView>>();
  readonly #loop: Loop;

  constructor(options: DriftMonitorOptions) {
    this.#options = options;
    this.#loop = new Loop({ clock: options.clock, everyMs: spanMs, run: () => this.poll(), onFailure: options.onFailure });
  }

  async open(): Promise<void> {
    this.#baselines = await readBaselines(this.#options.db);
    for (const endpoint of this.#baselines.keys()) this.#options.onWatched(endpoint, true);
    this.#loop.open();
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  /** Samples rows of a variant. Tensors are not retained after this call. */
  observe(endpoint: string, variant: string, rows: number, inputs: FeatureRows, outputs: Predictions | null): void {
    const values = outputs?.values.filter((value) => typeof value === 'number') ?? [];
    const numbers = outputs !== null && values.length === outputs.values.length ? values : null;
    const scores = outputs?.scores ?? null;
    const names = (): string[] => [
      ...inputs.names,
      ...(numbers === null ? [] : [outputFeatures.prediction]),
      ...(scores === null ? [] : [outputFeatures.score]),
    ];
    const key = `${inputs.key}|${numbers === null ? '' : 'p'}${scores === null ? '' : 's'}`;
    const window = this.#windowOf(endpoint, variant, key, names);
    const nowMs = this.#options.clock.wallMs();
    for (let row = 0; row < rows; row++) {
      window?.offer(nowMs, () => [
        ...inputs.row(row),
        ...(numbers === null ? [] : [numbers[row] as number]),
        ...(scores === null ? [] : [scores[row] as number]),
      ]);
    }
  }

  /** Sets the baseline of an endpoint. Throws `invalid_request` without features, `not_found` for an unknown endpoint. */
  async setBaseline(
    endpoint: string,
    { features, rows }: RowsBaseline,
    source: string,
    titles: Readonly<Record<string, string>> = {},
  ): Promise<Baseline> {
    if (features.length === 0) {
      throw new PlatformError('invalid_request', `expected at least 20 rows with numeric features, got ${rows} rows`);
    }
    const baseline: Baseline = { features, source, rows, madeAtMs: this.#options.clock.wallMs(), titles };
    if (!this.#options.endpoints().some((name) => sameName(name, endpoint))) {
      throw new PlatformError('not_found', `endpoint '${endpoint}' does not exist`);
    }
    await writeBaseline(this.#options.db, nameKey(endpoint), baseline);
    this.#baselines.set(nameKey(endpoint), baseline);
    this.#options.onWatched(endpoint, true);
    return baseline;
  }

  async removeBaseline(endpoint: string): Promise<void> {
    await deleteBaseline(this.#options.db, nameKey(endpoint));
    this.discard(endpoint);
  }

  /** Sampled values of the last hour, by feature. */
  async values(endpoint: string): Promise<FeatureValues> {
    const nowMs = this.#options.clock.wallMs();
    const values = new Map<string, number[]>();
    const slices = new Slices(valuesPerSlice);
    for (const window of this.#windows.get(nameKey(endpoint))?.values() ?? []) {
      const columns = window.names.map((name) => {
        const column = values.get(name) ?? [];
        values.set(name, column);
        return column;
      });
      for (const row of window.sample(nowMs)) {
        for (const [i, value] of row.entries()) columns[i]?.push(value);
        await slices.done(row.length);
      }
    }
    return values;
  }

  /**
   * Compares the rows in memory with the baseline, and reports a drift that has started or ended. Without a baseline the rows are only
   * counted. Calls during a comparison share the next one.
   */
  view(endpoint: string): Promise<DriftView> {
    const key = nameKey(endpoint);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) return waiting;
    const running = this.#running.get(key);
    if (running === undefined) return this.#start(key);
    const next = running
      .catch(() => undefined)
      .then(() => {
        this.#waiting.delete(key);
        return this.#start(key);
      });
    this.#waiting.set(key, next);
    return next;
  }

  #start(key: NameKey): Promise<DriftView> {
    const running = this.#compare(key).finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }

  async #compare(key: NameKey): Promise<DriftView> {
    const baseline = this.#baselines.get(key) ?? null;
    const nowMs = this.#options.clock.wallMs();
    let rowsSeen = 0;
    for (const window of this.#windows.get(key)?.values() ?? []) rowsSeen += window.rowCount(nowMs);
    if (baseline === null) return { baseline, rowsSeen, report: null, unknown: [] };
    const values = await this.values(key);
    const report = await driftReport(baseline.features, values);
    // It may have been replaced or deleted meanwhile, also with its endpoint.
    if (this.#baselines.get(key) === baseline) await this.#record(key, report);
    const known = new Set(baseline.features.map(({ name }) => name));
    // Baselines of posted rows have no output features.
    const outputs: readonly string[] = Object.values(outputFeatures);
    const unknown = [...values.keys()].filter((name) => !known.has(name) && !outputs.includes(name));
    return { baseline, rowsSeen, report, unknown };
  }

  async #record(key: NameKey, report: DriftReport | null): Promise<void> {
    const name = this.#options.endpoints().find((each) => nameKey(each) === key);
    const before = this.#drifted.get(key)?.drifted ?? 0;
    if (report === null || name === undefined) {
      this.#drifted.delete(key); // no traffic is not drift
      return;
    }
    this.#drifted.set(key, report);
    const metricKey = endpointMetricKey(name);
    this.#options.store.add(metricKey, { name: 'DriftedFeatures', unit: 'Count' }, report.drifted);
    const most = Math.max(0, ...report.features.map(({ stability }) => stability));
    this.#options.store.add(metricKey, { name: 'DriftMax', unit: 'None' }, most);
    if (before > 0 === report.drifted > 0) return;
    const kind = report.drifted > 0 ? 'endpoint.drifted' : 'endpoint.drift-ended';
    await this.#options.events.recordAndPublish({ kind, subject: name, detail: detailOf(report) });
  }

  /** The last comparison, for the alarm; null without a baseline. `drifted` is null with too few rows. */
  lastPoll(endpoint: string): { readonly drifted: number | null; readonly reason: string } | null {
    if (!this.#baselines.has(nameKey(endpoint))) return null;
    const report = this.#drifted.get(nameKey(endpoint));
    return { drifted: report?.drifted ?? null, reason: report === undefined ? 'too few rows to detect drift' : reasonOf(report) };
  }

  /** Compares the rows of all endpoints. */
  async poll(): Promise<void> {
    const known = new Set<string>(this.#options.endpoints().map(nameKey));
    for (const key of [...this.#windows.keys(), ...this.#baselines.keys()]) if (!known.has(key)) this.discard(key);
    for (const key of this.#baselines.keys()) await this.view(key).catch(this.#options.onFailure);
  }

  /** Discards all data of a deleted endpoint. A new endpoint of that name starts empty. */
  discard(endpoint: string): void {
    const key = nameKey(endpoint);
    this.#windows.delete(key);
    this.#drifted.delete(key);
    if (this.#baselines.delete(key)) this.#options.onWatched(key, false);
  }

  /** Returns the window of a variant. A new model can have other features: then the window restarts. */
  #windowOf(endpoint: string, variant: string, key: string, names: () => readonly string[]): DriftWindow | null {
    const of = nameKey(endpoint);
    let windows = this.#windows.get(of);
    if (windows === undefined) {
      if (this.#windows.size >= endpointsMax) return null;
      windows = new Map<string, DriftWindow>();
      this.#windows.set(of, windows);
    }
    let window = windows.get(variant);
    if (window?.key !== key) {
      window = new DriftWindow(key, names(), this.#options.random);
      windows.set(variant, window);
    }
    return window;
  }
}

/** Metrics of an endpoint as a whole, without a variant. */
export function endpointMetricKey(endpoint: string): MetricKey {
  return { namespace: penstockNamespace, dimensions: { EndpointName: endpoint } };
}

function worst(features: readonly FeatureDrift[]): FeatureDrift[] {
  return features.filter(({ hasDrifted }) => hasDrifted).sort((a, b) => b.stability - a.stability);
}

function reasonOf(report: DriftReport): string {
  const named = worst(report.features).slice(0, 3);
  const count = `${report.drifted} of ${report.features.length} features drifted`;
  const most = named.map(({ name, stability }) => `${name} (PSI ${stability.toFixed(2)})`).join(', ');
  return `${count} in the last ${windowMs / 60_000} minutes (sample of ${report.rows} rows)${most === '' ? '' : `: ${most}`}`;
}

function detailOf(report: DriftReport) {
  const features = worst(report.features)
    .slice(0, reportedFeatures)
    .map(({ name, stability, chance }) => ({ name, psi: stability, p: chance }));
  return { rows: report.rows, drifted: report.drifted, features, reason: reasonOf(report) };
}
