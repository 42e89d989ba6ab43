/**
 * What was measured when: by the second for an hour, by ten seconds for a day, by the minute for 90 days, each with its distribution.
 * Values are taken in memory, moved once a second, and written every ten: a kill loses no more than that. Who measures nothing writes
 * nothing.
 */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Database } from '../../storage/index.ts';
import { type Measure, type Measured, Together } from './measured.ts';
import { type CatalogueWish, MetricCatalogue, type NamedMetric } from './metric-catalogue.ts';
import type { MetricFeed, MetricGroup, MetricName, MetricPlace } from './metric-group.ts';
import {
  clearGroups,
  clearSpans,
  droppedUntil,
  type Resolution,
  readGroups,
  readMetrics,
  readSpan,
  resolutions,
  writeSpans,
} from './metric-rows.ts';
import { addTo, type OpenSpan, OpenSpans, recordOf } from './open-spans.ts';
import { RefusedFeed } from './refused-feed.ts';

export interface MetricStoreOptions {
  readonly db: Database;
  readonly clock: Clock;
  /** Rows could not be written; they are kept, within bounds, and tried again. */
  readonly onFailure: (error: unknown) => void;
}

/** Of whom, from when to when, in which periods. */
export interface MetricSpan {
  readonly place: MetricPlace;
  /** Epoch milliseconds; from a multiple of the period on. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Whole seconds. */
  readonly periodMs: number;
  /** From where periods are counted, where that is not the beginning of time: whole minutes, or less where periods are. */
  readonly originMs?: number | undefined;
}

export interface MetricWish extends MetricSpan {
  readonly name: string;
  /** All units together where none is given. */
  readonly unit?: string | undefined;
}

export interface MetricPoint extends Measured {
  /** Epoch milliseconds of its beginning. */
  readonly atMs: number;
}

class Point extends Together implements MetricPoint {
  readonly atMs: number;

  constructor(atMs: number) {
    super();
    this.atMs = atMs;
  }
}

export const keptMs: Readonly<Record<Resolution, number>> = { 1: 3_600_000, 10: 86_400_000, 60: 90 * 86_400_000 };
const writeEvery = 10;
/** Whom nobody holds on to, and who measured nothing for so long, leaves its room to others. */
const silentS = 3600;
const pointsMax = 100_800;

export class MetricStore {
  readonly #options: MetricStoreOptions;
  readonly #catalogue = new MetricCatalogue();
  /** Callers may put what is long past, in as many spans as they like: they take no room from ours. */
  readonly #spans = { own: new OpenSpans(), others: new OpenSpans() };
  readonly #gatherers = new Set<() => void>();
  readonly #lostBefore = new Map<Resolution, number>();
  #dropped = 0;
  #openedAtSecond = 0;
  #ticks = 0;
  #clearedHour = 0;
  #turn: Promise<unknown> = Promise.resolve();
  /** Waits for its turn, and has not begun. */
  #nextWrite: Promise<void> | null = null;
  #cancelTimer: () => void = () => {};

  constructor(options: MetricStoreOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    this.#catalogue.load(await readGroups(this.#options.db));
    this.#openedAtSecond = this.#second();
    await this.#findLost();
    this.#tickLater();
  }

  /** What was dropped before this program began, for want of room. */
  async #findLost(): Promise<void> {
    const pairs = [
      { fine: 1, coarse: 10 },
      { fine: 10, coarse: 60 },
    ] as const;
    for (const pair of pairs) {
      const until = await droppedUntil(this.#options.db, pair, this.#openedAtSecond - keptMs[pair.fine] / 1000);
      if (until !== null) this.lost(pair.fine, until);
    }
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#cancelTimer();
    await this.flush();
  }

  /** Values, or whole series, that were not kept because there were too many names, or no disk to write to. */
  get dropped(): number {
    return this.#dropped + this.#spans.own.dropped + this.#spans.others.dropped;
  }

  /** Who measures often holds on to it. */
  feed(place: MetricPlace, metric: MetricName): MetricFeed {
    const found = this.#catalogue.take({ place, metric });
    if (found !== null) return found.group.feed(found.metric);
    return new RefusedFeed({
      room: () => this.#catalogue.removals,
      retry: () => this.#catalogue.take({ place, metric }),
      lose: (values) => this.drop(values),
    });
  }

  /** One value now, of what is measured seldom, or of whom may be gone: nobody holds on to the place. */
  add(place: MetricPlace, metric: MetricName, value: number): void {
    const found = this.#catalogue.take({ place, metric });
    if (found === null) this.#dropped++;
    else found.group.add(found.metric, value);
  }

  /** Called before anything is taken or read, of whoever gathers values before it feeds them; what is returned ends that. */
  beforeTaking(work: () => void): () => void {
    this.#gatherers.add(work);
    return () => void this.#gatherers.delete(work);
  }

  /** What was measured at some time, now or before. */
  put(place: MetricPlace, metric: MetricName, atMs: number, measured: Measured): void {
    const found = this.#catalogue.take({ place, metric });
    if (found === null) {
      this.#dropped++;
      return;
    }
    this.#keep(found.group, Math.floor(atMs / 1000), new Map([[found.metric, measured]]));
  }

  /** Of whom anything is known that was measured within so many milliseconds; the places whose dimensions include the given ones. */
  list({ withinMs, ...wish }: Omit<CatalogueWish, 'sinceMs'> & { withinMs?: number } = {}): NamedMetric[] {
    return this.#catalogue.list(withinMs === undefined ? wish : { ...wish, sinceMs: this.#options.clock.wallMs() - withinMs });
  }

  /** In which units a metric was measured. */
  unitsOf(place: MetricPlace, name: string): string[] {
    const { metrics = [] } = this.#catalogue.find(place) ?? {};
    return metrics.flatMap((metric) => (metric.name === name ? [metric.unit] : []));
  }

  /** How many of these there is no room for, each counted with those before it: nothing that is measured of them is kept. */
  lacksRoomFor(wished: readonly NamedMetric[]): number {
    return this.#catalogue.lacksRoomFor(wished);
  }

  /** An endpoint is gone, say: of what bears these dimensions nothing more is fed. What was measured stays; its room is for others. */
  release(dimensions: MetricPlace['dimensions']): void {
    this.#catalogue.release(dimensions);
  }

  /** What was measured before (epoch seconds) is gone from the database, though it is not too old: the next coarser tells. */
  lost(resolution: Resolution, before: number): void {
    this.#lostBefore.set(resolution, before);
  }

  /** So many values came that will not be kept. */
  drop(values: number): void {
    this.#dropped += values;
  }

  /** What was measured, by periods; those in which nothing was are left out. Throws `invalid_request` for more than 100,800 periods. */
  async series({ name, unit, ...wish }: MetricWish): Promise<MetricPoint[]> {
    const metrics = this.#catalogue.find(wish.place)?.numbersOf(name, unit) ?? [];
    const [points = []] = await this.#read(wish, [metrics]);
    return points;
  }

  /** The same of several metrics of a place, which are read at once. */
  async columns<Name extends string>(wish: MetricSpan, names: readonly Name[]): Promise<Record<Name, MetricPoint[]>> {
    const group = this.#catalogue.find(wish.place);
    const read = await this.#read(
      wish,
      names.map((name) => group?.numbersOf(name, undefined) ?? []),
    );
    return Object.fromEntries(names.map((name, i) => [name, read[i] ?? []])) as Record<Name, MetricPoint[]>;
  }

  /** The names of what a place measures that begin so. */
  namesOf(place: MetricPlace, begin: string): string[] {
    const { metrics = [] } = this.#catalogue.find(place) ?? {};
    return metrics.flatMap(({ name }) => (name.startsWith(begin) ? [name] : []));
  }

  /** Of each list of metrics: its points, each of them together in one. */
  async #read(
    { place, fromMs, toMs, periodMs, originMs = 0 }: MetricSpan,
    wished: readonly (readonly number[])[],
  ): Promise<MetricPoint[][]> {
    const period = periodMs / 1000;
    const origin = originMs / 1000;
    const startOf = (second: number): number => Math.floor((second - origin) / period) * period + origin;
    const from = startOf(Math.floor(fromMs / 1000));
    const to = Math.ceil(toMs / 1000);
    if ((to - from) / period > pointsMax) {
      throw new PlatformError(
        'invalid_request',
        `expected at most ${pointsMax} periods, got ${Math.ceil((to - from) / period)}: ask for longer ones`,
      );
    }
    const group = this.#catalogue.find(place);
    const metrics = wished.flat();
    if (group === null || metrics.length === 0) return wished.map(() => []);
    const resolution = this.#resolutionFor(period, from);
    const fresh = await this.#inMemory(group, resolution, { from, to });
    const rows = await readMetrics(this.#options.db, { group: group.id, metrics, resolution }, { from, to });
    const unwritten = [...fresh].flatMap(([at, record]) => Array.from(record, ([metric, measured]) => ({ at, metric, measured })));
    const all = [...rows.filter(({ at }) => !fresh.has(at)), ...unwritten.sort((a, b) => a.at - b.at)];
    return wished.map((numbers) => {
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

  /** Writes everything that is known by now. */
  flush(): Promise<void> {
    const done = this.#turn.then(() => this.#write());
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /**
   * Resolves once what was `put` before is in the database, where a kill does not take it; who asks while one writes shares the next. Throws where
   * it cannot be written: it is kept, and tried again with everything else.
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

  /** What is known of a group's spans beyond what is written, whole: copied, since it grows. */
  async #inMemory(
    group: MetricGroup,
    resolution: Resolution,
    { from, to }: { from: number; to: number },
  ): Promise<Map<number, Map<number, Measure>>> {
    const done = this.#turn.then(async () => {
      for (const gather of this.#gatherers) gather();
      const taken = group.take();
      if (taken !== null) this.#keep(group, this.#second(), taken, true);
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

  /** `begun` is the last second that was taken to have begun: by the clock on the wall a timer may come a millisecond before it does. */
  #tickLater(begun: number | null = null): void {
    const { clock } = this.#options;
    const next = this.#second() + 1 === begun ? begun + 1 : this.#second() + 1;
    this.#cancelTimer = clock.after(next * 1000 - clock.wallMs(), () => {
      const now = this.#second() + 1 === next ? next : this.#second();
      // What came in the second that has just ended.
      this.#move(now - 1);
      this.#tickLater(now);
      if (++this.#ticks % writeEvery === 0) void this.flush().catch(() => undefined);
    });
  }

  #move(second: number): void {
    for (const gather of this.#gatherers) gather();
    for (const group of this.#catalogue.groups()) {
      const taken = group.take();
      if (taken !== null) this.#keep(group, second, taken, true);
    }
  }

  /** `isGiven`: nobody else holds on to what was measured. */
  #keep(group: MetricGroup, second: number, measured: ReadonlyMap<number, Measured>, isGiven = false): void {
    group.lastAtMs = Math.max(group.lastAtMs, second * 1000);
    const now = this.#second();
    for (const resolution of resolutions) {
      if ((now - second) * 1000 > keptMs[resolution]) continue;
      const at = second - (((second % resolution) + resolution) % resolution);
      // A span that began before this program, or has been written and let go of, is read before it is written.
      const isPart = (): boolean => at < Math.max(this.#openedAtSecond + 1, now - resolution);
      const span = this.#spansOf(group).open({ group: group.id, resolution, at }, isPart);
      span.isDirty = true;
      addTo(span, measured, isGiven && resolution === 1);
    }
  }

  async #write(): Promise<void> {
    const second = this.#second();
    this.#move(second);
    try {
      await this.#writeAll([...this.#spans.own.dirty(), ...this.#spans.others.dirty()]);
      for (const spans of Object.values(this.#spans)) spans.forget(second);
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

  /** Adds what the database has of it. */
  async #complete(span: OpenSpan): Promise<void> {
    const before = await readSpan(this.#options.db, span);
    span.isPart = false;
    addTo(span, before ?? new Map<number, Measured>(), false);
  }

  /** Once an hour: what is too old, and groups of which nothing is left, or which are too many. */
  async #clear(second: number): Promise<void> {
    const hour = Math.floor(second / 3600);
    if (hour === this.#clearedHour) return;
    this.#clearedHour = hour;
    const before = { 1: second - keptMs[1] / 1000, 10: second - keptMs[10] / 1000, 60: second - keptMs[60] / 1000 };
    await clearSpans(this.#options.db, before);
    this.#catalogue.releaseSilent((second - silentS) * 1000);
    const old = [...this.#catalogue.groups()].filter(
      ({ lastAtMs, isChanged, isHeld }) => !isChanged && !isHeld && lastAtMs < before[60] * 1000,
    );
    const gone = new Set([...old, ...this.#catalogue.tooMany()]);
    await clearGroups(
      this.#options.db,
      [...gone].map(({ id }) => id),
    );
    this.#catalogue.remove([...gone]);
  }

  /** The coarsest that makes up whole periods, and is kept that long. */
  #resolutionFor(period: number, from: number): Resolution {
    const isGone = (resolution: Resolution): boolean =>
      (this.#second() - from) * 1000 > keptMs[resolution] || from < (this.#lostBefore.get(resolution) ?? 0);
    if (period % 60 === 0 || isGone(10)) return 60;
    return period % 10 === 0 || isGone(1) ? 10 : 1;
  }
}
