/** The spec of a training job: code, data, hyperparameters, environment, limits, and where the results go. Pure. */
import { PlatformError } from '../errors.ts';
import { jobKindOf, jobNameOf } from './job-kind.ts';

/** Objects of the object store under a prefix, those that a manifest names, or the labelled calls that an endpoint captured. */
export type ChannelSource =
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string; readonly isManifest?: boolean }
  | {
      readonly kind: 'captured';
      readonly endpoint: string;
      /** Only calls of the last N milliseconds; null: all stored calls. */
      readonly sinceMs: number | null;
      readonly rowsMax: number;
    };

/** A named input: a folder below `/opt/ml/input/data`. */
export interface TrainingChannel {
  readonly name: string;
  readonly source: ChannelSource;
  /** Whether objects are gzip files to unpack. */
  readonly isGzip: boolean;
  /** `ContentType` in inputdataconfig.json; null: none. */
  readonly contentType: string | null;
  /** Seed that shuffles the objects of a manifest; null: unchanged order. */
  readonly shuffleSeed: number | null;
  /** `RecordWrapperType` and `S3DataDistributionType`, which scripts read; nothing depends on them here. */
  readonly recordWrapper: 'None' | 'RecordIO';
  readonly distribution: 'FullyReplicated' | 'ShardedByS3Key';
  /** Another folder than `/opt/ml/input/data/NAME`; only of processing jobs, and below `/opt/ml/processing`. */
  readonly path?: string;
}

/** A folder of a processing job, whose files become objects below a prefix. */
export interface JobOutput {
  readonly name: string;
  /** Below `/opt/ml/processing`. */
  readonly path: string;
  readonly bucket: string;
  readonly prefix: string;
  /** Also while the job runs. */
  readonly isContinuous: boolean;
}

/** A metric: the first capture group of each match of `regex` in a line of the output. */
export interface TrainingMetric {
  readonly name: string;
  readonly regex: string;
}

/** What was requested, with defaults filled in. Never changes. */
export interface TrainingSpec {
  /** Of a processing job, `processing.NAME`. */
  readonly name: string;
  /** The name of a Python environment, whose `bin` comes first in PATH; null: none, only the machine's own programs. */
  readonly environment: string | null;
  /** The command; null: script mode, with `entry` of `source` or with hyperparameter `sagemaker_program`. */
  readonly command: readonly string[] | null;
  /** The file of `source` that script mode runs. */
  readonly entry: string | null;
  /** An uploaded tar archive (`Training.addSource`), unpacked into `/opt/ml/code`; null: none, or that of the hyperparameters. */
  readonly source: { readonly sha256: string } | null;
  /** As AWS has them: every value is text. */
  readonly hyperparameters: Readonly<Record<string, string>>;
  readonly channels: readonly TrainingChannel[];
  /** Of a training job. */
  readonly output: {
    readonly bucket: string;
    readonly prefix: string;
    /** model.tar.gz, or the files one by one below `output/model/`. */
    readonly isPacked: boolean;
  };
  /** Of a processing job. */
  readonly outputs: readonly JobOutput[];
  /** Where checkpoints are synchronised to, and their folder below `/opt/ml`. */
  readonly checkpoints: { readonly bucket: string; readonly prefix: string; readonly path: string } | null;
  readonly instanceType: string;
  readonly volumeGb: number;
  /** Counted from the start of Downloading, over all attempts. */
  readonly maxRuntimeMs: number;
  /** From the creation to the end; null: no limit. */
  readonly maxWaitMs: number | null;
  readonly isSpot: boolean;
  /** Further attempts after the platform lost a task. */
  readonly retries: number;
  readonly metrics: readonly TrainingMetric[];
  readonly environmentVariables: Readonly<Record<string, string>>;
  /** No network. */
  readonly isIsolated: boolean;
  /** A version of this group is registered on success. */
  readonly group: string | null;
  /** Jobs of a higher priority start first. */
  readonly priority: number;
  /** The image of an AWS request; `environment` and `command` were resolved from it. */
  readonly image: string | null;
  /** Where the code came from, shown in the lineage. */
  readonly git: { readonly commit: string; readonly isDirty: boolean } | null;
  /** The run of a pipeline that the job belongs to, `digits-loop/12`; null: none. */
  readonly run: string | null;
}

/** Of everything that a request may leave out; the limits are those of SageMaker. */
export const trainingDefaults = {
  environment: null,
  command: null,
  entry: null,
  source: null,
  hyperparameters: {},
  channels: [],
  outputs: [],
  checkpoints: null,
  instanceType: 'local.1',
  volumeGb: 30,
  maxRuntimeMs: 86_400_000,
  maxWaitMs: null,
  isSpot: false,
  retries: 2,
  metrics: [],
  environmentVariables: {},
  isIsolated: false,
  group: null,
  priority: 0,
  image: null,
  git: null,
  run: null,
} as const satisfies Partial<TrainingSpec>;

/** As on SageMaker. */
export const channelDefaults = {
  isGzip: false,
  contentType: null,
  shuffleSeed: null,
  recordWrapper: 'None',
  distribution: 'FullyReplicated',
} as const satisfies Partial<TrainingChannel>;

/** Rows of captured calls, unless another number is given. */
export const capturedRowsDefault = 100_000;

/** Limits; those of AWS if AWS has one. */
export const trainingLimits = {
  hyperparameters: 100,
  hyperparameterNameLength: 256,
  hyperparameterLength: 2500,
  channels: 20,
  outputs: 10,
  channelNameLength: 64,
  metrics: 40,
  metricNameLength: 255,
  regexLength: 500,
  variables: 100,
  variableLength: 512,
  commandWords: 200,
  commandWordLength: 4096,
  volumeGb: 16_384,
  /** 28 days. */
  runtimeMs: 2_419_200_000,
  retries: 30,
  priority: 100,
  capturedRows: 1_000_000,
  prefixLength: 1024,
} as const;

/** The folder as scripts see it. */
export const mlFolder = '/opt/ml';
/** As the script sees it. */
export const checkpointPathDefault = `${mlFolder}/checkpoints`;
/** As the script sees it. */
export const processingFolder = `${mlFolder}/processing`;

const jobNamePattern = /^[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}$/;
const channelNamePattern = /^[A-Za-z0-9._-]{1,64}$/;
const variableNamePattern = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const bucketPattern = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const controls = /\p{Cc}/u;

/**
 * Throws `invalid_request` for a spec that cannot succeed on any machine. `Training.create` checks what depends on this server, such as the bucket,
 * environment and instance type.
 */
export function checkTrainingSpec(spec: TrainingSpec): void {
  const isProcessing = jobKindOf(spec.name) === 'processing';
  const name = jobNameOf(spec.name);
  if (!jobNamePattern.test(name))
    throw invalid(
      `invalid ${jobKindOf(spec.name)} job name '${cut(name)}': expected at most 63 letters, digits and hyphens, no hyphen at an end`,
    );
  checkStarted(spec);
  checkHyperparameters(spec.hyperparameters);
  checkChannels(spec.channels);
  if (isProcessing) checkProcessing(spec);
  else checkObjects('output', spec.output);
  if (spec.checkpoints !== null) {
    checkObjects('checkpoints', spec.checkpoints);
    checkCheckpointPath(spec.checkpoints.path);
  }
  checkMetrics(spec.metrics);
  checkVariables(spec.environmentVariables);
  checkBounds(spec);
}

/** Throws `invalid_request` unless script mode or a command starts something. */
function checkStarted({ command, entry, source, hyperparameters }: TrainingSpec): void {
  if (command !== null) {
    if (command.length === 0 || command[0] === '') throw invalid('command is empty: expected a program and its arguments');
    if (command.length > trainingLimits.commandWords)
      throw invalid(`command has ${command.length} words: expected at most ${trainingLimits.commandWords}`);
    const long = command.find((word) => word.length > trainingLimits.commandWordLength || word.includes('\0'));
    if (long !== undefined) throw invalid(`command has a word of ${long.length} characters or with a NUL byte: expected at most 4096`);
    return;
  }
  if (entry !== null) {
    if (source === null) throw invalid(`entry '${cut(entry)}' needs a source: upload the folder that holds it`);
    if (!isRelativePath(entry)) throw invalid(`entry '${cut(entry)}' is not a path inside the source: expected, for example, train.py`);
    return;
  }
  if (hyperparameters['sagemaker_program'] === undefined)
    throw invalid('nothing to run: expected a command, an entry with its source, or hyperparameter sagemaker_program');
}

function checkHyperparameters(hyperparameters: Readonly<Record<string, string>>): void {
  const all = Object.entries(hyperparameters);
  const { hyperparameterNameLength, hyperparameterLength } = trainingLimits;
  if (all.length > trainingLimits.hyperparameters)
    throw invalid(`${all.length} hyperparameters: expected at most ${trainingLimits.hyperparameters}`);
  for (const [name, value] of all) {
    if (name === '' || name.length > hyperparameterNameLength || controls.test(name)) {
      throw invalid(
        `invalid name of a hyperparameter ${JSON.stringify(cut(name))}: expected 1 to ${hyperparameterNameLength} characters of one line`,
      );
    }
    if (value.length > hyperparameterLength)
      throw invalid(`hyperparameter '${cut(name)}' has ${value.length} characters: expected at most ${hyperparameterLength}`);
    if (value.includes('\0')) throw invalid(`hyperparameter '${cut(name)}' holds a NUL byte`);
  }
}

function checkChannels(channels: readonly TrainingChannel[]): void {
  if (channels.length > trainingLimits.channels) throw invalid(`${channels.length} channels: expected at most ${trainingLimits.channels}`);
  const names = new Set<string>();
  for (const { name, source } of channels) {
    if (!channelNamePattern.test(name) || /^\.+$/.test(name))
      throw invalid(`invalid channel name '${cut(name)}': expected 1 to 64 letters, digits, '.', '-', '_'`);
    const key = name.toLowerCase();
    if (names.has(key)) throw invalid(`two channels are named '${name}' (case does not count): expected different names`);
    names.add(key);
    if (source.kind === 's3') checkObjects(`channel '${name}'`, source);
    else checkCaptured(name, source);
  }
}

function checkCaptured(name: string, { endpoint, sinceMs, rowsMax }: Extract<ChannelSource, { kind: 'captured' }>): void {
  if (endpoint === '') throw invalid(`channel '${name}' names no endpoint: expected captured:ENDPOINT`);
  if (sinceMs !== null && !(sinceMs > 0)) throw invalid(`channel '${name}': expected a positive duration, got ${sinceMs} ms`);
  expectInteger(`rows of channel '${name}'`, rowsMax, 1, trainingLimits.capturedRows);
}

/** Folders of inputs may lie in each other, as SDKs place them, but none is that of two. */
function checkProcessing({ channels, outputs }: TrainingSpec): void {
  if (outputs.length > trainingLimits.outputs) throw invalid(`${outputs.length} outputs: expected at most ${trainingLimits.outputs}`);
  const names = new Set<string>();
  for (const output of outputs) {
    checkObjects(`output '${cut(output.name)}'`, output);
    if (output.name === '' || output.name.length > trainingLimits.channelNameLength || controls.test(output.name))
      throw invalid(
        `invalid output name ${JSON.stringify(cut(output.name))}: expected 1 to ${trainingLimits.channelNameLength} characters`,
      );
    if (names.has(output.name)) throw invalid(`two outputs are named '${cut(output.name)}': expected different names`);
    names.add(output.name);
  }
  const paths = new Set<string>();
  for (const { name, path = '' } of [...channels, ...outputs]) {
    if (!path.startsWith(`${processingFolder}/`) || !isRelativePath(path.slice(mlFolder.length + 1)))
      throw invalid(
        `LocalPath '${cut(path)}' of '${cut(name)}' is not below ${processingFolder}: expected, for example, ${processingFolder}/input`,
      );
    if (paths.has(path)) throw invalid(`LocalPath ${cut(path)} is given twice: expected different folders`);
    paths.add(path);
  }
}

function checkObjects(what: string, { bucket, prefix }: { readonly bucket: string; readonly prefix: string }): void {
  if (!bucketPattern.test(bucket)) throw invalid(`${what}: '${cut(bucket)}' is not a name of a bucket: expected s3://BUCKET/PREFIX`);
  if (prefix.length > trainingLimits.prefixLength || prefix.includes('\0'))
    throw invalid(`${what}: the prefix has ${prefix.length} characters or a NUL byte: expected at most ${trainingLimits.prefixLength}`);
}

function checkCheckpointPath(path: string): void {
  const isBelow = path.startsWith(`${mlFolder}/`) && isRelativePath(path.slice(mlFolder.length + 1));
  if (!isBelow) throw invalid(`checkpoints: path '${cut(path)}' is not below ${mlFolder}: expected, for example, ${checkpointPathDefault}`);
  const inside = path.slice(mlFolder.length + 1);
  if (/^(?:input|model|output|code)(?:\/|$)/.test(inside) && !inside.startsWith('output/'))
    throw invalid(`checkpoints: path '${cut(path)}' has another use: expected, for example, ${checkpointPathDefault}`);
}

function checkMetrics(metrics: readonly TrainingMetric[]): void {
  if (metrics.length > trainingLimits.metrics) throw invalid(`${metrics.length} metrics: expected at most ${trainingLimits.metrics}`);
  const names = new Set<string>();
  for (const { name, regex } of metrics) {
    if (name === '' || name.length > trainingLimits.metricNameLength || controls.test(name))
      throw invalid(`invalid metric name ${JSON.stringify(cut(name))}: expected 1 to ${trainingLimits.metricNameLength} characters`);
    if (names.has(name)) throw invalid(`two metrics are named '${cut(name)}': expected different names`);
    names.add(name);
    if (regex === '' || regex.length > trainingLimits.regexLength)
      throw invalid(`regex of metric '${cut(name)}' has ${regex.length} characters: expected 1 to ${trainingLimits.regexLength}`);
  }
}

function checkVariables(variables: Readonly<Record<string, string>>): void {
  const all = Object.entries(variables);
  if (all.length > trainingLimits.variables)
    throw invalid(`${all.length} environment variables: expected at most ${trainingLimits.variables}`);
  for (const [name, value] of all) {
    if (!variableNamePattern.test(name) || name.length > trainingLimits.variableLength)
      throw invalid(`invalid environment variable '${cut(name)}': expected letters, digits and _`);
    if (value.length > trainingLimits.variableLength || value.includes('\0')) {
      throw invalid(
        `environment variable '${cut(name)}' has ${value.length} characters or a NUL byte: expected at most ${trainingLimits.variableLength}`,
      );
    }
  }
}

function checkBounds({ volumeGb, maxRuntimeMs, maxWaitMs, retries, priority, isSpot }: TrainingSpec): void {
  expectInteger('volume, GB', volumeGb, 1, trainingLimits.volumeGb);
  expectInteger('maximum runtime, ms', maxRuntimeMs, 1000, trainingLimits.runtimeMs);
  if (maxWaitMs !== null) expectInteger('maximum wait, ms', maxWaitMs, 1000, 2 * trainingLimits.runtimeMs);
  expectInteger('retries', retries, 0, trainingLimits.retries);
  expectInteger('priority', priority, -trainingLimits.priority, trainingLimits.priority);
  if (isSpot ? maxWaitMs === null || maxWaitMs < maxRuntimeMs : false)
    throw invalid('Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds');
}

function expectInteger(what: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most)
    throw invalid(`${what}: expected a whole number from ${least} to ${most}, got ${value}`);
}

/** Whether a path stays below its folder: no empty, `.` or `..` part, not absolute, no control characters or backslashes. */
export function isRelativePath(path: string): boolean {
  if (path === '' || path.length > 1024 || controls.test(path) || path.includes('\\')) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= 255);
}

function cut(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
