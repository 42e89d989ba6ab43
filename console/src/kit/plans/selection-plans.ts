/** Queries of plans that could serve, and what charts show of them. Pure functions, but for the queries. */
import { queryOptions } from '@tanstack/react-query';
import type { EvaluationSetBody, SelectionPlanBody } from '../../../../src/api/index.ts';
import { getAll, post } from '../../api/client.ts';

export type SelectionPlan = SelectionPlanBody['plans'][number];

/** The request of the page. It is in the URL, so a link opens the same answer. */
export interface SelectionAsk {
  readonly set: string;
  readonly models: readonly string[];
  readonly floor: number;
  /** `p95<=50ms` */
  readonly objective: string;
  readonly rate: number;
}

export const setsQuery = () =>
  queryOptions({
    queryKey: ['evaluation-sets'],
    queryFn: ({ signal }) => getAll<EvaluationSetBody>('/evaluation-sets', {}, signal),
  });

export const selectionQuery = ({ set, models, floor, objective, rate }: SelectionAsk) =>
  queryOptions({
    queryKey: ['selection-plan', set, models, floor, objective, rate],
    queryFn: ({ signal }) =>
      post<SelectionPlanBody>('/plan/selection', { set, models, floor, objective, rate_per_second: rate, every_plan: true }, { signal }),
    staleTime: 60_000,
    retry: false,
  });

/** The request in the URL; null if it is incomplete. */
export function askOf(values: Readonly<Record<string, string | undefined>>): SelectionAsk | null {
  const { set = '', models = '', floor = '', objective = '', rate = '' } = values;
  const ask = { set, models: models.split(',').filter((name) => name !== ''), floor: Number(floor), objective, rate: Number(rate) };
  return set !== '' && ask.models.length > 0 && ask.floor > 0 && ask.floor < 1 && objective !== '' && ask.rate > 0 ? ask : null;
}

/** Cost of a million rows on instances that are always busy, which does not depend on the load. US dollars. */
export function usdPerMillionOf({ usd_per_hour: usd, instances, rows_per_second: rate }: SelectionPlan): number {
  return (usd / instances / 3600 / rate) * 1e6;
}

/** Plans that no other one exceeds in both accuracy and speed. */
export function isDominated(plan: SelectionPlan, plans: readonly SelectionPlan[]): boolean {
  return plans.some(
    (other) =>
      other.rows_per_second >= plan.rows_per_second &&
      other.accuracy >= plan.accuracy &&
      (other.rows_per_second > plan.rows_per_second || other.accuracy > plan.accuracy),
  );
}

export interface Cascade {
  /** `digits-mlp/1>digits-cnn/1` */
  readonly pair: string;
  readonly threshold: number;
}

/** Null for a model alone. */
export function cascadeOf(name: string): Cascade | null {
  const [, pair, threshold] = /^(.+>.+)@([^@]+)$/.exec(name) ?? [];
  return pair === undefined ? null : { pair, threshold: Number(threshold) };
}

export interface ThresholdPoint {
  readonly threshold: number;
  readonly plan: SelectionPlan;
}

/** The cascades of each pair, by threshold from small (most rows go on) to large. */
export function thresholdsByPair(plans: readonly SelectionPlan[]): ReadonlyMap<string, readonly ThresholdPoint[]> {
  const pairs = new Map<string, ThresholdPoint[]>();
  for (const plan of plans) {
    const cascade = cascadeOf(plan.plan);
    if (cascade === null) continue;
    pairs.set(cascade.pair, [...(pairs.get(cascade.pair) ?? []), { threshold: cascade.threshold, plan }]);
  }
  return new Map([...pairs].map(([pair, points]) => [pair, points.toSorted((a, b) => a.threshold - b.threshold)]));
}

/** The pair of the floor plan, otherwise the pair with the most certified thresholds. */
export function firstPair(body: SelectionPlanBody, pairs: ReadonlyMap<string, readonly ThresholdPoint[]>): string | null {
  const chosen = cascadeOf(body.floor_plan ?? '')?.pair;
  if (chosen !== undefined && pairs.has(chosen)) return chosen;
  const certified = (points: readonly ThresholdPoint[]): number => points.filter(({ plan }) => plan.certified).length;
  return [...pairs].toSorted(([, a], [, b]) => certified(b) - certified(a))[0]?.[0] ?? null;
}

/** The cheapest plan that these rows certify for an accuracy, of equally cheap ones the fastest; null if none does. */
export function cheapestFor(floor: number, plans: readonly SelectionPlan[]): SelectionPlan | null {
  const certified = plans.filter(({ feasible, certified_to: to }) => feasible && to !== null && to >= floor);
  return certified.toSorted((a, b) => a.usd_per_hour - b.usd_per_hour || b.rows_per_second - a.rows_per_second)[0] ?? null;
}

/** The accuracies at which the cheapest plan changes, ascending: each is the largest one of its plan. Empty without certificates. */
export function pricesByFloor(plans: readonly SelectionPlan[]): readonly { readonly to: number; readonly plan: SelectionPlan }[] {
  const reaches = [...new Set(plans.flatMap(({ feasible, certified_to: to }) => (feasible && to !== null ? [to] : [])))].sort(
    (a, b) => a - b,
  );
  const steps: { to: number; plan: SelectionPlan }[] = [];
  for (const to of reaches) {
    const plan = cheapestFor(to, plans);
    if (plan === null) continue;
    if (steps.at(-1)?.plan.plan === plan.plan) steps.pop();
    steps.push({ to, plan });
  }
  return steps;
}

export interface NamedPoint {
  readonly name: string;
  readonly cx: number;
  readonly cy: number;
}

export interface PlacedName {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly isLeft: boolean;
}

interface NameLimits {
  readonly width: number;
  readonly top: number;
  readonly bottom: number;
}

const characterWidth = 6.4;
const lineHeight = 14;
const nameOffsets = [4, 18, -10, 32, -24, 46, -38, 60];

/** Names next to their points where none overlaps another, a point or the edge. The first ones have the choice; a name without room is left out. */
export function placeNames(
  names: readonly NamedPoint[],
  circles: readonly Omit<NamedPoint, 'name'>[],
  { width, top, bottom }: NameLimits,
): readonly PlacedName[] {
  const taken = circles.map(({ cx, cy }) => ({ from: cx - 7, to: cx + 7, y: cy + 4 }));
  return names.flatMap(({ name, cx, cy }): PlacedName[] => {
    const length = name.length * characterWidth;
    const sides = cx > width * 0.55 ? [true, false] : [false, true];
    for (const y of nameOffsets.map((offset) => cy + offset)) {
      if (y <= top - 8 || y >= bottom) continue;
      for (const isLeft of sides) {
        const x = isLeft ? cx - 10 : cx + 10;
        const [from, to] = isLeft ? [x - length, x] : [x, x + length];
        const isFree =
          from >= 0 && to <= width && taken.every((other) => other.to < from || other.from > to || Math.abs(other.y - y) >= lineHeight);
        if (!isFree) continue;
        taken.push({ from, to, y });
        return [{ name, x, y, isLeft }];
      }
    }
    return [];
  });
}
