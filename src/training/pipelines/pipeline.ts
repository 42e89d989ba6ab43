/** Pipelines and their runs as callers see them, and the operations on them. */
import type { PairedTest, TrainingVerdict } from './judge-better.ts';
import type { PipelineSpec, PipelineStep } from './pipeline-spec.ts';

/** Of a whole run. */
export type PipelineRunState = 'InProgress' | 'Completed' | 'Failed' | 'Stopped';
/** Of one step of a run. */
export type PipelineStepState = 'Waiting' | 'InProgress' | 'Completed' | 'Failed' | 'Skipped' | 'Stopped';

/** Why a run starts. */
export interface PipelineTrigger {
  readonly kind: 'manual' | 'schedule' | 'event';
  /** The caller, the schedule, or the kind of the event. */
  readonly by: string;
  /** Triggers that arrived while this one waited count as one with it. */
  readonly count: number;
  /** Epoch milliseconds, of the first. */
  readonly atMs: number;
  /** Values that replace the defaults of the file. */
  readonly parameters: Readonly<Record<string, string>>;
  /** By parameter: the key that gave its value; null: a rule. */
  readonly setBy?: Readonly<Record<string, string | null>>;
}

/** A step of a run as callers see it. */
export interface PipelineStepView {
  readonly step: PipelineStep;
  readonly state: PipelineStepState;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** The result, or why the step was skipped, in one sentence. */
  readonly note: string | null;
}

/** The rows of the test, and the number of tests on them, this one included. */
export interface HoldoutUse {
  readonly set: string;
  readonly rows: number;
  readonly uses: number;
}

/** The results of a run's steps so far. */
export interface PipelineRunFacts {
  readonly job: string | null;
  /** `digits/7` */
  readonly version: string | null;
  /** The version that it was compared with; null if there was none. */
  readonly against: string | null;
  readonly evaluation: string | null;
  readonly holdout: HoldoutUse | null;
  /** The set of the holdout's rows at the start of the training. If the training changes the holdout, the run fails. */
  readonly holdoutBefore: string | null;
  readonly test: PairedTest | null;
  readonly verdict: TrainingVerdict | null;
  /** The metric of the new version, and of the one that it was compared with. */
  readonly scores: { readonly now: number | null; readonly before: number | null } | null;
  /** The decision to approve or reject, whose effect is known after the rollout. */
  readonly decision: string | null;
  /** The generation of the endpoint that deploys the version. */
  readonly generation: number | null;
}

/** A run as callers see it. */
export interface PipelineRun extends PipelineRunFacts {
  readonly pipeline: string;
  /** Counts from 1. */
  readonly number: number;
  readonly revision: number;
  readonly state: PipelineRunState;
  readonly trigger: PipelineTrigger;
  readonly parameters: Readonly<Record<string, string>>;
  readonly steps: readonly PipelineStepView[];
  /** Why it failed or was stopped; null otherwise. */
  readonly reason: string | null;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
}

/** The origin of the code, recorded when the file was applied. */
export interface PipelineGit {
  readonly commit: string;
  readonly isDirty: boolean;
}

/** A pipeline in its newest revision. */
export interface Pipeline {
  readonly name: string;
  readonly spec: PipelineSpec;
  readonly file: string;
  readonly sourceSha256: string | null;
  readonly git: PipelineGit | null;
  /** Counts from 1. */
  readonly revision: number;
  /** The key whose rights the runs have. */
  readonly appliedBy: string;
  readonly appliedAtMs: number;
  readonly isEnabled: boolean;
  readonly waiting: PipelineTrigger | null;
  /** All due times up to here are handled. */
  readonly scheduleHandledMs: number;
  readonly lastStartedAtMs: number | null;
  readonly createdAtMs: number;
}

/** `digits-loop/12` */
export function runName({ pipeline, number }: Pick<PipelineRun, 'pipeline' | 'number'>): string {
  return `${pipeline}/${number}`;
}
