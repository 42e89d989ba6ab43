/** Opens the router of the AWS APIs: services with documents, and services that stream bodies. */
import type { Access } from '../access/index.ts';
import type { WebhookPolicy } from '../alerts/index.ts';
import { topicUrl } from '../alerts/index.ts';
import type { Config } from '../config.ts';
import type { Deployments } from '../deployment/index.ts';
import type { Foundation } from '../foundation/index.ts';
import type { Listener } from '../http/index.ts';
import type { Audit, RejectionAudit } from '../records/index.ts';
import type { Serving } from '../serving/index.ts';
import { cloudtrailService } from './cloudtrail/cloudtrail-service.ts';
import { type CloudWatchOptions, cloudWatchService } from './cloudwatch/cloudwatch-service.ts';
import { type EventsServiceOptions, eventsService } from './events/events-service.ts';
import { isDeliverableArn } from './events/target-arn.ts';
import { iamService } from './identity/iam.ts';
import { stsService } from './identity/sts.ts';
import { logsService } from './logs/logs-service.ts';
import { AwsRouter } from './router.ts';
import { Runtime, type RuntimeOptions } from './runtime/runtime.ts';
import type { S3Store } from './s3/objects/store.ts';
import { S3Service } from './s3/s3-service.ts';
import type { ApplicationAutoScaling } from './scaling/scaling-service.ts';
import type { AwsService } from './service.ts';

export interface OpenAwsDeps extends Pick<Foundation, 'db' | 'clock' | 'logs' | 'traces' | 'threads' | 'logGroups' | 'series'> {
  readonly serving: Serving;
  readonly deployments: Deployments;
  readonly audit: Audit;
  readonly refusals: RejectionAudit;
  readonly autoScaling: ApplicationAutoScaling;
  readonly sagemaker: AwsService;
  readonly s3: S3Store;
  readonly rules: EventsServiceOptions['rules'];
  readonly alarms: CloudWatchOptions['alarms'];
  readonly calls: RuntimeOptions['calls'];
  readonly targets: RuntimeOptions['targets'];
  readonly asyncHandler: RuntimeOptions['async'];
  readonly listener: Listener;
  readonly access: Access;
  readonly webhooks: WebhookPolicy;
}

export function openAws(config: Config, deps: OpenAwsDeps): AwsRouter {
  const { db, clock, logs, traces, threads, logGroups, series, serving, audit, refusals, autoScaling, sagemaker, s3 } = deps;
  const { rules, alarms, calls, targets, asyncHandler, listener, access, webhooks } = deps;
  const log = logs.platform;
  const checkUrl = webhooks.checkUrl.bind(webhooks);
  const services: readonly AwsService[] = [
    stsService({ access, clock }),
    sagemaker,
    autoScaling,
    cloudWatchService({
      actionTargets: {
        isTopic: (topic) => topicUrl(config.asyncTopics, topic) !== null,
        isStepPolicy: (arn) => autoScaling.hasStepPolicy(arn),
        checkUrl,
      },
      db,
      clock,
      log,
      store: series,
      alarms,
      otherAlarms: (location) => autoScaling.trackingAlarms(location, series),
    }),
    eventsService({ rules, clock, canDeliver: deliversTo(config), checkUrl }),
    logsService({ groups: logGroups, clock, db }),
    cloudtrailService({ audit }),
  ];
  const { invocationLimitBytes: bodyBytesMax, invocationTimeoutMs: timeoutMs } = config;
  const untilServed = servedBy(deps);
  return new AwsRouter({
    services: [...services, iamService(services)],
    streams: [
      new S3Service(s3),
      new Runtime({ serving, targets, traces, calls, clock, log, threads, bodyBytesMax, timeoutMs, async: asyncHandler, untilServed }),
    ],
    access,
    clock,
    log,
    writeAccess: (line) => logs.access(line),
    awsLocation: { account: config.awsAccount, region: config.awsRegion },
    budget: listener.bodies.budget,
    hostNames: listener.names,
    limits: { droppedBytesMax: config.bodyLimitBytes, invocationBytesMax: bodyBytesMax },
    onDone: (done) => audit.record(db, done),
    onRefused: (who, refused) => refusals.record({ who, ...refused }),
  });
}

/** Whether rules can deliver to this ARN: that of a log group of this account. */
export function deliversTo({ awsAccount: account, awsRegion: region }: Config): (arn: string) => boolean {
  return (arn) => isDeliverableArn(arn, { account, region });
}

/** Waits until a starting endpoint serves. */
function servedBy({ serving, deployments }: Pick<OpenAwsDeps, 'serving' | 'deployments'>): RuntimeOptions['untilServed'] {
  return async (name, waitMs) => {
    // An endpoint whose update continues after a restart serves long before its status is InService.
    const served = Promise.withResolvers<void>();
    const stopListening = deployments.onServed(() => {
      if (serving.endpoint(name) !== undefined) served.resolve();
    });
    try {
      await Promise.race([served.promise, deployments.waitFor(name, waitMs)]);
    } finally {
      stopListening();
    }
  };
}
