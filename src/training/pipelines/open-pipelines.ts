/** Opens pipelines with the modules that their steps use. */
import type { Access } from '../../access/index.ts';
import { addDelivery, announceDeliveries, type WebhookPolicy } from '../../alerts/index.ts';
import type { Closers } from '../../closers.ts';
import { isLoopback } from '../../config.ts';
import type { Deployments } from '../../deployment/index.ts';
import type { Evaluations } from '../../evaluation/index.ts';
import type { Foundation } from '../../foundation/index.ts';
import type { Audit, Decisions, Events } from '../../records/index.ts';
import type { Registry } from '../../registry/index.ts';
import type { TrainingBuckets } from '../attempts/buckets.ts';
import type { Training } from '../training-job.ts';
import { type PipelineRun, runName } from './pipeline.ts';
import { PipelineRows } from './pipeline-rows.ts';
import { Pipelines, type PipelinesDeps } from './pipelines.ts';

export interface OpenPipelinesDeps extends Pick<Foundation, 'db' | 'clock' | 'jobs' | 'threads'>, Pick<PipelinesDeps, 'envelopesOf'> {
  readonly logs: Pick<Foundation['logs'], 'platform'>;
  readonly registry: Registry;
  readonly training: Training;
  readonly evaluations: Evaluations;
  readonly deployments: Deployments;
  readonly decisions: Decisions;
  readonly events: Events;
  readonly audit: Audit;
  readonly access: Pick<Access, 'callerFor' | 'require'>;
  readonly s3: TrainingBuckets;
  readonly webhooks: Pick<WebhookPolicy, 'checkUrl'>;
  readonly host: string;
}

/** Continues the runs of the previous server. */
export async function openPipelines(deps: OpenPipelinesDeps, closers: Closers): Promise<Pipelines> {
  const { db, clock, jobs, logs, registry, s3, webhooks } = deps;
  const pipelines = new Pipelines({
    ...deps,
    log: logs.platform,
    rows: new PipelineRows(db),
    buckets: s3,
    isLoopback: isLoopback(deps.host),
    alarmState: (name) => deps.deployments.rollouts.alarmState(name),
    clock,
    checkUrl: (url) => webhooks.checkUrl(url),
    discardSource: (sha256) => registry.files.discard(sha256),
    notify: async (tx, urls, run) => {
      for (const [index, arn] of urls.entries()) {
        const target = { id: `notify-${index + 1}`, arn };
        await addDelivery(jobs, tx, { rule: `pipeline ${run.pipeline}`, target, body: noticeOf(run), eventId: '', about: run.pipeline });
      }
    },
    announceDeliveries: () => announceDeliveries(jobs),
  });
  await pipelines.open();
  return closers.add(pipelines);
}

/** The JSON body that receivers of `notify` get. */
function noticeOf(run: PipelineRun): string {
  const { pipeline, number, state, reason, version, verdict, steps, startedAtMs, endedAtMs } = run;
  return JSON.stringify({
    pipeline,
    run: number,
    name: runName(run),
    state,
    reason,
    version,
    verdict,
    steps: steps.map(({ step, state: of, note }) => ({ step, state: of, note })),
    started_at: new Date(startedAtMs).toISOString(),
    ended_at: endedAtMs === null ? null : new Date(endedAtMs).toISOString(),
  });
}
