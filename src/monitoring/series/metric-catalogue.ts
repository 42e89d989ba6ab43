/**
 * Which places measure which metrics, and how many there may be. What callers put under names of their own is bounded apart from what is
 * measured here: a flood of their names takes no room from an endpoint that is deployed after it.
 */
import { isOwnNamespace, keyOfPlace, MetricGroup, type MetricName, type MetricPlace } from './metric-group.ts';

/** Beyond, a name is a flood: of each, of ours and of callers'. Of ours as many may be kept besides that nobody feeds any more. */
const groupsMax = 20_000;
const metricsPerGroupMax = 200;

export interface NamedMetric {
  readonly place: MetricPlace;
  readonly metric: MetricName;
}

export interface CatalogueWish {
  readonly namespace?: string;
  readonly name?: string;
  /** The places whose dimensions include these; null: whatever their value. */
  readonly dimensions?: Readonly<Record<string, string | null>>;
  /** Of whom anything is known that was measured since (epoch milliseconds). */
  readonly sinceMs?: number;
}

export class MetricCatalogue {
  readonly #groups = new Map<string, MetricGroup>();
  /** Those that take room. */
  readonly #taken = { own: 0, others: 0 };
  #lastId = 0;
  #removals = 0;

  /** What was kept of it. */
  load(groups: readonly MetricGroup[]): void {
    for (const group of groups) this.#add(group);
  }

  groups(): IterableIterator<MetricGroup> {
    return this.#groups.values();
  }

  find(place: MetricPlace): MetricGroup | null {
    return this.#groups.get(keyOfPlace(place)) ?? null;
  }

  /** The metric's group and its number there, made where they are missing; null where there is no room for them. */
  take({ place, metric }: NamedMetric): { readonly group: MetricGroup; readonly metric: number } | null {
    const found = this.find(place);
    const known = found?.numberOf(metric.name, metric.unit) ?? null;
    if (found?.takesRoom === true && known !== null) return { group: found, metric: known };
    if (this.lacksRoomFor([{ place, metric }]) > 0) return null;
    const group = found ?? this.#add(new MetricGroup(this.#lastId + 1, place));
    this.#setRoom(group, true);
    return { group, metric: known ?? group.addMetric(metric) };
  }

  /** How many of these there is no room for, each counted with those before it. */
  lacksRoomFor(wished: readonly NamedMetric[]): number {
    const left = { own: groupsMax - this.#taken.own, others: groupsMax - this.#taken.others };
    let lacking = 0;
    const added = new Map<string, Set<string>>();
    for (const { place, metric } of wished) {
      const key = keyOfPlace(place);
      const group = this.#groups.get(key);
      const isKnown = group !== undefined && group.numberOf(metric.name, metric.unit) !== null;
      if (group?.takesRoom === true && isKnown) continue;
      let names = added.get(key);
      if (names === undefined) {
        if (group?.takesRoom !== true && --left[isOwnNamespace(place.namespace) ? 'own' : 'others'] < 0) {
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

  /** Rises when room is made. */
  get removals(): number {
    return this.#removals;
  }

  remove(groups: readonly MetricGroup[]): void {
    for (const group of groups) {
      this.#groups.delete(keyOfPlace(group.place));
      this.#setRoom(group, false);
    }
    this.#removals += groups.length;
  }

  /** Nobody feeds ours that bear these dimensions any more: they leave their room to others, until somebody feeds them again. */
  release(dimensions: MetricPlace['dimensions']): void {
    const asked = Object.entries(dimensions);
    this.#release((group) => asked.every(([each, value]) => group.place.dimensions[each] === value));
  }

  /** Those of ours leave their room, too, that nobody holds and that measured nothing since (epoch milliseconds). */
  releaseSilent(sinceMs: number): void {
    this.#release(({ isHeld, lastAtMs }) => !isHeld && lastAtMs < sinceMs);
  }

  /** Of those that left their room, the ones that are too many to be kept: those that have been silent for the longest time. */
  tooMany(): MetricGroup[] {
    const released = [...this.#groups.values()].filter(({ takesRoom, isChanged }) => !takesRoom && !isChanged);
    return released.sort((one, other) => other.lastAtMs - one.lastAtMs).slice(groupsMax);
  }

  #release(isMeant: (group: MetricGroup) => boolean): void {
    for (const group of this.#groups.values()) {
      if (!group.isOwn || !group.takesRoom || !isMeant(group)) continue;
      group.isHeld = false;
      this.#setRoom(group, false);
      this.#removals++;
    }
  }

  #setRoom(group: MetricGroup, takesRoom: boolean): void {
    if (group.takesRoom === takesRoom) return;
    group.takesRoom = takesRoom;
    this.#taken[group.isOwn ? 'own' : 'others'] += takesRoom ? 1 : -1;
  }

  list({ namespace, name, dimensions = {}, sinceMs = 0 }: CatalogueWish): NamedMetric[] {
    const asked = Object.entries(dimensions);
    return [...this.#groups.values()]
      .filter(({ place, lastAtMs }) => {
        const has = ([each, value]: [string, string | null]) =>
          each in place.dimensions && (value === null || place.dimensions[each] === value);
        return (namespace === undefined || place.namespace === namespace) && lastAtMs >= sinceMs && asked.every(has);
      })
      .flatMap(({ place, metrics }) => metrics.map((metric) => ({ place, metric })))
      .filter(({ metric }) => name === undefined || metric.name === name);
  }

  #add(group: MetricGroup): MetricGroup {
    this.#groups.set(keyOfPlace(group.place), group);
    if (group.takesRoom) this.#taken[group.isOwn ? 'own' : 'others']++;
    this.#lastId = Math.max(this.#lastId, group.id);
    return group;
  }
}
