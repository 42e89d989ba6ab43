/** The plans of several versions at one objective. Requires the deploy permission. */
import { useQueries } from '@tanstack/react-query';
import type { DeploymentPlanBody } from '../../../src/api/index.ts';
import { deploymentPlanQuery } from '../api/model-queries.ts';
import { useHasPermission } from '../api/session.ts';

export const comparedRatePerSecond = 10;

/** Plans by version. Versions without a plan are missing from the map. */
export function usePlans(versions: readonly string[], objective: string): ReadonlyMap<string, DeploymentPlanBody> {
  const mayPlan = useHasPermission('deploy');
  const planned = mayPlan ? versions : [];
  const found = useQueries({
    queries: planned.map((model) => deploymentPlanQuery({ model, objective, rate_per_second: comparedRatePerSecond, peak_factor: 1.5 })),
  });
  return new Map(planned.flatMap((model, i) => (found[i]?.data === undefined ? [] : [[model, found[i].data] as const])));
}
