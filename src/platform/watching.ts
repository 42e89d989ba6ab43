/** What watches over everything else: numbers that are looked at, alarms, and rules that tell others of events. */
import {
  type ApplicationAutoScaling,
  type AwsPlace,
  type AwsService,
  envelopesOf,
  logGroupOfArn,
  ruleArn,
  targetAsServed,
  thingsOf,
} from '../aws/index.ts';
import type { Clock } from '../clock.ts';
import type { Deployments, EndpointView } from '../deployment/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import {
  type AlarmChange,
  Alarms,
  addDelivery,
  announceDeliveries,
  checkWebhookUrl,
  Deliveries,
  type Delivery,
  type DriftWatch,
  type Events,
  type Log,
  type LogGroups,
  lookAtDefaults,
  type MetricStore,
  type Metrics,
  noteAction,
  Predecessors,
  Rules,
  sendWebhook,
  startSampler,
  tellOfEvent,
  type WatchedEndpoint,
} from '../monitoring/index.ts';
import type { Database, Jobs } from '../storage/index.ts';
import { countedBefore } from './counted-before.ts';
import { meterWatching, type WatchedNeeds } from './meter.ts';
import { type SamplingNeeds, sampling } from './sampling.ts';

export interface WatchingNeeds extends SamplingNeeds {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly jobs: Jobs;
  readonly series: MetricStore;
  readonly logGroups: Pick<LogGroups, 'make' | 'put' | 'write'>;
  readonly events: Events;
  readonly deployments: Pick<Deployments, 'list' | 'rollouts'>;
  readonly drift: Pick<DriftWatch, 'lastLook'>;
  /** Of an endpoint that works asynchronously; null of any other. */
  readonly backlogOf: WatchedNeeds['backlogOf'];
  readonly metrics: Metrics;
  /** Takes the step of a scaling policy that an alarm names. */
  readonly autoScaling: Pick<ApplicationAutoScaling, 'alarmed'>;
  /** What receivers of webhooks check signatures with; null: unsigned. */
  readonly webhookSecret: string | null;
  readonly place: AwsPlace;
  /** Who tells what the things look like that events are about. */
  readonly sagemaker: AwsService;
  /** The URL that stands for a topic; null where none does. */
  readonly addressOf: (topic: string) => string | null;
}

export interface Watching {
  readonly alarms: Alarms;
  readonly rules: Rules;
  readonly deliveries: Deliveries;
}

/** Begins to watch. What ends it is added to the closers, as each begins. */
export async function openWatching(needs: WatchingNeeds, closers: (() => Promise<void> | void)[]): Promise<Watching> {
  const { db, clock, log, jobs, series, logGroups, events } = needs;
  const tellFailure = (what: string, error: unknown): void => log.error({ error: messageOf(error) }, what);
  const deliveries = new Deliveries({
    db,
    clock,
    jobs,
    deliver: (delivery, id, atMs) => deliver(needs, delivery, id, atMs),
    onEnded: async (tx, { actionOf }, error) => {
      if (actionOf !== undefined) await noteAction(tx, { ...actionOf, atMs: clock.wallMs(), error });
    },
    onForgotten: (count) => log.warn({ count }, 'deliveries that were given up long ago, or the oldest of too many, were forgotten'),
    onFailure: tellFailure,
  });
  deliveries.open();
  closers.push(() => deliveries.close());
  const things = thingsOf(needs.sagemaker, needs.place);
  const rules = new Rules({
    db,
    clock,
    jobs,
    events,
    envelopesOf: (event) => envelopesOf(event, needs.place, things),
    ruleArn: (name) => ruleArn(needs.place, name),
    onSetAside: (rule, fault) =>
      log.warn(
        { rule, fault },
        'the rule is set aside and matches nothing, since its pattern is refused by now: put it again with another',
      ),
    asServed: (target) => targetAsServed(target, (arn) => logGroupOfArn(arn, needs.place) !== null),
    onUnserved: (rule, target, fault) =>
      log.warn({ rule, target, fault }, 'a target of the rule wants what is not heeded: put it again without, or as it can be'),
    onFailure: tellFailure,
  });
  await rules.open();
  closers.push(() => rules.close());
  closers.push(events.keepSwept((error) => log.error({ error: messageOf(error) }, 'old events could not be forgotten yet')));
  const variantOf = (endpoint: string): string =>
    needs.deployments.list().find(({ config }) => config.name === endpoint)?.config.variants[0]?.name ?? 'AllTraffic';
  closers.push(events.subscribe((event) => tellOfEvent(logGroups, event, variantOf)));
  const predecessors = new Predecessors(events);
  const alarms = new Alarms({
    db,
    clock,
    events,
    store: series,
    act: (action, change) => act(needs, action, change),
    isRepeated: isScalingPolicy,
    lookElsewhere: (own) =>
      lookAtDefaults({
        alarms: own,
        store: series,
        endpoints: () => needs.deployments.list().map((view) => watched(view, needs)),
        predecessors,
        wallMs: () => clock.wallMs(),
      }),
    onFailure: (alarm, error) => log.error({ alarm, error: messageOf(error) }, 'an alarm could not be looked at'),
  });
  await alarms.open();
  needs.deployments.rollouts.follow(alarms, countedBefore(series));
  closers.push(() => alarms.close());
  const onFailure = (error: unknown): void => log.error({ error: messageOf(error) }, 'what runs could not be looked at');
  closers.push(startSampler({ store: series, clock, look: sampling(needs), onFailure }));
  meterWatching({ ...needs, alarms, deliveries, endpoints: () => needs.deployments.list().map(({ config }) => config.name) });
  return { alarms, rules, deliveries };
}

async function deliver(needs: WatchingNeeds, { rule, target, body, http }: Delivery, id: string, atMs: number): Promise<void> {
  const { webhookSecret, logGroups, place } = needs;
  const group = logGroupOfArn(target.arn, place);
  if (group !== null) {
    // A rule has a stream of its own there.
    const stream = rule.replaceAll(/[:*]/g, '-');
    logGroups.make(group, stream);
    return logGroups.put(group, stream, [{ atMs, message: body }]);
  }
  if (!/^https?:/.test(target.arn))
    throw new PlatformError('invalid_request', `nothing is known of the target ${target.arn}: expected a URL or the ARN of a log group`);
  await sendWebhook({ url: target.arn, body, id, atMs, secret: webhookSecret, http });
}

/** A policy takes its step for as long as the alarm rings, a minute apart. */
function isScalingPolicy(action: string): boolean {
  return /^arn:aws[\w-]*:autoscaling:[^:]*:[^:]*:scalingPolicy:/.test(action);
}

/** An alarm's action that is a URL gets the change, as surely as the targets of rules get their events: not at once, and perhaps never. */
async function act(
  { jobs, db, autoScaling, addressOf }: WatchingNeeds,
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
  checkWebhookUrl(url);
  const { name, state, stateReason, stateSinceMs } = alarm;
  const body = JSON.stringify({ alarm: name, state, before, reason: stateReason, at: new Date(stateSinceMs).toISOString() });
  const target = { id: 'action', arn: url };
  const actionOf = { alarm: name, action };
  await addDelivery(jobs, db, { rule: `alarm ${name}`, target, body, eventId: '', about: name, actionOf });
  announceDeliveries(jobs);
  return 'later';
}

function watched(
  { config, status, reason, variants, createdAtMs, objectiveSinceMs }: EndpointView,
  { drift, backlogOf }: Pick<WatchingNeeds, 'drift' | 'backlogOf'>,
): WatchedEndpoint {
  const crashing = variants.flatMap(({ workers }) => workers).find(({ state }) => state === 'failed');
  const trouble = status === 'Failed' ? (reason ?? 'it does not come into service') : (crashing?.reason ?? null);
  return {
    name: config.name,
    variants: config.variants.map(({ name }) => name),
    createdAtMs,
    objective: config.objective,
    objectiveSinceMs,
    trouble,
    backlog: backlogOf(config.name),
    drift: drift.lastLook(config.name),
  };
}
