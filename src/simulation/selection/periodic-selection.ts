/**
 * Chooses one model for each instance from the load of the last period, in the manner of Proteus (ASPLOS'24): the mean accuracy is
 * maximised among all assignments that carry the load. Exhaustive, so for a few instances. A rival of the choice per batch; it has no
 * placement and no batching of its own.
 */
import type { SimulatedPlan } from './selection-spec.ts';

/** The assignment must carry the load of the last period times this. */
export const headroom = 1.1;
/** How long an assignment is in force. */
export const periodMs = 30_000;

/** Indexes of plans, one for each instance; if nothing carries the load, those that carry most. */
export function assignModels(plans: readonly SimulatedPlan[], instances: number, ratePerSecond: number): number[] {
  let best = { isEnough: false, accuracy: 0, capacity: 0, assigned: new Array<number>(instances).fill(0) };
  const needed = headroom * ratePerSecond;
  const visit = (assigned: readonly number[], from: number): void => {
    if (assigned.length < instances) {
      for (let plan = from; plan < plans.length; plan++) visit([...assigned, plan], plan);
      return;
    }
    const capacity = assigned.reduce((sum, plan) => sum + (plans[plan] as SimulatedPlan).rowsPerSecond, 0);
    const isEnough = capacity >= needed;
    const accuracy = meanAccuracy(plans, assigned, capacity);
    const isBetter = isEnough ? !best.isEnough || accuracy > best.accuracy : !best.isEnough && capacity > best.capacity;
    if (isBetter) best = { isEnough, accuracy, capacity, assigned: [...assigned] };
  };
  visit([], 0);
  return best.assigned;
}

/** Instances take turns at their own speed, so each model answers in proportion to its rate. */
function meanAccuracy(plans: readonly SimulatedPlan[], assigned: readonly number[], capacity: number): number {
  return assigned.reduce((sum, plan) => {
    const { accuracy, rowsPerSecond } = plans[plan] as SimulatedPlan;
    return sum + (accuracy * rowsPerSecond) / capacity;
  }, 0);
}
