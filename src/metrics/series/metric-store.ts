/**
 * Stores metrics with their distributions: per second for an hour, per ten seconds for a day, per minute for 90 days. Values are collected
 * in memory and written every second while there are new ones, so a kill loses no more. Idle metrics write nothing.
 */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { type Database, WritePace } from '../../storage/index.ts';
import { CombinedMeasure, type Measure, type Measured } from './measured.ts';
import { type CatalogueQuery, MetricCatalogue, type NamedMetric } from './metric-catalogue.ts';
import type { MetricFeed, MetricGroup, MetricKey, MetricName } from './metric-group.ts';
import {
  clearGroups,
  clearSpans,
  readDroppedUntil,
  readGroups,
  readMetrics,
  readSpanRow,
  resolutions,
  type SpanResolution,
  writeSpans,
} from './metric-rows.ts';
import { addToSpan, type OpenSpan, OpenSpans, recordOf } from './open-spans.ts';
import { RejectedFeed } from './rejected-feed.ts';

/** The metrics database, and the callback for failed writes. */
export interface MetricStoreOptions {
  readonly db: Database;
  readonly clock: Clock;
  /** Writing failed: rows are retained within bounds and retried. */
  readonly onFailure: (error: unknown) => void;
  /** Limits of groups and of spans in memory, of the server and of clients each. Default: 20,000 and 100,000. */
  readonly groupsMax?: number;
  readonly spansMax?: number;
}

/** A metric group, a time range and a period. */
export interface MetricSpan {
  readonly metricKey: MetricKey;
  /** Epoch milliseconds, rounded down to a multiple of the period. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Whole seconds. */
  readonly periodMs: number;
  /** Origin of the periods if not the epoch: a whole minute, or a multiple of shorter periods. */
  readonly originMs?: number | undefined;
}

/** A metric, and the span to read. */
export interface MetricQuery extends MetricSpan {
  readonly name: string;
  /** Default: all units together. */
  readonly unit?: string | undefined;
}

/** A metric over one period. */
export interface MetricPoint extends Measured {
  /** Start of the period, epoch milliseconds. */
  readonly atMs: number;
}

class Point extends CombinedMeasure implements MetricPoint {
  readonly atMs: number;

  constructor(atMs: number) {
    super();
    this.atMs = atMs;
  }
}

/** Milliseconds, by resolution in seconds. */
export const metricRetentionMs: Readonly<Record<SpanResolution, number>> = { 1: 3_600_000, 10: 86_400_000, 60: 90 * 86_400_000 };
/** Groups that are not held and silent for this long stop counting towards the limit. */
const silentS = 3600;
const pointsMax = 100_800;

/** Values are folded into spans as they arrive; reads merge the spans in memory with those in the database. */
export class MetricStore {
  readonly #options: MetricStoreOptions;
  readonly #catalogue: MetricCatalogue;
  /** Clients can put old data in any number of spans, so theirs are limited separately. */
  readonly #spans: { readonly own: OpenSpans; readonly others: OpenSpans };
  readonly #gatherers = new Set<() => void>();
  readonly #droppedBefore = new Map<SpanResolution, number>();
  #dropped = 0;
  #openedAtSecond = 0;
  readonly #pace: WritePace;
  /** There are values that are not written yet. */
  #hasChanges = false;
  #clearedHour = 0;
  #turn: Promise<unknown> = Promise.resolve();
  /** The queued write that has not started. */
  #nextWrite: Promise<void> | null = null;
  #cancelTimer: () => void = () => {};

  constructor(options: MetricStoreOptions) {
    this.#options = options;
    this.#catalogue = new MetricCatalogue(options.groupsMax);
    this.#spans = { own: new OpenSpans(options.spansMax), others: new OpenSpans(options.spansMax) };
    this.#pace = new WritePace(options.clock);
  }

  async open(): Promise<void> {
    this.#catalogue.load(await readGroups(this.#options.db));
    this.#openedAtSecond = this.#second();
    await this.#findDropped();
    this.#tickLater();
  }

  /** Finds data deleted by the size limit before this server started. */
  async #findDropped(): Promise<void> {
    const pairs = [
      { fine: 1, coarse: 10 },
      { fine: 10, coarse: 60 },
    ] as const;
    for (const pair of pairs) {
      const until = await readDroppedUntil(this.#options.db, pair, this.#openedAtSecond - metricRetentionMs[pair.fine] / 1000);
      if (until !== null) this.lostValues(pair.fine, until);
    }
  }

  /** Writes everything that is pending. */
  async close(): Promise<void> {
    this.#cancelTimer();
    await this.flush();
  }

  /** Values or spans dropped because of limits or write failures. */
  get dropped(): number {
    return this.#dropped + this.#spans.own.dropped + this.#spans.others.dropped;
  }

  /** Returns a feed for frequent values. It holds the group until it is released. */
  feed(metricKey: MetricKey, metric: MetricName): MetricFeed {
    const found = this.#catalogue.reserve({ metricKey, metric });
    if (found !== null) return found.group.feed(found.metric);
    return new RejectedFeed({
      capacityVersion: () => this.#catalogue.removals,
      retry: () => this.#catalogue.reserve({ metricKey, metric }),
      onDropped: (values) => this.drop(values),
    });
  }

  /** Adds one value now without holding the group: for rare values, or groups that may be removed. */
  add(metricKey: MetricKey, metric: MetricName, value: number): void {
    const found = this.#catalogue.reserve({ metricKey, metric });
    if (found === null) this.#dropped++;
    else found.group.add(found.metric, value);
  }

  /** Registers work that flushes buffered values before anything is read. Returns a function that removes it. */
  beforeRead(work: () => void): () => void {
    this.#gatherers.add(work);
    return () => void this.#gatherers.delete(work);
  }

  /** Adds values measured at any time, now or in the past. */
  put(metricKey: MetricKey, metric: MetricName, atMs: number, measured: Measured): void {
    const found = this.#catalogue.reserve({ metricKey, metric });
    if (found === null) {
      this.#dropped++;
      return;
    }
    this.#retain(found.group, Math.floor(atMs / 1000), new Map([[found.metric, measured]]));
  }

  /** Metrics measured within the last `withinMs`, of groups with the given dimensions. */
  list({ withinMs, ...query }: Omit<CatalogueQuery, 'sinceMs'> & { withinMs?: number } = {}): NamedMetric[] {
    return this.#catalogue.list(withinMs === undefined ? query : { ...query, sinceMs: this.#options.clock.wallMs() - withinMs });
  }

  /** Units in which a metric was measured. */
  unitsOf(metricKey: MetricKey, name: string): string[] {
    const { metrics = [] } = this.#catalogue.find(metricKey) ?? {};
    return metrics.flatMap((metric) => (metric.name === name ? [metric.unit] : []));
  }

  /** Number of these metrics that do not fit, each counted after the previous ones: their values are dropped. */
  isFullFor(requested: readonly NamedMetric[]): number {
    return this.#catalogue.isFullFor(requested);
  }

  /**
   * Releases groups with these dimensions, of a deleted endpoint for example. Their history remains, but they stop counting towards the
   * limit.
   */
  release(dimensions: MetricKey['dimensions']): void {
    this.#catalogue.release(dimensions);
  }

  /** Data from before this time (epoch seconds) was deleted early: reads use the next coarser resolution. */
  lostValues(resolution: SpanResolution, before: number): void {
    this.#droppedBefore.set(resolution, before);
  }

  /** Counts dropped values. */
  drop(values: number): void {
    this.#dropped += values;
  }

  /** Values by period, without empty periods. Throws `invalid_request` for more than 100,800 periods. */
  async series({ name, unit, ...span }: MetricQuery): Promise<MetricPoint[]> {
    const metrics = this.#catalogue.find(span.metricKey)?.numbersOf(name, unit) ?? [];
    const [points = []] = await this.#read(span, [metrics]);
    return points;
  }

  /** The same for several metrics of a group, read together. */
  async columns<Name extends string>(span: MetricSpan, names: readonly Name[]): Promise<Record<Name, MetricPoint[]>> {
    const group = this.#catalogue.find(span.metricKey);
    const read = await this.#read(
      span,
      names.map((name) => group?.numbersOf(name, undefined) ?? []),
    );
    return Object.fromEntries(names.map((name, i) => [name, read[i] ?? []])) as Record<Name, MetricPoint[]>;
  }

  /** Names of a group's metrics with the prefix. */
  namesOf(metricKey: MetricKey, prefix: string): string[] {
    const { metrics = [] } = this.#catalogue.find(metricKey) ?? {};
    return metrics.flatMap(({ name }) => (name.startsWith(prefix) ? [name] : []));
  }

  /** Points for each list of metrics, each list combined into one series. */
  async #read(
    { metricKey, fromMs, toMs, periodMs, originMs = 0 }: MetricSpan,
    requested: readonly (readonly number[])[],
  ): Promise<MetricPoint[][]> {
    const period = periodMs / 1000;
    const origin = originMs / 1000;
    const startOf = (second: number): number => Math.floor((second - origin) / period) * period + origin;
    const from = startOf(Math.floor(fromMs / 1000));
    const to = Math.ceil(toMs / 1000);
    if ((to - from) / period > pointsMax) {
      throw new PlatformError(
        'invalid_request',
        `expected at most ${pointsMax} periods, got ${Math.ceil((to - from) / period)}. Request longer periods`,
      );
    }
    const group = this.#catalogue.find(metricKey);
    const metrics = requested.flat();
    if (group === null || metrics.length === 0) return requested.map(() => []);
    const resolution = this.#resolutionFor(period, from);
    const fresh = await this.#inMemory(group, resolution, { from, to });
    const rows = await readMetrics(this.#options.db, { group: group.id, metrics, resolution }, { from, to });
    const unwritten = [...fresh].flatMap(([at, record]) => Array.from(record, ([metric, measured]) => ({ at, metric, measured })));
    const all = [...rows.filter(({ at }) => !fresh.has(at)), ...unwritten.sort((a, b) => a.at - b.at)];
    return requested.map((numbers) => {
      const points = new Map<number, Point>();
      for (const { at, metric, measured } of all) {
        if (!numbers.includes(metric)) continue;
        const start = startOf(at);
        let point = points.get(start);
        if (point === undefined) points.set(start, (point = new Point(start * 1000)));
        point.add(measured);
      }
      return [...points.values()].sort((a, b) => a.atMs - b.atMs);
    });
  }

  /** Writes everything collected so far. */
  flush(): Promise<void> {
    const done = this.#turn.then(() => this.#write());
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /**
   * Resolves once everything put so far is in the database. Callers during a write share the next one. Throws if writing fails; the data is
   * retained and retried.
   */
  written(): Promise<void> {
    if (this.#nextWrite === null) {
      this.#nextWrite = this.#turn.then(() => {
        this.#nextWrite = null;
        return this.#writeAll(this.#spans.others.dirty());
      });
      this.#turn = this.#nextWrite.catch(() => undefined);
    }
    return this.#nextWrite;
  }

  /** Complete copies of a group's spans that are not written yet. */
  async #inMemory(
    group: MetricGroup,
    resolution: SpanResolution,
    { from, to }: { from: number; to: number },
  ): Promise<Map<number, Map<number, Measure>>> {
    const done = this.#turn.then(async () => {
      for (const gather of this.#gatherers) gather();
      const taken = group.take();
      if (taken !== null) this.#retain(group, this.#second(), taken, true);
      const spans = this.#spansOf(group).of(group.id, resolution, { from, to });
      for (const span of spans) if (span.isPart) await this.#complete(span);
      return new Map(spans.map((span) => [span.at, recordOf(span)]));
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #spansOf({ isOwn }: MetricGroup): OpenSpans {
    return isOwn ? this.#spans.own : this.#spans.others;
  }

  #second(): number {
    return Math.floor(this.#options.clock.wallMs() / 1000);
  }

  /** `begun` is the last second treated as started: a timer can fire a millisecond before the wall clock reaches it. */
  #tickLater(begun: number | null = null): void {
    const { clock } = this.#options;
    const next = this.#second() + 1 === begun ? begun + 1 : this.#second() + 1;
    this.#cancelTimer = clock.after(next * 1000 - clock.wallMs(), () => {
      const now = this.#second() + 1 === next ? next : this.#second();
      // Values of the second that has just ended.
      this.#move(now - 1);
      this.#tickLater(now);
      if (this.#pace.isDue(this.#hasChanges)) void this.#pace.write(() => this.flush().catch(() => undefined));
    });
  }

  #move(second: number): void {
    for (const gather of this.#gatherers) gather();
    for (const group of this.#catalogue.groups()) {
      const taken = group.take();
      if (taken === null) continue;
      this.#retain(group, second, taken, true);
      this.#hasChanges = true;
    }
  }

  /** `isGiven`: the caller does not use `measured` afterwards. */
  #retain(group: MetricGroup, second: number, measured: ReadonlyMap<number, Measured>, isGiven = false): void {
    group.lastAtMs = Math.max(group.lastAtMs, second * 1000);
    const now = this.#second();
    for (const resolution of resolutions) {
      if ((now - second) * 1000 > metricRetentionMs[resolution]) continue;
      const at = second - (((second % resolution) + resolution) % resolution);
      // A span that began before this server, or was written and discarded, is read before it is written.
      const isPart = (): boolean => at < Math.max(this.#openedAtSecond + 1, now - resolution);
      const span = this.#spansOf(group).open({ group: group.id, resolution, at }, isPart);
      span.isDirty = true;
      addToSpan(span, measured, isGiven && resolution === 1);
    }
  }

  async #write(): Promise<void> {
    const second = this.#second();
    this.#move(second);
    this.#hasChanges = false;
    try {
      await this.#writeAll([...this.#spans.own.dirty(), ...this.#spans.others.dirty()]);
      for (const spans of Object.values(this.#spans)) spans.discard(second);
      await this.#clear(second);
    } catch (error) {
      this.#options.onFailure(error);
    }
  }

  async #writeAll(dirty: readonly OpenSpan[]): Promise<void> {
    for (const span of dirty) span.isDirty = false;
    try {
      for (const span of dirty) if (span.isPart) await this.#complete(span);
      const written = new Set(dirty.map(({ group }) => group));
      const groups = [...this.#catalogue.groups()].filter(({ id, isChanged }) => isChanged || written.has(id));
      if (dirty.length > 0) await writeSpans(this.#options.db, groups, dirty);
      for (const group of groups) group.isChanged = false;
    } catch (error) {
      for (const span of dirty) span.isDirty = true;
      throw error;
    }
  }

  /** Adds the stored part of the span. */
  async #complete(span: OpenSpan): Promise<void> {
    const before = await readSpanRow(this.#options.db, span);
    span.isPart = false;
    addToSpan(span, before ?? new Map<number, Measured>(), false);
  }

  /** Once an hour, deletes expired data, empty groups and excess groups. */
  async #clear(second: number): Promise<void> {
    const hour = Math.floor(second / 3600);
    if (hour === this.#clearedHour) return;
    this.#clearedHour = hour;
    const before = {
      1: second - metricRetentionMs[1] / 1000,
      10: second - metricRetentionMs[10] / 1000,
      60: second - metricRetentionMs[60] / 1000,
    };
    await clearSpans(this.#options.db, before);
    this.#catalogue.releaseSilent((second - silentS) * 1000);
    const old = [...this.#catalogue.groups()].filter(
      ({ lastAtMs, isChanged, isHeld }) => !isChanged && !isHeld && lastAtMs < before[60] * 1000,
    );
    const removed = new Set([...old, ...this.#catalogue.tooMany()]);
    await clearGroups(
      this.#options.db,
      [...removed].map(({ id }) => id),
    );
    this.#catalogue.remove([...removed]);
  }

  /** The coarsest resolution that divides the period and still has the data. */
  #resolutionFor(period: number, from: number): SpanResolution {
    const isExpired = (resolution: SpanResolution): boolean =>
      (this.#second() - from) * 1000 > metricRetentionMs[resolution] || from < (this.#droppedBefore.get(resolution) ?? 0);
    if (period % 60 === 0 || isExpired(10)) return 60;
    return period % 10 === 0 || isExpired(1) ? 10 : 1;
  }
}
