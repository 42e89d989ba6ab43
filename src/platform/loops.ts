/** What decides while all else serves. */
import {
  BatchController,
  Chooser,
  DeploymentPlanner,
  deploymentChooser,
  Planner,
  ScalingController,
  ScalingStates,
  scaledVariants,
} from '../autoscaling/index.ts';
import { ApplicationAutoScaling, type ApplicationAutoScalingOptions } from '../aws/index.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { Decisions, Measure, type MetricStore, Metrics, penstockNamespace, placeOfVariant } from '../monitoring/index.ts';
import { functionExecutor } from '../profiling/index.ts';
import type { Closer, Ground } from './ground.ts';
import type { BuiltRooms } from './rooms.ts';

function buildLoops(config: Config, rooms: BuiltRooms, { clock, logs, db, series }: Ground) {
  const { profiles, functionProfiles, tables, serving, deployments, ledger, events } = rooms;
  const prices = rooms.prices.functions;
  const decisions = new Decisions(db, clock, events);
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
      functionProfiles.measureInBackground(version); // all sizes take their time: the plan is made of derived ones
    },
  });
  const planChooser = deploymentChooser({ clock });
  const deploymentPlanner = new DeploymentPlanner({
    chooser: planChooser,
    prices: rooms.prices,
    cores: rooms.cores,
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
    variants: () => scaledVariants({ clock, deployments, serving, ledger, prices: rooms.prices, tableOf, cores: rooms.cores }),
    scale: deployments.scale.bind(deployments),
    follow: serving.followPlan.bind(serving),
    onCounted: forecastTeller(rooms.metrics, series, clock),
    leadMinMs: Math.max(config.scalingLeadMs ?? 0, config.startDelayMs ?? 0),
  });
  const busyOf = (endpoint: string, variant: string): number | null =>
    serving.endpoint(endpoint)?.variants.find(({ name }) => name === variant)?.functions?.environments.busy ?? null;
  const measure = measuredBy(series);
  const autoScaling = new ApplicationAutoScaling({ db, clock, log: logs.platform, deployments, decisions, busyOf, measure });
  return { decisions, chooser, batching, scaling, planner, planChooser, deploymentPlanner, autoScaling };
}

export type Loops = ReturnType<typeof buildLoops>;

/** Builds them and starts them. What ends each is added to the closers, as it begins. */
export function openLoops(config: Config, rooms: BuiltRooms, ground: Ground, closers: Closer[]): Loops {
  const loops = buildLoops(config, rooms, ground);
  closers.push(() => loops.chooser.close());
  closers.push(() => loops.planChooser.close());
  loops.batching.open();
  closers.push(() => loops.batching.close());
  loops.scaling.open();
  closers.push(rooms.deployments.onServed(() => loops.scaling.configured()));
  closers.push(() => loops.scaling.close());
  loops.autoScaling.open();
  closers.push(() => loops.autoScaling.close());
  return loops;
}

type OnCounted = NonNullable<ConstructorParameters<typeof ScalingController>[0]['onCounted']>;

/** Keeps what came in each slot beside what was expected to, and shows the last of both. */
function forecastTeller(metrics: Metrics, series: MetricStore, clock: Pick<Clock, 'wallMs'>): OnCounted {
  const last = new Map<string, { readonly labels: Readonly<Record<string, string>>; readonly value: number }>();
  metrics.gauge(
    'penstock_slot_rows',
    'Rows of the last slot by which it is scaled: that came, and that were foreseen.',
    ['endpoint', 'variant', 'kind'],
    () => [...last.values()],
  );
  return (endpoint, variant, came, foreseen) => {
    const place = placeOfVariant(penstockNamespace, endpoint, variant);
    for (const [name, kind, value] of [
      ['ArrivedRows', 'arrived', came],
      ['ForeseenRows', 'foreseen', foreseen],
    ] as const) {
      if (value === null) continue;
      last.set(`${endpoint}/${variant}/${kind}`, { labels: { endpoint, variant, kind }, value });
      const measure = new Measure();
      measure.add(value);
      series.put(place, { name, unit: 'Count' }, clock.wallMs(), measure);
    }
  };
}

const measuredMs = 60_000;
const stepMs = 10_000;

/** What a metric was over the last minute that has been written down whole. */
function measuredBy(series: MetricStore): ApplicationAutoScalingOptions['measure'] {
  return async ({ namespace, name, dimensions, statistic }, untilMs) => {
    const toMs = untilMs - (untilMs % stepMs);
    const wish = { place: { namespace, dimensions }, name, fromMs: toMs - measuredMs, toMs, periodMs: stepMs };
    const all = new Measure();
    for (const point of await series.series(wish)) all.merge(point);
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
