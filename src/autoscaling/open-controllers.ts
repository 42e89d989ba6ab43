/** Creates and starts the control loops: batching, scaling and planning. */

import type { Clock } from '../clock.ts';
import type { Closers } from '../closers.ts';
import type { Config } from '../config.ts';
import type { Ledger, PriceTable } from '../costs/index.ts';
import type { Deployments } from '../deployment/index.ts';
import type { Foundation } from '../foundation/index.ts';
import { Measure, type MetricStore, Metrics, penstockNamespace, variantMetricKey } from '../metrics/index.ts';
import type { FunctionProfiles, Profiles, ServiceTables } from '../profiling/index.ts';
import { functionExecutor } from '../profiling/index.ts';
import type { Decisions, Events } from '../records/index.ts';
import type { Serving } from '../serving/index.ts';
import { BatchController } from './batching/batch-controller.ts';
import { Chooser } from './batching/chooser.ts';
import { Planner } from './batching/planner.ts';
import { DeploymentPlanner, deploymentChooser } from './deployment-plan/deployment-planner.ts';
import { type ScaledVariantDeps, scaledVariants } from './scaling/scaled-variant.ts';
import { ScalingController } from './scaling/scaling-controller.ts';
import { ScalingStates } from './scaling/scaling-states.ts';

/** Modules that the control loops observe and act on. */
export interface ControllerDeps extends Pick<Foundation, 'clock' | 'logs' | 'db' | 'series'>, Pick<ScaledVariantDeps, 'backlogOf'> {
  readonly profiles: Profiles;
  readonly functionProfiles: FunctionProfiles;
  readonly tables: ServiceTables;
  readonly serving: Serving;
  readonly deployments: Deployments;
  readonly events: Events;
  readonly decisions: Decisions;
  readonly metrics: Metrics;
  readonly ledger: Ledger;
  readonly prices: PriceTable;
  readonly cores: number;
}

/** Creates the controllers. Their loops start in `openControllers`. */
function buildControllers(config: Config, deps: ControllerDeps) {
  const { clock, logs, db, series, profiles, functionProfiles, tables, serving, deployments, events, decisions } = deps;
  const prices = deps.prices.functions;
  const chooser = new Chooser({ clock });
  const profilesOf = functionProfiles.of.bind(functionProfiles);
  const batching = new BatchController({
    clock,
    log: logs.platform,
    decisions,
    events,
    chooser,
    variants: () => serving.functionVariants(),
    profilesOf,
    tableOf: (version, memoryMiB) => tables.tableOf(version, functionExecutor(memoryMiB)),
    prices,
    periodMs: config.batchPeriodMs,
  });
  profiles.onMeasured(({ group, version }) => batching.profileMeasured(group, version));
  const planner = new Planner({
    clock,
    chooser,
    prices,
    profilesOf,
    measure: async (version) => {
      await profiles.measure(version, 'instance:local.1');
      functionProfiles.measureInBackground(version); // measuring every size takes long; the plan uses derived profiles in the meantime
    },
  });
  const planChooser = deploymentChooser({ clock });
  const deploymentPlanner = new DeploymentPlanner({
    chooser: planChooser,
    prices: deps.prices,
    cores: deps.cores,
    profileOf: ({ group, version }, executor) => profiles.get(group, version, executor),
    functionProfilesOf: profilesOf,
    measure: profiles.measure.bind(profiles),
  });
  const tableOf = tables.tableOf.bind(tables);
  const planTable = tables.tableOfPlan.bind(tables);
  const scaling = new ScalingController({
    clock,
    log: logs.platform,
    decisions,
    events,
    states: new ScalingStates(db, clock),
    variants: () => scaledVariants({ ...deps, tableOf, planTable }),
    carryOut: (decision) => deployments.counts.decided(decision),
    follow: serving.followPlan.bind(serving),
    onCounted: forecastReporter(deps.metrics, series, clock),
    // A simulated start delay also delays instances, so it is part of the assumed start time.
    leadMinMs: Math.max(config.scalingLeadMs ?? 0, config.startDelayMs ?? 0),
  });
  return { chooser, batching, scaling, planner, planChooser, deploymentPlanner };
}

/** All control loops of a server, as `platform.ts` passes them on. */
export type Controllers = ReturnType<typeof buildControllers>;

/** Builds and starts the controllers, and adds a closer for each one as it starts. */
export function openControllers(config: Config, deps: ControllerDeps, closers: Closers): Controllers {
  const controllers = buildControllers(config, deps);
  const { chooser, planChooser, batching, scaling } = controllers;
  closers.add(chooser);
  closers.add(planChooser);
  batching.open();
  closers.add(batching);
  scaling.open();
  closers.push(deps.deployments.onServed(() => scaling.configured()));
  closers.add(scaling);
  return controllers;
}

type OnCounted = NonNullable<ConstructorParameters<typeof ScalingController>[0]['onCounted']>;

/** Stores the arrived and forecast rows of each slot as metrics, and exposes the last slot to Prometheus. */
function forecastReporter(metrics: Metrics, series: MetricStore, clock: Pick<Clock, 'wallMs'>): OnCounted {
  const last = new Map<string, { readonly labels: Readonly<Record<string, string>>; readonly value: number }>();
  metrics.gauge('penstock_slot_rows', 'Rows of the last scaling slot: arrived and forecast.', ['endpoint', 'variant', 'kind'], () => [
    ...last.values(),
  ]);
  return (endpoint, variant, arrived, forecast) => {
    const metricKey = variantMetricKey(penstockNamespace, endpoint, variant);
    for (const [name, kind, value] of [
      ['ArrivedRows', 'arrived', arrived],
      ['ForecastRows', 'forecast', forecast],
    ] as const) {
      if (value === null) continue;
      last.set(`${endpoint}/${variant}/${kind}`, { labels: { endpoint, variant, kind }, value });
      const measure = new Measure();
      measure.add(value);
      series.put(metricKey, { name, unit: 'Count' }, clock.wallMs(), measure);
    }
  };
}
