/**
 * What an inference recommendation job advises: one configuration of an endpoint after the other, planned from stored profiles by the planner
 * behind `penstock plan`. Only what was never measured is measured.
 */
import { type DeploymentPlanner, type PlannedMixture } from '../../autoscaling/index.ts';
import type { PriceTable } from '../../costs/index.ts';
import { messageOf } from '../../errors.ts';
import { instanceTypeDefault } from '../../fields/index.ts';
import { checkObjective, type Objective } from '../../objective.ts';
import { type Profiles, platformOverheadMs, ServiceTable, typeCapacityOf } from '../../profiling/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { AwsError, type AwsInput } from '../service.ts';
import { nearestInstanceType } from './endpoints/instance-sizes.ts';

/** A configuration to judge: an instance type by the name that was sent, or functions. */
export type RequestedConfiguration = { readonly instanceType: string } | { readonly maxConcurrency: number };

/** What a job asks for. */
export interface RecommendationRequest {
  readonly objective: Objective;
  readonly ratePerSecond: number;
  /** Empty: the instance types with a profile, and functions. */
  readonly configurations: readonly RequestedConfiguration[];
}

/** One configuration, with its metrics or why there are none. */
export interface JudgedConfiguration {
  readonly instanceType: string | null;
  readonly instances: number;
  readonly functions: { readonly memoryMiB: number; readonly maxConcurrency: number } | null;
  readonly usdPerHour: number;
  readonly usdPerInference: number;
  /** Invocations per minute within the objective. */
  readonly invocationsMax: number;
  readonly latencyMs: number;
  readonly failure: string | null;
}

export interface RecommendDeps {
  readonly planner: Pick<DeploymentPlanner, 'plan'>;
  readonly profiles: Pick<Profiles, 'get' | 'list'>;
  readonly prices: PriceTable;
}

const configurationsMax = 10;
const functionsMax = 200;
const latencyMsDefault = 1000;
const instancePrefix = 'instance:';

/** Reads the members of `CreateInferenceRecommendationsJob`. Throws `ValidationException`. */
export function recommendationRequestOf({ InputConfig, StoppingConditions }: AwsInput): RecommendationRequest {
  const { TrafficPattern, EndpointConfigurations } = (InputConfig ?? {}) as AwsInput;
  return {
    objective: objectiveOf((StoppingConditions ?? {}) as AwsInput),
    ratePerSecond: rateOf((TrafficPattern ?? {}) as AwsInput),
    configurations: ((EndpointConfigurations ?? []) as readonly AwsInput[]).map(configurationOf),
  };
}

function objectiveOf({ ModelLatencyThresholds }: AwsInput): Objective {
  const [threshold] = (ModelLatencyThresholds ?? []) as readonly AwsInput[];
  const { Percentile = 'P95', ValueInMilliseconds = latencyMsDefault } = threshold ?? {};
  const percentile = Number(/^p(\d+(?:\.\d+)?)$/i.exec(String(Percentile))?.[1] ?? Number.NaN);
  if (Number.isNaN(percentile))
    throw new AwsError('ValidationException', `Percentile '${String(Percentile).slice(0, 40)}' is invalid: expected P50, P95 or P99`);
  return checkObjective({ percentile, latencyMs: Number(ValueInMilliseconds) });
}

/** Each user sends one request a second. Counted are the users at the end of the last phase. */
function rateOf({ Phases, Stairs }: AwsInput): number {
  const phase = ((Phases ?? []) as readonly AwsInput[]).at(-1);
  if (phase !== undefined) {
    const { InitialNumberOfUsers = 1, SpawnRate = 0, DurationInSeconds = 0 } = phase;
    return Math.max(1, Number(InitialNumberOfUsers) + (Number(SpawnRate) * Number(DurationInSeconds)) / 60);
  }
  const { NumberOfSteps = 1, UsersPerStep = 1 } = (Stairs ?? {}) as AwsInput;
  return Math.max(1, Number(NumberOfSteps) * Number(UsersPerStep));
}

function configurationOf({ InstanceType, ServerlessConfig }: AwsInput): RequestedConfiguration {
  if (ServerlessConfig !== undefined) return { maxConcurrency: Number((ServerlessConfig as AwsInput)['MaxConcurrency'] ?? functionsMax) };
  if (typeof InstanceType === 'string') return { instanceType: InstanceType };
  throw new AwsError('ValidationException', 'each of EndpointConfigurations needs InstanceType or ServerlessConfig');
}

/** Cheapest first; those that failed come last. */
export async function recommend(
  version: ModelVersion,
  request: RecommendationRequest,
  deps: RecommendDeps,
): Promise<readonly JudgedConfiguration[]> {
  const configurations = request.configurations.length > 0 ? request.configurations : await defaultConfigurations(version, deps);
  const judged: JudgedConfiguration[] = [];
  for (const configuration of configurations.slice(0, configurationsMax)) judged.push(await judge(version, request, configuration, deps));
  return judged.sort((a, b) => Number(a.failure !== null) - Number(b.failure !== null) || a.usdPerHour - b.usdPerHour);
}

async function defaultConfigurations(version: ModelVersion, { profiles }: RecommendDeps): Promise<readonly RequestedConfiguration[]> {
  const known = await profiles.list(version.group, version.version);
  const types = known.flatMap(({ executor }) => (executor.startsWith(instancePrefix) ? [executor.slice(instancePrefix.length)] : []));
  return [
    ...(types.length === 0 ? [instanceTypeDefault] : types).map((instanceType) => ({ instanceType })),
    { maxConcurrency: functionsMax },
  ];
}

async function judge(
  version: ModelVersion,
  { objective, ratePerSecond }: RecommendationRequest,
  configuration: RequestedConfiguration,
  { planner, profiles, prices }: RecommendDeps,
): Promise<JudgedConfiguration> {
  const name = 'instanceType' in configuration ? configuration.instanceType : null;
  const none = { instanceType: name, instances: 0, functions: null, usdPerHour: 0, usdPerInference: 0, invocationsMax: 0, latencyMs: 0 };
  try {
    const instanceType = name === null ? null : nearestInstanceType(name, prices);
    const traffic = { ratePerSecond, peakFactor: 1 };
    const wanted = { objective, traffic, instanceType, hasFunctions: name === null, keepOne: name !== null };
    const { chosen, reason } = await planner.plan(version, { ...wanted, usdPerHourMax: null, wantsCurve: false });
    if (chosen === null) return { ...none, failure: reason ?? 'no configuration meets the latency' };
    const usdPerHour = chosen.instanceUsdPerHour + chosen.functionUsdPerHour;
    const profile = instanceType === null ? null : await profiles.get(version.group, version.version, `${instancePrefix}${instanceType}`);
    const service = profile === null ? null : new ServiceTable(profile);
    const each =
      service === null ? ratePerSecond : typeCapacityOf({ name: '', usdPerHour: 0, service }, objective, platformOverheadMs).ratePerSecond;
    const maxConcurrency = 'maxConcurrency' in configuration ? configuration.maxConcurrency : 0;
    return {
      instanceType: name,
      instances: chosen.instances,
      functions: chosen.functions === null ? null : { memoryMiB: chosen.functions.memoryMiB, maxConcurrency },
      usdPerHour,
      usdPerInference: usdPerHour / 3600 / ratePerSecond,
      invocationsMax: Math.floor(60 * each * Math.max(1, chosen.instances)),
      latencyMs: Math.ceil(latencyOf(chosen, objective)),
      failure: null,
    };
  } catch (error) {
    return { ...none, failure: messageOf(error) };
  }
}

/** At the percentile of the objective, or the next higher one that was simulated. */
function latencyOf({ p50Ms, p95Ms, p99Ms }: PlannedMixture, { percentile }: Objective): number {
  return percentile <= 50 ? p50Ms : percentile <= 95 ? p95Ms : p99Ms;
}
