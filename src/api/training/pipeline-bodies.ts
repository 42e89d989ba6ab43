/** Pipelines and their runs in responses. */
import { z } from 'zod';
import { type Pipeline, type PipelinePlan, type PipelineRun, type PipelineTrigger, pipelineSteps, stepsOf } from '../../training/index.ts';
import { isoTime } from '../routing/parameters.ts';

const time = z.iso.datetime();
const stepName = z.enum(pipelineSteps);

const triggerBody = z.strictObject({
  kind: z.enum(['manual', 'schedule', 'event']),
  by: z.string().describe('The key, the schedule, the kind of the event, or the rule.'),
  count: z.number().describe('Triggers that became this one.'),
  at: time,
  parameters: z.record(z.string(), z.string()),
});

const testBody = z.strictObject({
  kind: z.enum(['mcnemar', 'bootstrap']),
  rows: z.number(),
  wins: z.number().nullable().describe('Rows on which only the new version is right; null for values.'),
  losses: z.number().nullable().describe('Rows on which only the old version is right; null for values.'),
  gain: z.number().describe('Of the metric, positive if the new version is better.'),
  p_better: z.number().describe('One-sided p-value that the new version is better.'),
  p_worse: z.number().describe('One-sided p-value of the reverse.'),
});

export const pipelineRunBody = z.strictObject({
  pipeline: z.string(),
  number: z.number(),
  name: z.string().describe('`digits-loop/12`'),
  revision: z.number(),
  state: z.enum(['InProgress', 'Completed', 'Failed', 'Stopped']),
  reason: z.string().nullable().describe('Why it failed or was stopped.'),
  trigger: triggerBody,
  parameters: z.record(z.string(), z.string()),
  steps: z.array(
    z.strictObject({
      step: stepName,
      state: z.enum(['Waiting', 'InProgress', 'Completed', 'Failed', 'Skipped', 'Stopped']),
      note: z.string().nullable().describe('What came of it, or why it was skipped.'),
      started_at: time.nullable(),
      ended_at: time.nullable(),
    }),
  ),
  job: z.string().nullable().describe('The training job.'),
  version: z.string().nullable().describe('The version that was registered, such as digits/7.'),
  against: z.string().nullable().describe('The version that it was compared with.'),
  evaluation: z.string().nullable(),
  holdout: z
    .strictObject({ set: z.string(), rows: z.number(), uses: z.number() })
    .nullable()
    .describe('The rows of the test, and how many tests were made on them, this one included: each has the same level.'),
  scores: z.strictObject({ now: z.number().nullable(), before: z.number().nullable() }).nullable(),
  test: testBody.nullable(),
  verdict: z.enum(['better', 'worse', 'unsure']).nullable(),
  decision: z.string().nullable(),
  started_at: time,
  ended_at: time.nullable(),
});

export const pipelineBody = z.strictObject({
  name: z.string(),
  revision: z.number(),
  enabled: z.boolean(),
  steps: z.array(stepName),
  schedule: z.string().nullable(),
  event: z.string().nullable().describe('The pattern of events, in JSON.'),
  at_most_every_s: z.number().describe('Events start at most one run in this time.'),
  next_due_at: time.nullable().describe('When the schedule is due next.'),
  waiting: triggerBody.nullable().describe('What waits to start the next run.'),
  parameters: z.record(z.string(), z.string()).describe('Defaults.'),
  group: z.string().nullable(),
  endpoint: z.string().nullable(),
  source_sha256: z.string().nullable().describe('The archive of the code.'),
  git: z.strictObject({ commit: z.string(), dirty: z.boolean() }).nullable(),
  applied_by: z.string().describe('The key whose rights the runs have.'),
  applied_at: time,
  created_at: time,
  last_run: pipelineRunBody.nullable(),
});

export const pipelineDetailBody = pipelineBody.extend({ file: z.string().describe('The YAML as it was applied.') });

export const pipelinePlanBody = z.strictObject({
  name: z.string(),
  revision: z.number().describe('The revision that an apply would make.'),
  next_due_at: time.nullable(),
  steps: z.array(z.strictObject({ step: stepName, text: z.string() })),
});

export const startedRunBody = z.strictObject({
  run: pipelineRunBody.nullable().describe('Null if a run is in progress, after which the next one starts.'),
});

export type PipelineBody = z.infer<typeof pipelineBody>;
export type PipelineDetailBody = z.infer<typeof pipelineDetailBody>;
export type PipelineRunBody = z.infer<typeof pipelineRunBody>;
export type PipelinePlanBody = z.infer<typeof pipelinePlanBody>;
export type StartedRunBody = z.infer<typeof startedRunBody>;

export function pipelineBodyOf(pipeline: Pipeline, nextDueMs: number | null, lastRun: PipelineRun | null): PipelineBody {
  const { spec, git } = pipeline;
  return {
    name: pipeline.name,
    revision: pipeline.revision,
    enabled: pipeline.isEnabled,
    steps: [...stepsOf(spec)],
    schedule: spec.on.schedule,
    event: spec.on.event,
    at_most_every_s: spec.on.atMostEveryMs / 1000,
    next_due_at: timeOrNull(nextDueMs),
    waiting: pipeline.waiting === null ? null : triggerBodyOf(pipeline.waiting),
    parameters: spec.parameters,
    group: spec.group,
    endpoint: spec.deploy?.endpoint ?? null,
    source_sha256: pipeline.sourceSha256,
    git: git === null ? null : { commit: git.commit, dirty: git.isDirty },
    applied_by: pipeline.appliedBy,
    applied_at: isoTime(pipeline.appliedAtMs),
    created_at: isoTime(pipeline.createdAtMs),
    last_run: lastRun === null ? null : pipelineRunBodyOf(lastRun),
  };
}

export function pipelineRunBodyOf(run: PipelineRun): PipelineRunBody {
  const { pipeline, number, revision, state, reason, parameters, job, version, against, evaluation, holdout, scores, verdict, decision } =
    run;
  return {
    pipeline,
    number,
    name: `${pipeline}/${number}`,
    revision,
    state,
    reason,
    trigger: triggerBodyOf(run.trigger),
    parameters,
    steps: run.steps.map(({ startedAtMs, endedAtMs, ...step }) => ({
      ...step,
      started_at: timeOrNull(startedAtMs),
      ended_at: timeOrNull(endedAtMs),
    })),
    job,
    version,
    against,
    evaluation,
    holdout,
    scores,
    test: testBodyOf(run.test),
    verdict,
    decision,
    started_at: isoTime(run.startedAtMs),
    ended_at: timeOrNull(run.endedAtMs),
  };
}

export function pipelinePlanBodyOf({ spec, revision, nextDueMs, steps }: PipelinePlan): PipelinePlanBody {
  return { name: spec.name, revision, next_due_at: timeOrNull(nextDueMs), steps: steps.map((step) => ({ ...step })) };
}

function testBodyOf(test: PipelineRun['test']): PipelineRunBody['test'] {
  if (test === null) return null;
  const { pBetter, pWorse, ...counts } = test;
  return { ...counts, p_better: pBetter, p_worse: pWorse };
}

function triggerBodyOf({ atMs, setBy: _setBy, ...trigger }: PipelineTrigger): PipelineRunBody['trigger'] {
  return { ...trigger, at: isoTime(atMs) };
}

function timeOrNull(wallMs: number | null): string | null {
  return wallMs === null ? null : isoTime(wallMs);
}
