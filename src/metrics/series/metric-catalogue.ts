/**
 * The catalogue of metric groups and their metrics, with limits. Groups put by clients are limited separately from the server's own, so a
 * flood of client names takes no room from endpoints.
 */
import { formatMetricKey, isReservedNamespace, MetricGroup, type MetricKey, type MetricName } from './metric-group.ts';

/** Limit of the server's own groups and of clients' groups. As many released groups of the server can be retained in addition. */
const groupsMaxDefault = 20_000;
const metricsPerGroupMax = 200;

/** One metric by its group and its name. */
export interface NamedMetric {
  readonly metricKey: MetricKey;
  readonly metric: MetricName;
}

/** A filter of ListMetrics; all its members must match. */
export interface CatalogueQuery {
  readonly namespace?: string;
  readonly name?: string;
  /** Only groups with these dimensions; null matches any value. */
  readonly dimensions?: Readonly<Record<string, string | null>>;
  /** Only groups measured since this time, epoch milliseconds. */
  readonly sinceMs?: number;
}

/** In memory as a whole, and read from the database at the start. */
export class MetricCatalogue {
  readonly #groups = new Map<string, MetricGroup>();
  /** Groups that count towards the limits. */
  readonly #slotsUsed = { own: 0, others: 0 };
  #lastId = 0;
  #removals = 0;
  readonly #groupsMax: number;

  constructor(groupsMax: number = groupsMaxDefault) {
    this.#groupsMax = groupsMax;
  }

  /** Loads stored groups. */
  load(groups: readonly MetricGroup[]): void {
    for (const group of groups) this.#add(group);
  }

  groups(): IterableIterator<MetricGroup> {
    return this.#groups.values();
  }

  find(metricKey: MetricKey): MetricGroup | null {
    return this.#groups.get(formatMetricKey(metricKey)) ?? null;
  }

  /** The metric's group and number, created if missing; null if a limit is reached. */
  reserve({ metricKey, metric }: NamedMetric): { readonly group: MetricGroup; readonly metric: number } | null {
    const found = this.find(metricKey);
    const known = found?.numberOf(metric.name, metric.unit) ?? null;
    if (found?.countsTowardsLimit === true && known !== null) return { group: found, metric: known };
    if (this.isFullFor([{ metricKey, metric }]) > 0) return null;
    const group = found ?? this.#add(new MetricGroup(this.#lastId + 1, metricKey));
    this.#updateCapacity(group, true);
    return { group, metric: known ?? group.addMetric(metric) };
  }

  /** Number of these metrics that do not fit, each counted after the previous ones. */
  isFullFor(requested: readonly NamedMetric[]): number {
    const left = { own: this.#groupsMax - this.#slotsUsed.own, others: this.#groupsMax - this.#slotsUsed.others };
    let lacking = 0;
    const added = new Map<string, Set<string>>();
    for (const { metricKey, metric } of requested) {
      const key = formatMetricKey(metricKey);
      const group = this.#groups.get(key);
      const isKnown = group !== undefined && group.numberOf(metric.name, metric.unit) !== null;
      if (group?.countsTowardsLimit === true && isKnown) continue;
      let names = added.get(key);
      if (names === undefined) {
        if (group?.countsTowardsLimit !== true && --left[isReservedNamespace(metricKey.namespace) ? 'own' : 'others'] < 0) {
          lacking++;
          continue;
        }
        added.set(key, (names = new Set()));
      }
      if (isKnown) continue;
      names.add(`${metric.unit} ${metric.name}`);
      if ((group?.metrics.length ?? 0) + names.size > metricsPerGroupMax) lacking++;
    }
    return lacking;
  }

  /** Increases when room is freed. */
  get removals(): number {
    return this.#removals;
  }

  remove(groups: readonly MetricGroup[]): void {
    for (const group of groups) {
      this.#groups.delete(formatMetricKey(group.metricKey));
      this.#updateCapacity(group, false);
    }
    this.#removals += groups.length;
  }

  /**
   * Releases the server's groups with these dimensions, which are no longer fed. They stop counting towards the limit until they are fed
   * again.
   */
  release(dimensions: MetricKey['dimensions']): void {
    const requested = Object.entries(dimensions);
    this.#release((group) => requested.every(([each, value]) => group.metricKey.dimensions[each] === value));
  }

  /** Releases the server's groups that are not held and measured nothing since `sinceMs`, epoch milliseconds. */
  releaseSilent(sinceMs: number): void {
    this.#release(({ isHeld, lastAtMs }) => !isHeld && lastAtMs < sinceMs);
  }

  /** Released groups beyond the limit: those silent for the longest time. */
  tooMany(): MetricGroup[] {
    const released = [...this.#groups.values()].filter(({ countsTowardsLimit, isChanged }) => !countsTowardsLimit && !isChanged);
    return released.sort((one, other) => other.lastAtMs - one.lastAtMs).slice(this.#groupsMax);
  }

  #release(isSelected: (group: MetricGroup) => boolean): void {
    for (const group of this.#groups.values()) {
      if (!group.isOwn || !group.countsTowardsLimit || !isSelected(group)) continue;
      group.isHeld = false;
      this.#updateCapacity(group, false);
      this.#removals++;
    }
  }

  #updateCapacity(group: MetricGroup, counts: boolean): void {
    if (group.countsTowardsLimit === counts) return;
    group.countsTowardsLimit = counts;
    this.#slotsUsed[group.isOwn ? 'own' : 'others'] += counts ? 1 : -1;
  }

  /** A dimension with the value null matches any value, as in CloudWatch. */
  list({ namespace, name, dimensions = {}, sinceMs = 0 }: CatalogueQuery): NamedMetric[] {
    const requested = Object.entries(dimensions);
    return [...this.#groups.values()]
      .filter(({ metricKey, lastAtMs }) => {
        const has = ([each, value]: [string, string | null]) =>
          each in metricKey.dimensions && (value === null || metricKey.dimensions[each] === value);
        return (namespace === undefined || metricKey.namespace === namespace) && lastAtMs >= sinceMs && requested.every(has);
      })
      .flatMap(({ metricKey, metrics }) => metrics.map((metric) => ({ metricKey, metric })))
      .filter(({ metric }) => name === undefined || metric.name === name);
  }

  #add(group: MetricGroup): MetricGroup {
    this.#groups.set(formatMetricKey(group.metricKey), group);
    if (group.countsTowardsLimit) this.#slotsUsed[group.isOwn ? 'own' : 'others']++;
    this.#lastId = Math.max(this.#lastId, group.id);
    return group;
  }
}
