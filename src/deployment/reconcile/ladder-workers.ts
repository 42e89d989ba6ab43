/** What the workers of a ladder load, and by which numbers runs name its plans. Pure. */
import { PlatformError } from '../../errors.ts';
import type { ModelVersion } from '../../registry/index.ts';
import type { ModelMap, WorkerPlan, WorkerPlans } from '../../runtime/index.ts';
import { mapToContract } from '../../selection/index.ts';
import type { LadderConfig } from '../config/ladder-config.ts';

/**
 * `models`: the versions of the ladder, in its order. Plans have the numbers of their rungs. After them, each model that no plan begins
 * with is a plan of its own, so that it is run once before the worker is ready. Throws `unsupported` for a model that does not fit.
 */
export function workerPlansOf(contract: ModelVersion, ladder: LadderConfig, models: readonly ModelVersion[]): WorkerPlans {
  const maps = models.map((model): ModelMap => {
    const map = mapToContract(contract, model);
    if (typeof map === 'string') throw new PlatformError('unsupported', map);
    return map;
  });
  const place = (name: string): number => ladder.models.indexOf(name);
  const plans = ladder.rungs.map(
    ({ first, second, threshold }): WorkerPlan => ({ first: place(first), second: second === null ? null : place(second), threshold }),
  );
  const unused = models.map((_, index) => index).filter((index) => !plans.some(({ first }) => first === index));
  return {
    contract: contract.signature,
    maps,
    plans: [...plans, ...unused.map((first): WorkerPlan => ({ first, second: null, threshold: 1 }))],
  };
}
