/** Explains why a plan was chosen and others were not. Pure. */
import { type JudgedPlan, paretoFront } from '../../selection/index.ts';
import type { PlannedSelection, SelectionRequest } from './selection-planner.ts';

/** A plan, and why it does not serve. */
export interface ExplainedPlan extends JudgedPlan {
  /** Null for the plans of the ladder. */
  readonly rejected: string | null;
}

const alternativesMax = 30;

/** The ladder, the best plan of each model and of each pair, and the front, cheapest work first. */
export function alternativesOf(selection: PlannedSelection, request: SelectionRequest): readonly ExplainedPlan[] {
  const { plans, chosen } = selection;
  const best = [...Map.groupBy(plans, ({ first, second }) => `${first} ${second ?? ''}`).values()].map(
    (alike) =>
      alike.toSorted((a, b) => Number(b.isCertified) - Number(a.isCertified) || b.rowsPerSecond - a.rowsPerSecond)[0] as JudgedPlan,
  );
  const all = new Map([...(chosen?.ladder ?? []), ...best, ...paretoFront(plans)].map((plan) => [plan.name, plan]));
  return explainedPlans([...all.values()].slice(0, alternativesMax), selection, request);
}

/** Fastest first. */
export function explainedPlans(
  plans: readonly JudgedPlan[],
  selection: PlannedSelection,
  request: SelectionRequest,
): readonly ExplainedPlan[] {
  return plans
    .toSorted((a, b) => b.rowsPerSecond - a.rowsPerSecond)
    .map((plan) => ({ ...plan, rejected: rejectionOf(plan, selection, request) }));
}

function rejectionOf(
  plan: JudgedPlan,
  { chosen, set, fits }: PlannedSelection,
  { floor, confidence, goal, objective }: SelectionRequest,
): string | null {
  if (chosen?.ladder.some(({ name }) => name === plan.name) === true) return null;
  if (plan.second !== null && !fits(new Set([plan.first, plan.second])))
    return `${plan.first} and ${plan.second} do not fit into the memory of an instance together`;
  if (!plan.isFeasible) return `cannot keep ${objective.latencyMs} ms`;
  const errors = errorsText(plan, set.rows);
  if (floor !== null && confidence === null && plan.accuracy < floor) return `below the floor: ${errors}`;
  if (floor !== null && confidence !== null && !plan.isCertified) {
    return plan.pValue === null
      ? `not certified: an earlier test of its chain failed (${errors})`
      : `not certified: ${errors}, p = ${plan.pValue.toPrecision(2)} > ${plan.level?.toPrecision(2)}`;
  }
  if (goal.kind === 'most-accurate' && plan.usdPerHour > goal.usdPerHourMax) return `costs $${plan.usdPerHour.toFixed(4)} per hour`;
  const against = chosen?.floorPlan;
  if (against === undefined) return 'nothing was chosen';
  if (plan.usdPerHour < against.usdPerHour) return `costs ${percentLess(plan, against)} less: not worth replacing the plan that serves`;
  if (plan.usdPerHour > against.usdPerHour) return `costs ${Math.round(100 * (plan.usdPerHour / against.usdPerHour - 1))} % more`;
  if (plan.second !== null) return 'neither cheaper nor more accurate than a model alone';
  return 'another plan is cheaper or more accurate';
}

function percentLess(plan: JudgedPlan, against: JudgedPlan): string {
  return `${(100 * (1 - plan.usdPerHour / against.usdPerHour)).toFixed(1)} %`;
}

/** One or two sentences, which all APIs show unchanged. */
export function explanationOf(
  { chosen, fallback, plans, set, state, rowsNeeded, errorTotal }: PlannedSelection,
  { floor, confidence }: SelectionRequest,
): string {
  if (chosen === null) {
    if (floor === null) return outOfBudgetText(plans, fallback);
    const needed =
      rowsNeeded === null ? 'no number of such rows would suffice' : `about ${rowsNeeded.toLocaleString('en-US')} rows are needed`;
    const known = `${fallback.name} has ${errorsText(fallback, set.rows)}`;
    return state === 'not-certified'
      ? `Accuracy >= ${floor} is not certified: ${known}; ${needed}. ${fallback.name} would serve.`
      : `No plan reaches accuracy ${floor} within the promise: ${known}.`;
  }
  const { floorPlan, topPlan } = chosen;
  const goOn = `${(100 * floorPlan.escalated).toFixed(1)} %`;
  const answers =
    floorPlan.second === null
      ? `${floorPlan.name} answers.`
      : `${floorPlan.first} answers; the ${goOn} of rows it is least sure of go on to ${floorPlan.second}.`;
  const proof =
    floor === null
      ? `Accuracy ${floorPlan.accuracy.toFixed(4)} on ${set.rows} rows, estimated.`
      : confidence === null
        ? `Accuracy ${floorPlan.accuracy.toFixed(4)} on ${set.rows} rows, estimated: the floor of ${floor} is not certified.`
        : `Certified for accuracy >= ${floor} at ${sureText(1 - (errorTotal ?? 0))} (${errorsText(floorPlan, set.rows)}).`;
  const top =
    topPlan.name === floorPlan.name
      ? ''
      : ` While there is time, up to ${topPlan.name} can answer: accuracy ${topPlan.accuracy.toFixed(4)}.`;
  return `${answers} ${proof}${top}`;
}

/** Names the budget that would suffice. */
function outOfBudgetText(plans: readonly JudgedPlan[], fallback: JudgedPlan): string {
  const [cheapest = fallback] = plans
    .filter(({ isFeasible }) => isFeasible)
    .toSorted((a, b) => a.usdPerHour - b.usdPerHour || b.rank - a.rank);
  return `No plan is within the budget: the cheapest that keeps the promise, ${cheapest.name}, costs $${cheapest.usdPerHour.toFixed(4)} per hour.`;
}

function errorsText({ errors }: JudgedPlan, rows: number): string {
  return `${errors} ${errors === 1 ? 'error' : 'errors'} in ${rows} rows`;
}

/** `95 %`, `93.3 %`: rounded down, so it never claims more than is proven. */
export function sureText(share: number): string {
  return `${Math.floor(1000 * Math.max(0, share) + 1e-9) / 10} %`;
}
