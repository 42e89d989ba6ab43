/** What versions would cost under one promise: asked for each, by whoever may plan. */
import { useQueries } from '@tanstack/react-query';
import type { DeploymentPlanBody } from '../../../src/api/index.ts';
import { deploymentPlanQuery } from '../api/model-queries.ts';
import { useMay } from '../api/session.ts';

export const comparedRatePerSecond = 10;

/** By version; versions without a plan are missing. */
export function usePlans(versions: readonly string[], objective: string): ReadonlyMap<string, DeploymentPlanBody> {
  const mayPlan = useMay('deploy');
  const asked = mayPlan ? versions : [];
  const found = useQueries({
    queries: asked.map((model) => deploymentPlanQuery({ model, objective, rate_per_second: comparedRatePerSecond, peak_factor: 1.5 })),
  });
  return new Map(asked.flatMap((model, i) => (found[i]?.data === undefined ? [] : [[model, found[i].data] as const])));
}
