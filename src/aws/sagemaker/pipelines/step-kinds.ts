/** The operations behind each type of step, and how their answers are read. Pure. */
import { createHash } from 'node:crypto';
import type { AwsOutput } from '../../service.ts';
import type { Shape } from '../../shapes/shapes.ts';
import type { StepType } from './definition.ts';
import { asText } from './references.ts';

/** The names of a step type's operations and of the members that matter in their answers. */
export interface StepKind {
  readonly create: string;
  readonly describe: string;
  /** Null: it ends by itself, at once. */
  readonly stop: string | null;
  /** The member that names the job in these operations. */
  readonly name: string;
  readonly status: string | null;
  readonly arn: string;
  /** The member of `Metadata` in ListPipelineExecutionSteps. */
  readonly metadata: string;
}

const jobKind = (job: string, metadata: string): StepKind => ({
  create: `Create${job}`,
  describe: `Describe${job}`,
  stop: `Stop${job}`,
  name: `${job}Name`,
  status: `${job}Status`,
  arn: `${job}Arn`,
  metadata,
});

/** Types of steps that create something. */
export const stepKinds: Readonly<Partial<Record<StepType, StepKind>>> = {
  Training: jobKind('TrainingJob', 'TrainingJob'),
  Processing: jobKind('ProcessingJob', 'ProcessingJob'),
  Transform: jobKind('TransformJob', 'TransformJob'),
  Tuning: jobKind('HyperParameterTuningJob', 'TuningJob'),
  Model: { ...jobKind('Model', 'Model'), stop: null, status: null },
  RegisterModel: {
    create: 'CreateModelPackage',
    describe: 'DescribeModelPackage',
    stop: null,
    name: 'ModelPackageName',
    status: 'ModelPackageStatus',
    arn: 'ModelPackageArn',
    metadata: 'RegisterModel',
  },
};

/** The state of a step's job, independent of its type. */
export type JobState = { readonly state: 'running' | 'succeeded' | 'stopped' } | { readonly state: 'failed'; readonly reason: string };

/** What Describe says of a job. */
export function jobStateOf({ status }: StepKind, described: AwsOutput): JobState {
  const value = status === null ? 'Completed' : String(described[status]);
  if (value === 'Completed') return { state: 'succeeded' };
  if (value === 'Stopped') return { state: 'stopped' };
  if (value === 'Failed') return { state: 'failed', reason: (described['FailureReason'] as string | undefined) ?? 'the job failed' };
  return { state: 'running' };
}

/** `pipelines-abc123def456-Train-0f3a…`: at most 63 characters, and the same whenever it is asked for. */
export function jobNameOfStep(execution: string, step: string): string {
  const hash = createHash('sha256').update(`${execution} ${step}`).digest('hex').slice(0, 10);
  const shown = step
    .replaceAll(/[^A-Za-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 28)
    .replace(/-$/, '');
  return ['pipelines', execution, ...(shown === '' ? [] : [shown]), hash].join('-');
}

/** Tuning jobs have names of at most 32 characters. */
export function resourceNameOf(type: StepType, execution: string, step: string): string {
  const name = jobNameOfStep(execution, step);
  return type === 'Tuning' ? `${execution}-${name.slice(-10)}` : name;
}

/** Parameters have types of their own: numbers become texts where the request has texts, as in hyperparameters, and the reverse. */
export function fitted(shape: Shape, value: unknown): unknown {
  if (value === null || value === undefined) return value;
  if (shape.type === 'structure' && isObject(value))
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => {
        const member = shape.members.get(name);
        return [name, member === undefined ? each : fitted(member, each)] as const;
      }),
    );
  if (shape.type === 'map' && isObject(value))
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fitted(shape.element, each)] as const));
  if (shape.type === 'list' && Array.isArray(value)) return value.map((each) => fitted(shape.element, each));
  if (shape.type === 'string' && (typeof value === 'number' || typeof value === 'boolean')) return asText(value);
  if (['integer', 'long', 'float', 'double'].includes(shape.type) && typeof value === 'string' && value.trim() !== '')
    return numberOr(value);
  if (shape.type === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
  return value;
}

function numberOr(value: string): unknown {
  return Number.isFinite(Number(value)) ? Number(value) : value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Identifies what a step does, for its cache. */
export function stepDigest(type: StepType, resolved: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify([type, resolved]))
    .digest('hex');
}
