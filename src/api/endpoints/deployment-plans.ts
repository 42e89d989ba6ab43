/** Route that plans the deployment for an objective and its cost. */
import type { PlannedDeployment, PlannedMixture } from '../../autoscaling/index.ts';
import { formatObjective, parseObjective } from '../../objective.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { type DeploymentPlanBody, deploymentPlanBody, deploymentPlanInput, type MixtureBody } from './deployment-plan-bodies.ts';

export function deploymentPlanRoutes({ registry, deploymentPlanner }: Pick<ApiServices, 'registry' | 'deploymentPlanner'>): ApiRoute[] {
  return [
    apiRoute('POST /plan/deployment', {
      summary: 'Plan instances and functions for an objective, with their cost',
      description:
        'Nothing is deployed. Candidate mixtures are simulated under the assumed traffic; the cheapest that meets the objective ' +
        'is chosen. A model that was not measured yet is measured first, which takes a few seconds.',
      body: deploymentPlanInput,
      answer: deploymentPlanBody,
      handle: async ({ body }) => {
        const version = await registry.resolve(body.model);
        const objective = parseObjective(body.objective);
        const { rate_per_second: ratePerSecond, peak_factor: peakFactor, instance_type: instanceType } = body;
        const plan = await deploymentPlanner.plan(version, {
          objective,
          traffic: { ratePerSecond, peakFactor },
          instanceType,
          hasFunctions: body.functions,
          keepOne: body.keep_one,
          usdPerHourMax: body.usd_per_hour_max,
          wantsCurve: body.curve,
        });
        return {
          model: version.name,
          objective: formatObjective(objective),
          rate_per_second: ratePerSecond,
          peak_factor: peakFactor,
          instance_type: instanceType,
          ...planBodyOf(plan, ratePerSecond),
        };
      },
    }),
  ];
}

type Planned = Omit<DeploymentPlanBody, 'model' | 'objective' | 'rate_per_second' | 'peak_factor' | 'instance_type'>;

function planBodyOf({ chosen, mixtures, curve, ...plan }: PlannedDeployment, ratePerSecond: number): Planned {
  return {
    chosen:
      chosen === null
        ? null
        : {
            ...mixtureBodyOf(chosen, ratePerSecond),
            distribution: { step_ms: chosen.distribution.stepMs, shares: [...chosen.distribution.shares] },
          },
    mixtures: mixtures.map((mixture) => mixtureBodyOf(mixture, ratePerSecond)),
    reason: plan.reason,
    nearest_ms: plan.nearestMs,
    curve: curve === null ? null : curve.map(({ latencyMs, usdPerHour }) => ({ latency_ms: latencyMs, usd_per_hour: usdPerHour })),
    notes: [...plan.notes],
    compared: plan.compared,
    compute_ms: plan.computeMs,
  };
}

export function mixtureBodyOf(
  { functions, instanceUsdPerHour, functionUsdPerHour, ...mixture }: PlannedMixture,
  ratePerSecond: number,
): MixtureBody {
  const usdPerHour = instanceUsdPerHour + functionUsdPerHour;
  return {
    instances: mixture.instances,
    instance_batch_size: mixture.instanceBatchSize,
    functions:
      functions === null
        ? null
        : { memory_mib: functions.memoryMiB, batch_size_max: functions.batchSizeMax, concurrency_max: functions.concurrencyMax },
    p50_ms: mixture.p50Ms,
    p95_ms: mixture.p95Ms,
    p99_ms: mixture.p99Ms,
    in_time: mixture.inTime,
    overflow_share: mixture.overflowShare,
    mean_function_batch: mixture.meanFunctionBatch,
    cold_start_share: mixture.coldStartShare,
    instance_usd_per_hour: instanceUsdPerHour,
    function_usd_per_hour: functionUsdPerHour,
    usd_per_hour: usdPerHour,
    usd_per_million: (usdPerHour / (ratePerSecond * 3600)) * 1e6,
    rejected_because: mixture.rejectedBecause,
  };
}
