/**
 * What was measured when: by the second for an hour, by ten seconds for a day, by the minute for 90 days, each with its distribution.
 * Values are taken in memory, moved once a second, and written every ten: a kill loses no more than that. Who measures nothing writes
 * nothing.
 */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Database } from '../../storage/index.ts';
import { Measure, type Measured, Together } from './measured.ts';
import { keyOfPlace, type MetricFeed, MetricGroup, type MetricName, type MetricPlace, nowhere } from './metric-group.ts';
import { clearGroups, clearSpans, type Resolution, readGroups, readMetrics, readSpan, resolutions, writeSpans } from './metric-rows.ts';

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

interface OpenSpan {
  readonly group: number;
  readonly resolution: Resolution;
  readonly at: number;
  readonly record: Map<number, Measure>;
  isDirty: boolean;
  /** The database may hold a part of it. */
  isPart: boolean;
}

export const keptMs: Readonly<Record<Resolution, number>> = { 1: 3_600_000, 10: 86_400_000, 60: 90 * 86_400_000 };
const writeEvery = 10;
const pointsMax = 100_800;
/** Beyond, a name is a flood: what comes under new ones is counted as dropped. */
const groupsMax = 20_000;
const metricsPerGroupMax = 200;
/** Where nothing can be written, no more than this is kept. */
const spansMax = 100_000;

export class MetricStore {
  readonly #options: MetricStoreOptions;
  readonly #groups = new Map<string, MetricGroup>();
  readonly #spans = new Map<string, OpenSpan>();
  readonly #gatherers = new Set<() => void>();
  #lastId = 0;
  #dropped = 0;
  #openedAtSecond = 0;
  #ticks = 0;
  #clearedHour = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTimer: () => void = () => {};

  constructor(options: MetricStoreOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    for (const group of await readGroups(this.#options.db)) {
      this.#groups.set(keyOfPlace(group.place), group);
      this.#lastId = Math.max(this.#lastId, group.id);
    }
    this.#openedAtSecond = this.#second();
    this.#tickLater();
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#cancelTimer();
    await this.flush();
  }

  /** Values, or whole series, that were not kept because there were too many names, or no disk to write to. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Who measures often holds on to it. */
  feed(place: MetricPlace, metric: MetricName): MetricFeed {
    const found = this.#place(place, metric);
    if (found !== null) return found.group.feed(found.metric);
    this.#dropped++;
    return nowhere;
  }

  /** Called before anything is taken or read, of whoever gathers values before it feeds them; what is returned ends that. */
  beforeTaking(work: () => void): () => void {
    this.#gatherers.add(work);
    return () => void this.#gatherers.delete(work);
  }

  /** What was measured at some time, now or before. */
  put(place: MetricPlace, metric: MetricName, atMs: number, measured: Measured): void {
    const found = this.#place(place, metric);
    if (found === null) {
      this.#dropped++;
      return;
    }
    this.#keep(found.group, Math.floor(atMs / 1000), new Map([[found.metric, measured]]));
  }

  /** Of whom anything is known that was measured within so many milliseconds; the places whose dimensions include the given ones. */
  list(wish: { namespace?: string; name?: string; dimensions?: Readonly<Record<string, string | null>>; withinMs?: number } = {}): {
    place: MetricPlace;
    metric: MetricName;
  }[] {
    const sinceMs = wish.withinMs === undefined ? 0 : this.#options.clock.wallMs() - wish.withinMs;
    const asked = Object.entries(wish.dimensions ?? {});
    return [...this.#groups.values()]
      .filter(({ place, lastAtMs }) => {
        const has = ([name, value]: [string, string | null]) =>
          name in place.dimensions && (value === null || place.dimensions[name] === value);
        return (wish.namespace === undefined || place.namespace === wish.namespace) && lastAtMs >= sinceMs && asked.every(has);
      })
      .flatMap(({ place, metrics }) => metrics.map((metric) => ({ place, metric })))
      .filter(({ metric }) => wish.name === undefined || metric.name === wish.name);
  }

  /** In which units a metric was measured. */
  unitsOf(place: MetricPlace, name: string): string[] {
    const { metrics = [] } = this.#groups.get(keyOfPlace(place)) ?? {};
    return metrics.flatMap((metric) => (metric.name === name ? [metric.unit] : []));
  }

  /** How many of these there is no room for, each counted with those before it; they count as dropped where they are given up. */
  lacksRoomFor(wished: readonly { readonly place: MetricPlace; readonly metric: MetricName }[]): number {
    let [groupsLeft, lacking] = [groupsMax - this.#groups.size, 0];
    const added = new Map<string, Set<string>>();
    for (const { place, metric } of wished) {
      const key = keyOfPlace(place);
      const group = this.#groups.get(key);
      if (group !== undefined && group.numberOf(metric.name, metric.unit) !== null) continue;
      let names = added.get(key);
      if (names === undefined) {
        if (group === undefined && --groupsLeft < 0) {
          lacking++;
          continue;
        }
        added.set(key, (names = new Set()));
      }
      names.add(`${metric.unit} ${metric.name}`);
      if ((group?.metrics.length ?? 0) + names.size > metricsPerGroupMax) lacking++;
    }
    return lacking;
  }

  /** So many values came that will not be kept. */
  drop(values: number): void {
    this.#dropped += values;
  }

  /** What was measured, by periods; those in which nothing was are left out. Throws `invalid_request` for more than 100,800 periods. */
  async series({ name, unit, ...wish }: MetricWish): Promise<MetricPoint[]> {
    const metrics = this.#groups.get(keyOfPlace(wish.place))?.numbersOf(name, unit) ?? [];
    const [points = []] = await this.#read(wish, [metrics]);
    return points;
  }

  /** The same of several metrics of a place, which are read at once. */
  async columns<Name extends string>(wish: MetricSpan, names: readonly Name[]): Promise<Record<Name, MetricPoint[]>> {
    const group = this.#groups.get(keyOfPlace(wish.place));
    const read = await this.#read(
      wish,
      names.map((name) => group?.numbersOf(name, undefined) ?? []),
    );
    return Object.fromEntries(names.map((name, i) => [name, read[i] ?? []])) as Record<Name, MetricPoint[]>;
  }

  /** The names of what a place measures that begin so. */
  namesOf(place: MetricPlace, begin: string): string[] {
    const { metrics = [] } = this.#groups.get(keyOfPlace(place)) ?? {};
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
    const group = this.#groups.get(keyOfPlace(place));
    const metrics = wished.flat();
    if (group === undefined || metrics.length === 0) return wished.map(() => []);
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
      const spans = [...this.#spans.values()].filter(
        (each) => each.group === group.id && each.resolution === resolution && each.at >= from && each.at < to,
      );
      for (const span of spans) if (span.isPart) await this.#complete(span);
      return new Map(spans.map(({ at, record }) => [at, new Map([...record].map(([metric, each]) => [metric, copied(each)]))]));
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #place(place: MetricPlace, metric: MetricName): { group: MetricGroup; metric: number } | null {
    const key = keyOfPlace(place);
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= groupsMax) return null;
      this.#groups.set(key, (group = new MetricGroup(++this.#lastId, place)));
    }
    const known = group.numberOf(metric.name, metric.unit);
    if (known !== null) return { group, metric: known };
    return group.metrics.length >= metricsPerGroupMax ? null : { group, metric: group.addMetric(metric) };
  }

  #second(): number {
    return Math.floor(this.#options.clock.wallMs() / 1000);
  }

  #tickLater(): void {
    const { clock } = this.#options;
    this.#cancelTimer = clock.after(1000 - (clock.wallMs() % 1000), () => {
      // What came in the second that has just ended.
      this.#move(this.#second() - 1);
      this.#tickLater();
      if (++this.#ticks % writeEvery === 0) void this.flush().catch(() => undefined);
    });
  }

  #move(second: number): void {
    for (const gather of this.#gatherers) gather();
    for (const group of this.#groups.values()) {
      const taken = group.take();
      if (taken !== null) this.#keep(group, second, taken, true);
    }
  }

  /** `isOwn`: nobody else holds on to what was measured, which need not be copied then. */
  #keep(group: MetricGroup, second: number, measured: ReadonlyMap<number, Measured>, isOwn = false): void {
    group.lastAtMs = Math.max(group.lastAtMs, second * 1000);
    const ageMs = (this.#second() - second) * 1000;
    for (const resolution of resolutions) {
      if (ageMs > keptMs[resolution]) continue;
      const span = this.#span(group.id, resolution, second - (((second % resolution) + resolution) % resolution));
      span.isDirty = true;
      for (const [metric, each] of measured) {
        let measure = span.record.get(metric);
        if (measure === undefined && resolution === 1 && isOwn && each instanceof Measure) {
          span.record.set(metric, each);
          continue;
        }
        if (measure === undefined) span.record.set(metric, (measure = new Measure()));
        measure.merge(each);
      }
    }
  }

  #span(group: number, resolution: Resolution, at: number): OpenSpan {
    const key = `${resolution}/${at}/${group}`;
    let span = this.#spans.get(key);
    if (span !== undefined) return span;
    // A span that began before this program, or has been written and let go of, is read before it is written.
    const isPart = at < Math.max(this.#openedAtSecond + 1, this.#second() - resolution);
    span = { group, resolution, at, record: new Map(), isDirty: false, isPart };
    this.#spans.set(key, span);
    if (this.#spans.size > spansMax) this.#forgetOldest();
    return span;
  }

  #forgetOldest(): void {
    const [oldest] = this.#spans.keys();
    if (oldest !== undefined) this.#spans.delete(oldest);
    this.#dropped++;
  }

  async #write(): Promise<void> {
    const { db, onFailure } = this.#options;
    const second = this.#second();
    this.#move(second);
    const dirty = [...this.#spans.values()].filter(({ isDirty }) => isDirty);
    for (const span of dirty) span.isDirty = false;
    try {
      for (const span of dirty) if (span.isPart) await this.#complete(span);
      const written = new Set(dirty.map(({ group }) => group));
      const groups = [...this.#groups.values()].filter(({ id, isChanged }) => isChanged || written.has(id));
      if (dirty.length > 0) await writeSpans(db, groups, dirty);
      for (const group of groups) group.isChanged = false;
      for (const [key, { at, resolution, isDirty }] of this.#spans) if (!isDirty && at + resolution < second) this.#spans.delete(key);
      await this.#clear(second);
    } catch (error) {
      for (const span of dirty) span.isDirty = true;
      onFailure(error);
    }
  }

  /** Adds what the database has of it. */
  async #complete(span: OpenSpan): Promise<void> {
    const before = await readSpan(this.#options.db, span);
    span.isPart = false;
    for (const [metric, each] of before ?? []) {
      let measure = span.record.get(metric);
      if (measure === undefined) span.record.set(metric, (measure = new Measure()));
      measure.merge(each);
    }
  }

  /** Once an hour: what is too old, and groups of which nothing is left. */
  async #clear(second: number): Promise<void> {
    const hour = Math.floor(second / 3600);
    if (hour === this.#clearedHour) return;
    this.#clearedHour = hour;
    const before = { 1: second - keptMs[1] / 1000, 10: second - keptMs[10] / 1000, 60: second - keptMs[60] / 1000 };
    await clearSpans(this.#options.db, before);
    const gone = [...this.#groups].filter(([, { lastAtMs, isChanged, isHeld }]) => !isChanged && !isHeld && lastAtMs < before[60] * 1000);
    await clearGroups(
      this.#options.db,
      gone.map(([, { id }]) => id),
    );
    for (const [key] of gone) this.#groups.delete(key);
  }

  /** The coarsest that makes up whole periods, and is kept that long. */
  #resolutionFor(period: number, from: number): Resolution {
    const age = (this.#second() - from) * 1000;
    if (period % 60 === 0 || age > keptMs[10]) return 60;
    return period % 10 === 0 || age > keptMs[1] ? 10 : 1;
  }
}

function copied(measured: Measured): Measure {
  const copy = new Measure();
  copy.merge(measured);
  return copy;
}
