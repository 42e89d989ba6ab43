/** What a pipeline does: when it runs, and its steps. Read from its file by `pipeline-file.ts`. */
import type { TrainingMetric } from '../spec.ts';

/** In the order in which they run. */
export const pipelineSteps = ['train', 'register', 'evaluate', 'approve', 'deploy'] as const;
/** In the order in which they run. An evaluation runs a version, so the version is registered first, pending approval. */
export type PipelineStep = (typeof pipelineSteps)[number];

/** When runs start by themselves. Both null: on request only. */
export interface PipelineTriggers {
  /** `rate(1 day)`, `cron(0 3 ? * SUN *)`, in UTC. */
  readonly schedule: string | null;
  /** A pattern of events, in JSON. */
  readonly event: string | null;
  /** Events start at most one run in this time. */
  readonly atMostEveryMs: number;
}

/** Values can hold `${parameters.NAME}`. */
export type PipelineChannelSource =
  | { readonly kind: 's3'; readonly uri: string }
  | { readonly kind: 'captured'; readonly endpoint: string; readonly sinceMs: number | null; readonly rowsMax: number };

/** A channel of the training job. */
export interface PipelineChannel {
  readonly name: string;
  readonly source: PipelineChannelSource;
}

/** The step `train`. Null members have the defaults of a training job. */
export interface TrainSettings {
  /** The origin of the code, as written in the file; null: a command needs none. */
  readonly source: string | null;
  readonly entry: string | null;
  readonly command: readonly string[] | null;
  readonly environment: string | null;
  readonly instanceType: string | null;
  readonly isSpot: boolean;
  readonly channels: readonly PipelineChannel[];
  readonly hyperparameters: Readonly<Record<string, string>>;
  readonly metrics: readonly TrainingMetric[];
  readonly maxRuntimeMs: number | null;
  /** `s3://bucket/prefix` */
  readonly output: string | null;
}

/** The step `evaluate`. */
export interface EvaluateSettings {
  /** `s3://bucket/key`: a CSV or JSON Lines file. */
  readonly data: string;
  readonly label: string;
  readonly metric: 'accuracy' | 'rmse' | 'mae';
  /** `deployed`, `none`, or a version such as `digits/3`. */
  readonly against: string;
}

/** The step `approve`. */
export interface ApproveSettings {
  readonly when: 'better' | 'manual' | 'always';
  /** 1 - confidence is the level of the test. */
  readonly confidence: number;
  /** The minimum gain of the metric, in its own unit. */
  readonly marginMin: number;
  /** What happens if the test proves neither. */
  readonly unsure: 'manual' | 'reject';
}

/** The step `deploy`: a watched update in these steps. */
export interface DeploySettings {
  readonly endpoint: string;
  readonly steps: readonly { readonly share: number; readonly watchMs: number }[];
  readonly alarms: readonly string[];
}

/** A parsed file. Null steps are skipped. */
export interface PipelineSpec {
  readonly name: string;
  readonly on: PipelineTriggers;
  /** Defaults, as text. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly train: TrainSettings;
  readonly group: string | null;
  readonly evaluate: EvaluateSettings | null;
  readonly approve: ApproveSettings | null;
  readonly deploy: DeploySettings | null;
  /** URLs that are called when a run has ended. */
  readonly notify: readonly string[];
}

/** The steps that a pipeline has, in order. */
export function stepsOf({ group, evaluate, approve, deploy }: PipelineSpec): readonly PipelineStep[] {
  const has = { train: true, register: group !== null, evaluate: evaluate !== null, approve: approve !== null, deploy: deploy !== null };
  return pipelineSteps.filter((step) => has[step]);
}

const reference = /\$\{([^}]*)\}/g;

/** Replaces each `${parameters.NAME}`. Names must have been checked by `referencesIn`. */
export function withParameters(text: string, parameters: Readonly<Record<string, string>>): string {
  return text.replaceAll(reference, (_all, inner: string) => parameters[inner.replace(/^\s*parameters\./, '').trim()] ?? '');
}

/** The text between the braces of each `${…}`. */
export function referencesIn(text: string): readonly string[] {
  return [...text.matchAll(reference)].map(([, inner = '']) => inner);
}
