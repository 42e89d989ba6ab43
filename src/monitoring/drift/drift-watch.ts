/**
 * Looks every five minutes whether what comes to endpoints still looks like their baselines, and says so: as metrics, as an event when it
 * begins and when it ends, and to whoever asks. Rows are sampled in memory: after a start the window fills anew.
 */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Random } from '../../random.ts';
import type { Database } from '../../storage/index.ts';
import type { Events } from '../records/events.ts';
import type { MetricPlace } from '../series/metric-group.ts';
import type { MetricStore } from '../series/metric-store.ts';
import { penstockNamespace } from '../series/variant-series.ts';
import { type Baseline, deleteBaseline, readBaselines, writeBaseline } from './baseline-rows.ts';
import { DriftWindow, spanMs, windowMs } from './drift-window.ts';
import type { FeatureRows, Predictions } from './features.ts';
import { baselinesOf, type DriftReport, driftReport, type FeatureDrift } from './report.ts';

export interface DriftWatchOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Pick<MetricStore, 'add'>;
  readonly events: Pick<Events, 'recordAndPublish'>;
  /** Names of the endpoints there are. */
  readonly endpoints: () => readonly string[];
  /** An endpoint has a baseline from now on, or has none any more. */
  readonly onWatched: (endpoint: string, isWatched: boolean) => void;
  readonly onFailure: (error: unknown) => void;
}

export interface DriftView {
  readonly baseline: Baseline | null;
  /** Rows of the last hour, sampled or not. */
  readonly rowsSeen: number;
  /** null without a baseline, or with fewer than 50 rows. */
  readonly report: DriftReport | null;
  /** Features that came and are in no baseline. */
  readonly unknown: readonly string[];
}

/** Rows by feature. */
export type FeatureValues = ReadonlyMap<string, readonly number[]>;

/** Features of outputs beside those of inputs. */
export const outputFeatures = { prediction: 'output:prediction', score: 'output:score' } as const;

const toldFeatures = 20;
const endpointsMax = 1000;

export class DriftWatch {
  readonly #options: DriftWatchOptions;
  /** By lower-case endpoint, then variant. */
  readonly #windows = new Map<string, Map<string, DriftWindow>>();
  #baselines = new Map<string, Baseline>();
  /** Of the last look; by lower-case endpoint. */
  readonly #drifted = new Map<string, DriftReport>();
  #cancelTimer: () => void = () => {};
  #isClosed = false;

  constructor(options: DriftWatchOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    this.#baselines = await readBaselines(this.#options.db);
    for (const endpoint of this.#baselines.keys()) this.#options.onWatched(endpoint, true);
    this.#lookLater();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer();
  }

  /** Rows came to a variant. Tensors are read now, or not at all. */
  seen(endpoint: string, variant: string, rows: number, inputs: FeatureRows, outputs: Predictions | null): void {
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

  /** What is usual from now on. Throws `invalid_request` where it says nothing, `not_found` for an endpoint that is not there. */
  async setBaseline(
    endpoint: string,
    values: FeatureValues,
    source: string,
    titles: Readonly<Record<string, string>> = {},
  ): Promise<Baseline> {
    const features = baselinesOf(values);
    const rows = Math.max(0, ...[...values.values()].map(({ length }) => length));
    if (features.length === 0) {
      throw new PlatformError(
        'invalid_request',
        `expected at least 20 rows with numeric features, got ${rows} rows: a baseline of less says nothing`,
      );
    }
    const baseline: Baseline = { features, source, rows, madeAtMs: this.#options.clock.wallMs(), titles };
    if (!this.#options.endpoints().some((name) => name.toLowerCase() === endpoint.toLowerCase())) {
      throw new PlatformError('not_found', `endpoint '${endpoint}' is not known`);
    }
    await writeBaseline(this.#options.db, endpoint.toLowerCase(), baseline);
    this.#baselines.set(endpoint.toLowerCase(), baseline);
    this.#options.onWatched(endpoint, true);
    return baseline;
  }

  async removeBaseline(endpoint: string): Promise<void> {
    await deleteBaseline(this.#options.db, endpoint.toLowerCase());
    this.forget(endpoint);
  }

  /** What came in the last hour, by feature. */
  values(endpoint: string): FeatureValues {
    const nowMs = this.#options.clock.wallMs();
    const values = new Map<string, number[]>();
    for (const window of this.#windows.get(endpoint.toLowerCase())?.values() ?? []) {
      const columns = window.names.map((name) => {
        const column = values.get(name) ?? [];
        values.set(name, column);
        return column;
      });
      for (const row of window.sample(nowMs)) for (const [i, value] of row.entries()) columns[i]?.push(value);
    }
    return values;
  }

  view(endpoint: string): DriftView {
    const baseline = this.#baselines.get(endpoint.toLowerCase()) ?? null;
    const nowMs = this.#options.clock.wallMs();
    let rowsSeen = 0;
    for (const window of this.#windows.get(endpoint.toLowerCase())?.values() ?? []) rowsSeen += window.seen(nowMs);
    const values = this.values(endpoint);
    const known = new Set(baseline?.features.map(({ name }) => name));
    const report = baseline === null ? null : driftReport(baseline.features, values);
    // Rows that were posted say nothing of what a model makes of them.
    const outputs: readonly string[] = Object.values(outputFeatures);
    return {
      baseline,
      rowsSeen,
      report,
      unknown: baseline === null ? [] : [...values.keys()].filter((name) => !known.has(name) && !outputs.includes(name)),
    };
  }

  /** For the alarm: of an endpoint with a baseline, what has drifted at the last look; null where too little came for one. */
  lastLook(endpoint: string): { readonly drifted: number | null; readonly reason: string } | null {
    if (!this.#baselines.has(endpoint.toLowerCase())) return null;
    const report = this.#drifted.get(endpoint.toLowerCase());
    return { drifted: report?.drifted ?? null, reason: report === undefined ? 'too few rows came to tell' : reasonOf(report) };
  }

  /** Judges them all now, or the one that is named. */
  async look(endpoint?: string): Promise<void> {
    const names = new Map(this.#options.endpoints().map((name) => [name.toLowerCase(), name]));
    for (const key of [...this.#windows.keys(), ...this.#baselines.keys()]) if (!names.has(key)) this.forget(key);
    const judged =
      endpoint === undefined ? [...this.#baselines.keys()] : [endpoint.toLowerCase()].filter((key) => this.#baselines.has(key));
    for (const key of judged) {
      const name = names.get(key) as string;
      const { report } = this.view(key);
      const before = this.#drifted.get(key)?.drifted ?? 0;
      if (report === null) {
        this.#drifted.delete(key); // silence is no drift
        continue;
      }
      this.#drifted.set(key, report);
      const place = placeOfEndpoint(name);
      this.#options.store.add(place, { name: 'DriftedFeatures', unit: 'Count' }, report.drifted);
      const most = Math.max(0, ...report.features.map(({ stability }) => stability));
      this.#options.store.add(place, { name: 'DriftMax', unit: 'None' }, most);
      if (before > 0 === report.drifted > 0) continue;
      const kind = report.drifted > 0 ? 'endpoint.drifted' : 'endpoint.drift-ended';
      await this.#options.events.recordAndPublish({ kind, subject: name, detail: detailOf(report) });
    }
  }

  /** The endpoint is gone, and its baseline with it: one that comes later under its name begins anew. */
  forget(endpoint: string): void {
    const key = endpoint.toLowerCase();
    this.#windows.delete(key);
    this.#drifted.delete(key);
    if (this.#baselines.delete(key)) this.#options.onWatched(key, false);
  }

  /** The model of a variant may have changed, and its features with it: then it begins anew. */
  #windowOf(endpoint: string, variant: string, key: string, names: () => readonly string[]): DriftWindow | null {
    const of = endpoint.toLowerCase();
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

  #lookLater(): void {
    this.#cancelTimer = this.#options.clock.after(spanMs, () => {
      this.look()
        .catch(this.#options.onFailure)
        .finally(() => {
          if (!this.#isClosed) this.#lookLater();
        });
    });
  }
}

export function placeOfEndpoint(endpoint: string): MetricPlace {
  return { namespace: penstockNamespace, dimensions: { EndpointName: endpoint } };
}

function worst(features: readonly FeatureDrift[]): FeatureDrift[] {
  return features.filter(({ hasDrifted }) => hasDrifted).sort((a, b) => b.stability - a.stability);
}

function reasonOf(report: DriftReport): string {
  const named = worst(report.features).slice(0, 3);
  const of = `${report.drifted} of ${report.features.length} features drifted`;
  const most = named.map(({ name, stability }) => `${name} (PSI ${stability.toFixed(2)})`).join(', ');
  return `${of} in the last ${windowMs / 60_000} minutes, by a sample of ${report.rows} rows${most === '' ? '' : `: ${most}`}`;
}

function detailOf(report: DriftReport) {
  const features = worst(report.features)
    .slice(0, toldFeatures)
    .map(({ name, stability, chance }) => ({ name, psi: stability, p: chance }));
  return { rows: report.rows, drifted: report.drifted, features, reason: reasonOf(report) };
}
