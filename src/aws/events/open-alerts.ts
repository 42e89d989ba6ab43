/** Opens alerts: alarms on sampled values, and rules that deliver events. */

import {
  type AlarmChange,
  type AlarmState,
  Alarms,
  addDelivery,
  announceDeliveries,
  Deliveries,
  type Delivery,
  type Envelope,
  evaluateDefaultAlarms,
  evaluateServerAlarms,
  noteAction,
  Rules,
  sendWebhook,
  type WatchedEndpoint,
  type WebhookPolicy,
} from '../../alerts/index.ts';
import type { WatchedBacklog } from '../../async-inference/index.ts';
import type { Clock } from '../../clock.ts';
import type { Closers } from '../../closers.ts';
import type { DriftMonitor } from '../../data-quality/index.ts';
import { type Deployments, type EndpointView, productionVariants } from '../../deployment/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { EvidenceRulings } from '../../evaluation/index.ts';
import { type Log, type LogGroups, logEvent } from '../../logs/index.ts';
import { MachineLoad, type MetricStore, type Metrics, startSampler } from '../../metrics/index.ts';
import { machineTimes } from '../../providers/index.ts';
import { type Events, type PlatformEvent, Predecessors } from '../../records/index.ts';
import { readEarlierCounts, type SamplingDeps, sampling } from '../../serving/index.ts';
import type { Database, Jobs } from '../../storage/index.ts';
import { logGroupOfArn } from '../logs/log-arn.ts';
import type { ApplicationAutoScaling } from '../scaling/scaling-service.ts';
import type { AwsLocation, AwsService } from '../service.ts';
import { envelopesOf } from './envelope.ts';
import { ruleArn } from './events-service.ts';
import { resourceReader } from './resource-reader.ts';
import { RuleSchedules } from './rule-schedules.ts';
import { isDeliverableArn, pipelineOfArn } from './target-arn.ts';
import { deliverableTarget } from './targets.ts';

export interface AlertDeps extends SamplingDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly jobs: Jobs;
  readonly series: MetricStore;
  readonly logGroups: Pick<LogGroups, 'make' | 'put' | 'write'>;
  readonly events: Events;
  readonly deployments: Pick<Deployments, 'list' | 'rollouts'>;
  readonly drift: Pick<DriftMonitor, 'lastPoll'>;
  /** What served rows and labels say of the plans of a selection. */
  readonly selectionRulings: (endpoint: string) => EvidenceRulings & { readonly accuracy: EvidenceRulings['agreement'] };
  /** Backlog of an asynchronous endpoint; null for others. */
  readonly backlogOf: AlertMeterDeps['backlogOf'];
  readonly metrics: Metrics;
  /** Runs the step of a scaling policy that an alarm names. */
  readonly autoScaling: Pick<ApplicationAutoScaling, 'alarmed'>;
  /** Secret for signatures of webhooks; null: unsigned. */
  readonly webhookSecret: string | null;
  readonly webhooks: WebhookPolicy;
  readonly awsLocation: AwsLocation;
  /** Describes the resources that events are about. */
  readonly sagemaker: AwsService;
  /** Why large bodies are rejected; null while there is memory for them. */
  readonly shortOfMemory: () => string | null;
  /** Starts a run of a pipeline on behalf of a rule. Throws `not_found`, `invalid_request` for unknown parameters. */
  readonly runPipeline: (name: string, parameters: Readonly<Record<string, string>>, rule: string, delivery: string) => Promise<void>;
  /** The URL of a topic; null if it has none. */
  readonly addressOf: (topic: string) => string | null;
}

/** Alarms and rules, with what delivers their events. */
export interface AlertServices {
  readonly alarms: Alarms;
  readonly rules: Rules;
  readonly deliveries: Deliveries;
  readonly machine: MachineLoad;
}

/** Starts alarms, rules and their deliveries, and adds a closer for each part as it starts. */
export async function openAlerts(deps: AlertDeps, closers: Closers): Promise<AlertServices> {
  const { db, clock, log, jobs, series, logGroups, events } = deps;
  const logFailed = (what: string, error: unknown): void => log.error({ error: messageOf(error) }, what);
  const deliveries = new Deliveries({
    db,
    clock,
    jobs,
    deliver: (delivery, id, atMs) => deliver(deps, delivery, id, atMs),
    // Deliveries of alarm actions record their outcome with the alarm.
    onEnded: async (tx, { actionOf }, error) => {
      if (actionOf !== undefined) await noteAction(tx, { ...actionOf, atMs: clock.wallMs(), error });
    },
    onDropped: (count) => log.warn({ count }, 'deleted old abandoned deliveries, or the oldest beyond the limit'),
    onFailure: logFailed,
  });
  deliveries.open();
  closers.add(deliveries);
  const rules = new Rules({
    db,
    clock,
    jobs,
    events,
    envelopesOf: eventEnvelopes(deps),
    ruleArn: (name) => ruleArn(deps.awsLocation, name),
    onRejectedEvent: (rule, fault) =>
      log.warn(
        { rule, fault },
        'the rule is disabled and matches nothing, because its pattern is no longer accepted: put it again with another',
      ),
    asServed: (target) => deliverableTarget(target, (arn) => isDeliverableArn(arn, deps.awsLocation)),
    onUnserved: (rule, target, fault) =>
      log.warn({ rule, target, fault }, "a setting of the rule's target is not supported and is ignored: put it again without it"),
    onFailure: logFailed,
  });
  await rules.open();
  closers.add(rules);
  closers.push(startSchedules(deps, rules));
  closers.push(events.startSweeping((error) => log.error({ error: messageOf(error) }, 'failed to delete old events, will retry')));
  const variantOf = (endpoint: string): string =>
    deps.deployments.list().find(({ config }) => config.name === endpoint)?.config.variants[0]?.name ?? 'AllTraffic';
  closers.push(events.subscribe((event) => logEvent(logGroups, event, variantOf)));
  const predecessors = new Predecessors(events);
  const alarms = new Alarms({
    db,
    clock,
    events,
    store: series,
    act: (action, change) => act(deps, action, change),
    isRepeated: isScalingPolicy,
    readExternal: async (own) => {
      const of = { alarms: own, store: series, wallMs: () => clock.wallMs() };
      const endpoints = () => deps.deployments.list().map((view) => watched(view, deps));
      await evaluateDefaultAlarms({ ...of, endpoints, predecessors });
      await evaluateServerAlarms({ ...of, shortOfMemory: deps.shortOfMemory });
    },
    onFailure: (alarm, error) => log.error({ alarm, error: messageOf(error) }, 'failed to evaluate an alarm'),
  });
  await alarms.open();
  deps.deployments.rollouts.follow(alarms, readEarlierCounts(series));
  closers.add(alarms);
  const onFailure = (error: unknown): void => log.error({ error: messageOf(error) }, 'failed to sample metrics');
  const machine = new MachineLoad(machineTimes(deps.workers));
  closers.push(startSampler({ store: series, clock, sample: samplingWith(machine, deps), onFailure }));
  meterAlerts({ ...deps, alarms, deliveries, endpoints: () => deps.deployments.list().map(({ config }) => config.name) });
  return { alarms, rules, deliveries, machine };
}

/** Events of the platform as patterns match them. */
export function eventEnvelopes({ sagemaker, awsLocation }: Pick<AlertDeps, 'sagemaker' | 'awsLocation'>) {
  const resources = resourceReader(sagemaker, awsLocation);
  return (event: PlatformEvent): Promise<readonly Envelope[]> => envelopesOf(event, awsLocation, resources);
}

/** Returns a function that stops them. */
function startSchedules({ clock, log, awsLocation }: AlertDeps, rules: Rules): () => Promise<void> {
  const schedules = new RuleSchedules({ rules, clock, log, awsLocation, ruleArn: (name) => ruleArn(awsLocation, name) });
  schedules.open();
  return () => schedules.close();
}

/** Samples the load of the machine with the other values. */
function samplingWith(machine: MachineLoad, deps: SamplingDeps): ReturnType<typeof sampling> {
  const sample = sampling(deps);
  return () => {
    machine.sample();
    return sample();
  };
}

/** Sends one delivery to a log group, a pipeline or a webhook. Throws on failure; `Deliveries` retries. */
async function deliver(deps: AlertDeps, { rule, target, body, http, parameters }: Delivery, id: string, atMs: number): Promise<void> {
  const { webhookSecret, webhooks, logGroups, awsLocation } = deps;
  const pipeline = pipelineOfArn(target.arn, awsLocation);
  if (pipeline !== null) return deps.runPipeline(pipeline, parameters ?? {}, `rule ${rule}`, id);
  const group = logGroupOfArn(target.arn, awsLocation);
  if (group !== null) {
    // Each rule writes to a separate stream.
    const stream = rule.replaceAll(/[:*]/g, '-');
    logGroups.make(group, stream);
    return logGroups.put(group, stream, [{ atMs, message: body }]);
  }
  if (!/^https?:/.test(target.arn))
    throw new PlatformError('invalid_request', `unknown target ${target.arn}: expected a URL or the ARN of a log group or pipeline`);
  await sendWebhook({ url: target.arn, body, id, atMs, secret: webhookSecret, http }, webhooks);
}

/** Scaling policies repeat their step each minute while the alarm is in ALARM. */
function isScalingPolicy(action: string): boolean {
  return /^arn:aws[\w-]*:autoscaling:[^:]*:[^:]*:scalingPolicy:/.test(action);
}

/** Runs an alarm action. Scaling policies run at once; URLs are queued and retried like deliveries of rules. */
async function act(
  { jobs, db, autoScaling, addressOf, webhooks }: AlertDeps,
  action: string,
  { alarm, before, datapoint }: AlarmChange,
): Promise<'done' | 'later'> {
  if (isScalingPolicy(action)) {
    const above = datapoint === null ? 0 : datapoint - alarm.rule.threshold;
    if (await autoScaling.alarmed(action, above)) return 'done';
    throw new PlatformError('not_found', `there is no step scaling policy ${action}`);
  }
  const url = addressOf(action);
  if (url === null)
    throw new PlatformError(
      'unsupported',
      `expected a URL, a topic that has one, or the ARN of a scaling policy as an action, got ${action}`,
    );
  webhooks.checkUrl(url);
  const { name, state, stateReason, stateSinceMs } = alarm;
  const body = JSON.stringify({ alarm: name, state, before, reason: stateReason, at: new Date(stateSinceMs).toISOString() });
  const target = { id: 'action', arn: url };
  const actionOf = { alarm: name, action };
  await addDelivery(jobs, db, { rule: `alarm ${name}`, target, body, eventId: '', about: name, actionOf });
  announceDeliveries(jobs);
  return 'later';
}

/** The state of an endpoint that its default alarms evaluate. */
function watched(
  { config, status, reason, variants, createdAtMs, objectiveSinceMs }: EndpointView,
  { drift, backlogOf, selectionRulings }: Pick<AlertDeps, 'drift' | 'backlogOf' | 'selectionRulings'>,
): WatchedEndpoint {
  const crashing = variants.flatMap(({ workers }) => workers).find(({ state }) => state === 'failed');
  const crashReason = status === 'Failed' ? (reason ?? 'it does not come into service') : (crashing?.reason ?? null);
  return {
    name: config.name,
    variants: productionVariants(config.variants).map(({ name }) => name),
    createdAtMs,
    objective: config.objective,
    objectiveSinceMs,
    crashReason,
    backlog: backlogOf(config.name),
    drift: drift.lastPoll(config.name),
    ...selectionRulings(config.name),
  };
}

/** Metrics of alarms, deliveries, drift and backlogs, computed when Prometheus scrapes them. */
interface AlertMeterDeps {
  readonly metrics: Metrics;
  readonly alarms: Pick<Alarms, 'list'>;
  readonly deliveries: Pick<Deliveries, 'counts'>;
  /** Names of all endpoints. */
  readonly endpoints: () => readonly string[];
  readonly drift: Pick<DriftMonitor, 'lastPoll'>;
  readonly backlogOf: (endpoint: string) => WatchedBacklog | null;
}

const alarmStates: readonly AlarmState[] = ['OK', 'ALARM', 'INSUFFICIENT_DATA'];

/** Metrics of alarms, drift and deliveries. */
function meterAlerts({ metrics, alarms, deliveries, endpoints, drift, backlogOf }: AlertMeterDeps): void {
  const backlogs = (valueOf: (backlog: WatchedBacklog) => number) =>
    endpoints().flatMap((endpoint) => {
      const backlog = backlogOf(endpoint);
      return backlog === null ? [] : [{ labels: { endpoint }, value: valueOf(backlog) }];
    });
  metrics.gauge('penstock_async_backlog_requests', 'Asynchronous requests, queued or running.', ['endpoint'], () =>
    backlogs(({ requests }) => requests),
  );
  metrics.gauge('penstock_async_oldest_seconds', 'Age of the oldest queued asynchronous request.', ['endpoint'], () =>
    backlogs(({ oldestMs }) => oldestMs / 1000),
  );
  metrics.gauge('penstock_drifted_features', 'Drifted features, with enough traffic to tell.', ['endpoint'], () =>
    endpoints().flatMap((endpoint) => {
      const drifted = drift.lastPoll(endpoint)?.drifted ?? null;
      return drifted === null ? [] : [{ labels: { endpoint }, value: drifted }];
    }),
  );
  metrics.gauge('penstock_alarm_state', '1 for the current state of an alarm, 0 for others.', ['alarm', 'state'], () =>
    alarms
      .list()
      .flatMap(({ name, state }) => alarmStates.map((each) => ({ labels: { alarm: name, state: each }, value: each === state ? 1 : 0 }))),
  );
  metrics.counter('penstock_deliveries_total', 'Deliveries to webhooks and log groups by outcome.', ['outcome'], () =>
    Object.entries<number>({ ...deliveries.counts }).map(([outcome, value]) => ({ labels: { outcome }, value })),
  );
}
