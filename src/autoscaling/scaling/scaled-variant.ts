/** The current state of a variant that scales: limits, instances and traffic. */
import type { Clock } from '../../clock.ts';
import { instanceType, type Ledger, type PriceTable } from '../../costs/index.ts';
import type { Deployments, EndpointView, InstanceView, ScalingConfig, VariantConfig } from '../../deployment/index.ts';
import type { Objective } from '../../objective.ts';
import {
  functionCapacityOf,
  functionExecutor,
  platformOverheadMs,
  type ServiceTable,
  type TimedPlan,
  type TypeCapacity,
  typeCapacityOf,
} from '../../profiling/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import type { ServedVariant, Serving, TrafficCounts } from '../../serving/index.ts';
import type { BacklogObservation, OverflowObservation } from '../strategies/observation.ts';

/** An instance, and for how long it has been idle: the first to be removed is the one that was idle longest. */
export interface ObservedInstance extends InstanceView {
  /** Time since which it has been idle, in epoch milliseconds; null while it is busy. */
  readonly idleSinceMs: number | null;
}

/** One observation. Plain data: a decision needs nothing else. */
export interface ScaledVariant {
  readonly endpoint: string;
  readonly variant: string;
  readonly config: ScalingConfig;
  readonly objective: Objective | null;
  /** False during an update, while the served generation is not the desired one; no decisions are made then. */
  readonly isSettled: boolean;
  readonly type: TypeCapacity;
  /** Cost and capacity of functions alongside the instances; null if there are none or they accept no requests now. */
  readonly overflow: OverflowObservation | null;
  /** True if functions are configured alongside the instances, even if they accept no requests now. */
  readonly hasFunctions: boolean;
  /** Why functions accept no requests now; null if they do or if there are none. */
  readonly shutReason: string | null;
  /** The current desired number of instances. */
  readonly wanted: number;
  readonly instances: readonly ObservedInstance[];
  /** Why instances cannot be started now; null if they can. */
  readonly startTrouble: string | null;
  readonly traffic: TrafficCounts;
  /** Number of waiting rows. */
  readonly queue: number;
  /** Asynchronous requests of the endpoint; null if it never had any. */
  readonly backlog: BacklogObservation | null;
  /** Cost of instances and functions since the server started, in US dollars. */
  readonly spentUsd: number;
}

/** Where an observation is read from. */
export interface ScaledVariantDeps {
  readonly clock: Clock;
  readonly deployments: Pick<Deployments, 'list'>;
  readonly serving: Pick<Serving, 'endpoint' | 'traffic'>;
  readonly ledger: Pick<Ledger, 'usage'>;
  readonly prices: PriceTable;
  readonly tableOf: (version: ModelVersion, executor: string) => ServiceTable;
  /** The same of a plan. Absent: no variant has plans. */
  readonly planTable?: (plan: TimedPlan, executor: string) => ServiceTable;
  /** CPU cores of this machine. */
  readonly cores: number;
  /** `followers`: variants that follow the backlog because nothing else scales them. */
  readonly backlogOf: (endpoint: string) => (BacklogObservation & { readonly followers: readonly string[] }) | null;
}

/** Variants that scale and are served now, or were served before the update in progress. */
export function scaledVariants(deps: ScaledVariantDeps): ScaledVariant[] {
  return deps.deployments.list().flatMap((view) => {
    if (view.servedGeneration === null) return [];
    return view.config.variants.flatMap((variant) => {
      const { scaling } = variant;
      const served = deps.serving.endpoint(view.config.name)?.variants.find(({ name }) => name === variant.name);
      return scaling === undefined || served === undefined ? [] : [scaledVariant(deps, view, variant, scaling, served)];
    });
  });
}

function scaledVariant(
  { clock, serving, ledger, prices, cores, backlogOf, ...tables }: ScaledVariantDeps,
  view: EndpointView,
  variant: VariantConfig,
  scaling: ScalingConfig,
  served: ServedVariant,
): ScaledVariant {
  const { config, generation, servedGeneration } = view;
  const { objective } = config;
  const { usdPerHour } = instanceType(prices, variant.instanceType);
  const tableOf = floorTables(served, tables);
  const service = tableOf(served.version, `instance:${variant.instanceType}`);
  const observed = view.variants.find(({ name }) => name === variant.name);
  const setBackMs = clock.wallMs() - clock.nowMs();
  const instances = (observed?.instances ?? []).map((instance) => {
    const executor = served.executors.find(({ id }) => id === instance.id);
    return { ...instance, idleSinceMs: executor === undefined || executor.isBusy ? null : executor.sinceMs + setBackMs };
  });
  const backlog = variant.isShadow === true ? null : backlogOf(config.name); // shadows process no queued requests
  return {
    endpoint: config.name,
    variant: variant.name,
    config: backlog?.followers.includes(variant.name) === true ? { ...scaling, policy: 'backlog' } : scaling,
    objective,
    isSettled: generation === servedGeneration,
    type: typeCapacityOf({ name: variant.instanceType, usdPerHour, service }, objective, platformOverheadMs),
    overflow: overflowOf(served, { prices, tableOf, objective, cores, service }),
    hasFunctions: variant.functions !== undefined,
    shutReason: served.overflow?.shutReason ?? null,
    wanted: observed?.wanted ?? variant.instanceCount,
    instances,
    startTrouble: observed?.startTrouble ?? null,
    traffic: serving.traffic(config.name, variant.name),
    queue: served.rowsWaiting,
    backlog,
    spentUsd: ledger.usage(config.name, variant.name).totalUsd,
  };
}

/**
 * Instances and functions of a selection are sized for its floor plan, or, if none of its workers could load that, for the next better plan
 * that they run.
 */
function floorTables(
  { ladder, unloaded, executors }: ServedVariant,
  { tableOf, planTable }: Pick<ScaledVariantDeps, 'tableOf' | 'planTable'>,
): ScaledVariantDeps['tableOf'] {
  const missing = new Set(unloaded.filter(({ workers }) => workers >= executors.length).map(({ model }) => model));
  const plans = ladder?.config.rungs.slice(ladder.config.floorRung) ?? [];
  const floor = plans.find(({ first, second }) => !missing.has(first) && (second === null || !missing.has(second))) ?? plans[0];
  return floor === undefined || planTable === undefined ? tableOf : (_version, executor) => planTable(floor, executor);
}

type OverflowSources = Pick<ScaledVariantDeps, 'prices' | 'tableOf' | 'cores'> & {
  readonly objective: Objective | null;
  /** Service times of the variant's instances. */
  readonly service: ServiceTable;
};

function overflowOf(
  { version, functions, overflow }: ServedVariant,
  { prices, tableOf, objective, cores, service }: OverflowSources,
): OverflowObservation | null {
  if (functions === null || overflow === null || overflow.shutReason !== null) return null;
  const { setting, config } = functions;
  const known = tableOf(version, functionExecutor(setting.memoryMiB));
  // Process models have no function profile. Functions are assumed to be as fast as instances until one has run the model.
  const table = known.isKnown ? known : service;
  const capacity = functionCapacityOf(setting.memoryMiB, table, prices.functions, objective, platformOverheadMs);
  if (capacity === null) return null;
  const { usdPerRequest, usdPerRequestAtBest, ratePerSecondAtBest, durationMs, infeasibleBecause } = capacity;
  // All functions run on this machine; more of them than cores would only slow each other down.
  const warmMax = Math.min(config.maxConcurrency, cores);
  return {
    usdPerRequest,
    usdPerRequestAlone: usdPerRequestAtBest,
    ...(infeasibleBecause === undefined ? {} : { infeasibleBecause }),
    ratePerSecondMax: config.maxConcurrency * ratePerSecondAtBest,
    warmMax,
    serviceMs: durationMs,
  };
}
