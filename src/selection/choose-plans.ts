/** Chooses among judged plans: the one that the fleet is sized for, the most accurate one, and the rungs between them. Pure. */
import type { JudgedPlan } from './plans.ts';

/** The goal: the cheapest plan that keeps the floor, or the most accurate one within a budget. */
export type SelectionGoal = { readonly kind: 'cheapest' } | { readonly kind: 'most-accurate'; readonly usdPerHourMax: number };

/** The result of a choice among plans that keep the floor. */
export interface ChosenPlans {
  readonly floorPlan: JudgedPlan;
  readonly topPlan: JudgedPlan;
  /** From the cheapest to the most accurate; of the same two or three models. */
  readonly ladder: readonly JudgedPlan[];
}

/**
 * Plans that serve now. They stay unless others are worth the change: else a load that varies about a limit would replace workers again and
 * again.
 */
export interface PlansInForce {
  /** Names of plans: the one that the fleet is sized for, and all rungs. */
  readonly floorPlan: string;
  readonly rungs: readonly string[];
}

/** A cascade must save this share of the cost of a model alone, or be more accurate at the same cost; and a new plan, of the cost of the one in force. */
const savingMin = 0.03;
const rungsMax = 8;
const modelsLoadedMax = 3;

/** Whether models fit into the memory of one worker together. A model alone always does: its worker has been measured. */
export type FitsTogether = (models: ReadonlySet<string>) => boolean;

const alwaysFits: FitsTogether = () => true;

/** Null if no plan fits. `isEligible`: whether a plan keeps the floor. `inForce`: null if no plans serve, or if they do not count. */
export function choosePlans(
  plans: readonly JudgedPlan[],
  goal: SelectionGoal,
  isEligible: (plan: JudgedPlan) => boolean,
  fits: FitsTogether = alwaysFits,
  inForce: PlansInForce | null = null,
): ChosenPlans | null {
  const possible = worthwhile(
    plans.filter((plan) => plan.isFeasible && isEligible(plan) && fits(modelsIn([plan]))),
    new Set(inForce?.rungs),
  );
  const current = possible.find(({ name }) => name === inForce?.floorPlan) ?? null;
  if (goal.kind === 'most-accurate') {
    const best = mostAccurate(possible.filter(({ usdPerHour }) => usdPerHour <= goal.usdPerHourMax));
    const top = best !== null && current !== null && staysInBudget(current, best, goal.usdPerHourMax) ? current : best;
    return top === null ? null : { floorPlan: top, topPlan: top, ladder: [top] };
  }
  const [cheapest] = possible.toSorted(byCost);
  if (cheapest === undefined) return null;
  const floorPlan = current !== null && cheapest.usdPerHour > current.usdPerHour * (1 - savingMin) ? current : cheapest;
  // All rungs are loaded in one worker.
  const together = possible.filter((plan) => plan.workerKey === floorPlan.workerKey && fits(modelsIn([floorPlan, plan])));
  const topPlan = mostAccurate(together) ?? floorPlan;
  return { floorPlan, topPlan, ladder: ladderOf(together, floorPlan, topPlan, fits) };
}

/**
 * The rungs from the top plan down to an accuracy that is below the floor, cheapest first: for an endpoint that may degrade. Only models that
 * the worker of the top plan can load, certified or not: the credit keeps the mean at the floor.
 */
export function degradingLadder(
  plans: readonly JudgedPlan[],
  topPlan: JudgedPlan,
  accuracyMin: number,
  fits: FitsTogether = alwaysFits,
): readonly JudgedPlan[] {
  const possible = plans.filter(
    ({ isFeasible, accuracy, workerKey, rowsPerSecond }) =>
      isFeasible && accuracy >= accuracyMin && workerKey === topPlan.workerKey && rowsPerSecond >= topPlan.rowsPerSecond,
  );
  const together = possible.filter((plan) => fits(modelsIn([topPlan, plan])));
  const front = paretoFront(together).filter(({ rank }) => rank <= topPlan.rank);
  return withoutNearest(loadable(front, [front[0] ?? topPlan, topPlan], fits));
}

/** The most accurate model alone that keeps the promised latency, or keeps it best; for the case that nothing is certified. */
export function bestAlone(plans: readonly JudgedPlan[]): JudgedPlan {
  const alone = plans.filter(({ second }) => second === null);
  return alone.toSorted((a, b) => Number(b.isFeasible) - Number(a.isFeasible) || b.rank - a.rank || byCost(a, b))[0] as JudgedPlan;
}

/** A more accurate plan that just fits into the budget would leave it again with the next small change of the load. */
function staysInBudget(current: JudgedPlan, best: JudgedPlan, usdPerHourMax: number): boolean {
  return current.usdPerHour <= usdPerHourMax && best.usdPerHour > usdPerHourMax * (1 - savingMin);
}

/** Drops cascades that are neither cheaper nor more accurate than a model alone, unless they serve now. */
function worthwhile(plans: readonly JudgedPlan[], inForce: ReadonlySet<string>): JudgedPlan[] {
  const alone = plans.filter(({ second }) => second === null);
  const cheapest = Math.min(...alone.map(({ usdPerHour }) => usdPerHour));
  return plans.filter(({ name, second, usdPerHour, rank }) => {
    if (second === null || inForce.has(name) || usdPerHour <= cheapest * (1 - savingMin)) return true;
    return alone.every((other) => other.usdPerHour > usdPerHour || other.rank < rank);
  });
}

function byCost(a: JudgedPlan, b: JudgedPlan): number {
  return a.usdPerHour - b.usdPerHour || b.rowsPerSecond - a.rowsPerSecond || cascadeLast(a, b) || (a.name < b.name ? -1 : 1);
}

function mostAccurate(plans: readonly JudgedPlan[]): JudgedPlan | null {
  const order = (a: JudgedPlan, b: JudgedPlan): number =>
    b.rank - a.rank || a.usdPerHour - b.usdPerHour || cascadeLast(a, b) || b.rowsPerSecond - a.rowsPerSecond;
  return plans.toSorted(order)[0] ?? null;
}

function cascadeLast(a: JudgedPlan, b: JudgedPlan): number {
  return Number(a.second !== null) - Number(b.second !== null);
}

/** The Pareto front in work and rank between the two plans, with at most three models and eight rungs. */
function ladderOf(plans: readonly JudgedPlan[], floorPlan: JudgedPlan, topPlan: JudgedPlan, fits: FitsTogether): readonly JudgedPlan[] {
  const between = plans.filter(({ rowsPerSecond }) => rowsPerSecond <= floorPlan.rowsPerSecond && rowsPerSecond >= topPlan.rowsPerSecond);
  const front = paretoFront(between).filter(({ rank }) => rank >= floorPlan.rank);
  return withoutNearest(loadable(front, [floorPlan, topPlan], fits));
}

/** The rungs whose models fit into one worker; if all together do not fit, the rungs with models of the `ends`. */
function loadable(front: readonly JudgedPlan[], ends: readonly JudgedPlan[], fits: FitsTogether): readonly JudgedPlan[] {
  if (modelsIn(front).size <= modelsLoadedMax && fits(modelsIn(front))) return front;
  const models = modelsIn(ends);
  return front.filter((plan) => [...modelsIn([plan])].every((name) => models.has(name)));
}

function withoutNearest(front: readonly JudgedPlan[]): readonly JudgedPlan[] {
  const rungs = [...front];
  while (rungs.length > rungsMax) rungs.splice(nearestRung(rungs), 1);
  return rungs;
}

/** Plans that no other plan exceeds in both speed and rank, fastest first. */
export function paretoFront(plans: readonly JudgedPlan[]): JudgedPlan[] {
  const front: JudgedPlan[] = [];
  const order = (a: JudgedPlan, b: JudgedPlan): number => b.rowsPerSecond - a.rowsPerSecond || b.rank - a.rank || cascadeLast(a, b);
  for (const plan of plans.toSorted(order)) if (plan.rank > (front.at(-1)?.rank ?? -1)) front.push(plan);
  return front;
}

/** Names of the models that plans need. Every worker loads all of them. */
export function modelsIn(plans: readonly JudgedPlan[]): Set<string> {
  return new Set(plans.flatMap(({ first, second }) => (second === null ? [first] : [first, second])));
}

/** The inner rung that is the least slower than the one before. */
function nearestRung(rungs: readonly JudgedPlan[]): number {
  let nearest = 1;
  const ratio = (index: number): number => (rungs[index - 1] as JudgedPlan).rowsPerSecond / (rungs[index] as JudgedPlan).rowsPerSecond;
  for (let index = 2; index < rungs.length - 1; index++) if (ratio(index) < ratio(nearest)) nearest = index;
  return nearest;
}
