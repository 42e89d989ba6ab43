/** Creates and starts the control loops: batching, scaling, planning, and Application Auto Scaling. */
import {
  BatchController,
  Chooser,
  DeploymentPlanner,
  deploymentChooser,
  Planner,
  type ScaledVariantDeps,
  ScalingController,
  ScalingStates,
  scaledVariants,
} from '../autoscaling/index.ts';
import { ApplicationAutoScaling, type ApplicationAutoScalingOptions } from '../aws/index.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { Measure, type MetricStore, Metrics, penstockNamespace, variantMetricKey } from '../metrics/index.ts';
import { functionExecutor } from '../profiling/index.ts';
import type { Closer, Foundation } from './foundation.ts';
import type { CoreModules } from './modules.ts';

/** Creates the controllers. Their loops start in `openControllers`. */
function buildControllers(
  config: Config,
  modules: CoreModules,
  { clock, logs, db, series, backlogOf }: Foundation & Pick<ScaledVariantDeps, 'backlogOf'>,
) {
  const { profiles, functionProfiles, tables, serving, deployments, events, decisions } = modules;
  const prices = modules.prices.functions;
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
    prices: modules.prices,
    cores: modules.cores,
    profileOf: ({ group, version }, executor) => profiles.get(group, version, executor),
    functionProfilesOf: profilesOf,
    measure: profiles.measure.bind(profiles),
  });
  const tableOf = tables.tableOf.bind(tables);
  const scaling = new ScalingController({
    clock,
    log: logs.platform,
    decisions,
    events,
    states: new ScalingStates(db, clock),
    variants: () => scaledVariants({ ...modules, clock, tableOf, backlogOf }),
    carryOut: (decision) => deployments.counts.decided(decision),
    follow: serving.followPlan.bind(serving),
    onCounted: forecastReporter(modules.metrics, series, clock),
    // A simulated start delay also delays instances, so it is part of the assumed start time.
    leadMinMs: Math.max(config.scalingLeadMs ?? 0, config.startDelayMs ?? 0),
  });
  const busyOf = (endpoint: string, variant: string): number | null =>
    serving.endpoint(endpoint)?.variants.find(({ name }) => name === variant)?.functions?.environments.busy ?? null;
  const measure = measuredBy(series);
  const autoScaling = new ApplicationAutoScaling({ db, clock, log: logs.platform, deployments, decisions, busyOf, measure });
  return { chooser, batching, scaling, planner, planChooser, deploymentPlanner, autoScaling };
}

export type Controllers = ReturnType<typeof buildControllers>;

/** Builds and starts the controllers, and adds a closer for each one as it starts. */
export function openControllers(
  config: Config,
  modules: CoreModules,
  foundation: Foundation & Pick<ScaledVariantDeps, 'backlogOf'>,
  closers: Closer[],
): Controllers {
  const controllers = buildControllers(config, modules, foundation);
  closers.push(() => controllers.chooser.close());
  closers.push(() => controllers.planChooser.close());
  controllers.batching.open();
  closers.push(() => controllers.batching.close());
  controllers.scaling.open();
  closers.push(modules.deployments.onServed(() => controllers.scaling.configured()));
  closers.push(() => controllers.scaling.close());
  controllers.autoScaling.open();
  closers.push(() => controllers.autoScaling.close());
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

/** Window and resolution of the metric of a scaling policy. Only complete steps are read. */
const measuredMs = 60_000;
const stepMs = 10_000;

/** Reads a metric over the last complete minute. */
function measuredBy(series: MetricStore): ApplicationAutoScalingOptions['measure'] {
  return async ({ namespace, name, dimensions, statistic }, untilMs) => {
    const toMs = untilMs - (untilMs % stepMs);
    const query = { metricKey: { namespace, dimensions }, name, fromMs: toMs - measuredMs, toMs, periodMs: stepMs };
    const all = new Measure();
    for (const point of await series.series(query)) all.merge(point);
    if (all.count === 0) return null;
    switch (statistic) {
      case 'Average':
        return all.sum / all.count;
      case 'Sum':
        return all.sum;
      case 'SampleCount':
        return all.count;
      case 'Minimum':
        return all.min;
      case 'Maximum':
        return all.max;
    }
  };
}
