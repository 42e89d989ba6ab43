/** A variant whose number of instances is to be decided on, as it is now: what it may have, what it has, and what comes to it. */
import type { Clock } from '../clock.ts';
import { instanceType, type Ledger, type PriceTable } from '../costs/index.ts';
import type { Deployments, EndpointView, InstanceView, ScalingConfig, VariantConfig } from '../deployment/index.ts';
import type { Objective } from '../objective.ts';
import { capacityOf, functionCapacityOf, functionExecutor, overheadMs, type ServiceTable, type TypeCapacity } from '../profiling/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { ServedVariant, Serving, TrafficCounts } from '../serving/index.ts';
import type { OverflowObservation } from './strategies/observation.ts';

export interface SeenInstance extends InstanceView {
  /** Epoch milliseconds, since when it has nothing to do; null while it has. */
  readonly idleSinceMs: number | null;
}

export interface ScaledVariant {
  readonly endpoint: string;
  readonly variant: string;
  readonly config: ScalingConfig;
  readonly objective: Objective | null;
  /** Whether what is served is what is wanted: during an update nothing is decided. */
  readonly isSettled: boolean;
  readonly type: TypeCapacity;
  /** What functions take beside the instances; null also while they take nothing. */
  readonly overflow: OverflowObservation | null;
  /** Whether functions stand beside the instances, whatever they take. */
  readonly hasFunctions: boolean;
  /** Why functions take nothing at present; null where they do, or where there are none. */
  readonly shutReason: string | null;
  /** How many instances are wanted now. */
  readonly wanted: number;
  readonly instances: readonly SeenInstance[];
  /** Why instances cannot be started at present. */
  readonly startTrouble: string | null;
  readonly traffic: TrafficCounts;
  /** Rows that wait. */
  readonly queue: number;
  /** Since the server started, instances and functions together. */
  readonly spentUsd: number;
}

export interface ScaledVariantSources {
  readonly clock: Clock;
  readonly deployments: Pick<Deployments, 'list'>;
  readonly serving: Pick<Serving, 'endpoint' | 'traffic'>;
  readonly ledger: Pick<Ledger, 'usage'>;
  readonly prices: PriceTable;
  readonly tableOf: (version: ModelVersion, executor: string) => ServiceTable;
  /** Of this machine. */
  readonly cores: number;
}

/** Those that scale and are served, or were before the update that is under way. */
export function scaledVariants(sources: ScaledVariantSources): ScaledVariant[] {
  return sources.deployments.list().flatMap((view) => {
    if (view.servedGeneration === null) return [];
    return view.config.variants.flatMap((variant) => {
      const { scaling } = variant;
      const served = sources.serving.endpoint(view.config.name)?.variants.find(({ name }) => name === variant.name);
      return scaling === undefined || served === undefined ? [] : [scaledVariant(sources, view, variant, scaling, served)];
    });
  });
}

function scaledVariant(
  { clock, serving, ledger, prices, tableOf, cores }: ScaledVariantSources,
  view: EndpointView,
  variant: VariantConfig,
  scaling: ScalingConfig,
  served: ServedVariant,
): ScaledVariant {
  const { config, generation, servedGeneration } = view;
  const { objective } = config;
  const { usdPerHour } = instanceType(prices, variant.instanceType);
  const service = tableOf(served.version, `instance:${variant.instanceType}`);
  const observed = view.variants.find(({ name }) => name === variant.name);
  const setBackMs = clock.wallMs() - clock.nowMs();
  const instances = (observed?.instances ?? []).map((instance) => {
    const executor = served.executors.find(({ id }) => id === instance.id);
    return { ...instance, idleSinceMs: executor === undefined || executor.isBusy ? null : executor.sinceMs + setBackMs };
  });
  return {
    endpoint: config.name,
    variant: variant.name,
    config: scaling,
    objective,
    isSettled: generation === servedGeneration,
    type: capacityOf({ name: variant.instanceType, usdPerHour, service }, objective, overheadMs),
    overflow: overflowOf(served, { prices, tableOf, objective, cores, service }),
    hasFunctions: variant.functions !== undefined,
    shutReason: served.overflow?.shutReason ?? null,
    wanted: observed?.wanted ?? variant.instanceCount,
    instances,
    startTrouble: observed?.startTrouble ?? null,
    traffic: serving.traffic(config.name, variant.name),
    queue: served.rowsWaiting,
    spentUsd: ledger.usage(config.name, variant.name).totalUsd,
  };
}

type OverflowSources = Pick<ScaledVariantSources, 'prices' | 'tableOf' | 'cores'> & {
  readonly objective: Objective | null;
  /** Of its instances. */
  readonly service: ServiceTable;
};

function overflowOf(
  { version, functions, overflow }: ServedVariant,
  { prices, tableOf, objective, cores, service }: OverflowSources,
): OverflowObservation | null {
  if (functions === null || overflow === null || overflow.shutReason !== null) return null;
  const { setting, config } = functions;
  const known = tableOf(version, functionExecutor(setting.memoryMiB));
  // A process is not measured: until a function has run it, it is taken to be as fast there as in an instance.
  const table = known.isKnown ? known : service;
  const capacity = functionCapacityOf(setting.memoryMiB, table, prices.functions, objective, overheadMs);
  if (capacity === null) return null;
  const { usdPerRequest, usdPerRequestAtBest, ratePerSecondAtBest, durationMs, infeasibleBecause } = capacity;
  // All run on this machine: more at once than it has processors would only make each slower.
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
