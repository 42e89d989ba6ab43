/** The body that starts a training job, and the spec that it becomes. */
import { z } from 'zod';
import { PlatformError } from '../../errors.ts';
import {
  capturedRowsDefault,
  channelDefaults,
  checkpointPathDefault,
  jobKindOf,
  type TrainingChannel,
  type TrainingSpec,
  trainingBucket,
  trainingDefaults,
  trainingLimits,
} from '../../training/index.ts';

const text = (most: number) => z.string().max(most);
const seconds = z.int().min(1);

const channelInput = z.strictObject({
  name: text(trainingLimits.channelNameLength).describe('The folder below /opt/ml/input/data.'),
  source: text(2048)
    .optional()
    .describe(
      '`s3://bucket/prefix`, or `captured:ENDPOINT` for the captured calls of an endpoint with their labels, as `rows.csv`. Left out: the part `data.NAME` of the form.',
    ),
  since_s: seconds.optional().describe('Only captured calls of this many last seconds. Default: all whose labels are stored.'),
  rows_max: z.int().min(1).max(trainingLimits.capturedRows).optional().describe('Captured rows, the newest files first. Default: 100000.'),
  manifest: z.boolean().optional().describe('The object is a manifest, which lists the objects.'),
  gzip: z.boolean().optional().describe('Objects are gzip files to unpack.'),
  content_type: text(256).optional(),
});

const hyperparameter = z.union([z.string(), z.number(), z.boolean()]);

/** Every member can be left out: it is then that of the job `from`, or the default. */
export const trainingInput = z.strictObject({
  from: text(63).optional().describe('A training job, whose settings, code and data are used for all that is left out here.'),
  name: text(63).optional().describe('Unique name. Default: GROUP-N, counted.'),
  group: text(63).nullable().optional().describe('On success, the model becomes the next version of this group, pending approval.'),
  environment: text(64)
    .nullable()
    .optional()
    .describe("Name of the Python environment; null: none, only the machine's own programs and packages."),
  entry: text(1024).nullable().optional().describe('The file of the source that Python runs, such as train.py.'),
  command: z
    .array(text(4096))
    .max(trainingLimits.commandWords)
    .nullable()
    .optional()
    .describe('A program and its arguments, instead of `entry`.'),
  hyperparameters: z.record(z.string(), hyperparameter).optional().describe('Passed to the script as --NAME VALUE.'),
  channels: z.array(channelInput).max(trainingLimits.channels).optional().describe('The data.'),
  output: text(2048).optional().describe(`\`s3://bucket/prefix\`. Default: s3://${trainingBucket}.`),
  packed: z.boolean().optional().describe('Write the model as one model.tar.gz. Default: true.'),
  checkpoints: text(2048).nullable().optional().describe('`s3://bucket/prefix` that /opt/ml/checkpoints is synchronised with.'),
  instance_type: text(64).optional(),
  volume_gb: z.int().min(1).max(trainingLimits.volumeGb).optional(),
  max_runtime_s: seconds
    .max(trainingLimits.runtimeMs / 1000)
    .optional()
    .describe('Default: 86400.'),
  max_wait_s: seconds
    .max((2 * trainingLimits.runtimeMs) / 1000)
    .nullable()
    .optional()
    .describe('From the creation to the end.'),
  spot: z.boolean().optional().describe('Cheaper; may be interrupted, and then continues from its checkpoints.'),
  retries: z.int().min(0).max(trainingLimits.retries).optional().describe('Further attempts after the platform lost the job. Default: 2.'),
  metrics: z
    .array(z.strictObject({ name: text(trainingLimits.metricNameLength), regex: text(trainingLimits.regexLength) }))
    .max(trainingLimits.metrics)
    .optional()
    .describe('Numbers in the output: the first capture group of each match.'),
  environment_variables: z.record(z.string(), text(trainingLimits.variableLength)).optional(),
  isolated: z.boolean().optional().describe('Without network.'),
  priority: z.int().min(-trainingLimits.priority).max(trainingLimits.priority).optional(),
  git: z
    .strictObject({ commit: z.string().regex(/^[0-9a-f]{7,64}$/), dirty: z.boolean() })
    .nullable()
    .optional(),
});

export type TrainingInput = z.output<typeof trainingInput>;

/** What the rest of the request brought. */
export interface TrainingUploads {
  readonly source: { readonly sha256: string } | null;
  /** The uploaded data of each channel, as a prefix in the bucket of training. */
  readonly data: ReadonlyMap<string, string>;
}

/** The word that jobs are counted by, if they have no name of their own. */
export function nameStem({ group, entry, command }: Pick<TrainingSpec, 'group' | 'entry' | 'command'>): string {
  if (group !== null) return group;
  const file = entry ?? command?.[0] ?? '';
  const stem = file.replace(/^.*\//, '').replace(/\.[^.]*$/, '');
  const name = stem.replaceAll(/[^a-zA-Z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '');
  return name === '' ? 'training' : name.slice(0, 50).replace(/-$/, '');
}

/** The spec, without a name if none was given. `base` is the spec of the job `from`. Throws `invalid_request`. */
export function trainingSpecOf(input: TrainingInput, base: TrainingSpec | null, uploads: TrainingUploads): TrainingSpec {
  const initial: Omit<TrainingSpec, 'name' | 'output'> = base ?? trainingDefaults;
  const maxRuntimeMs = msOf(input.max_runtime_s) ?? initial.maxRuntimeMs;
  const isSpot = input.spot ?? initial.isSpot;
  const maxWaitMs = input.max_wait_s === undefined ? initial.maxWaitMs : (msOf(input.max_wait_s) ?? null);
  return {
    name: input.name ?? '',
    environment: or(input.environment, initial.environment),
    ...startedBy(input, initial),
    source: uploads.source ?? initial.source,
    hyperparameters: input.hyperparameters === undefined ? initial.hyperparameters : textsOf(input.hyperparameters),
    channels: channelsOf(input, initial.channels, uploads.data),
    output: outputOf(input, base),
    outputs: [],
    checkpoints: checkpointsOf(input, initial),
    instanceType: input.instance_type ?? initial.instanceType,
    volumeGb: input.volume_gb ?? initial.volumeGb,
    maxRuntimeMs,
    // A spot job that may not wait would be refused: it may wait as long as it may run.
    maxWaitMs: isSpot && maxWaitMs === null ? 2 * maxRuntimeMs : maxWaitMs,
    isSpot,
    retries: input.retries ?? initial.retries,
    metrics: input.metrics ?? initial.metrics,
    environmentVariables: input.environment_variables ?? initial.environmentVariables,
    isIsolated: input.isolated ?? initial.isIsolated,
    group: or(input.group, initial.group),
    priority: input.priority ?? initial.priority,
    image: initial.image,
    run: null,
    git: input.git === undefined ? initial.git : input.git === null ? null : { commit: input.git.commit, isDirty: input.git.dirty },
  };
}

function or<T>(provided: T | undefined, initial: T): T {
  return provided === undefined ? initial : provided;
}

function msOf(value: number | null | undefined): number | undefined {
  return value === undefined || value === null ? undefined : 1000 * value;
}

function textsOf(values: Readonly<Record<string, string | number | boolean>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}

/** Entry and command exclude each other: a new one replaces that of the job `from`, whichever it was. */
function startedBy({ entry, command }: TrainingInput, initial: Pick<TrainingSpec, 'entry' | 'command'>): typeof initial {
  if (typeof entry === 'string' && Array.isArray(command)) throw invalid('expected entry or command, got both');
  if (typeof entry === 'string') return { entry, command: null };
  if (Array.isArray(command)) return { entry: null, command };
  return { entry: or(entry, initial.entry), command: or(command, initial.command) };
}

function channelsOf(
  input: TrainingInput,
  initial: readonly TrainingChannel[],
  data: ReadonlyMap<string, string>,
): readonly TrainingChannel[] {
  if (input.channels === undefined && data.size === 0) return initial;
  const channels = (input.channels ?? []).map((channel): TrainingChannel => {
    const uploaded = data.get(channel.name);
    if (channel.source === undefined && uploaded === undefined) {
      throw invalid(`channel '${channel.name}' has no source: expected s3://bucket/prefix or a part data.${channel.name} of a form`);
    }
    if (channel.source !== undefined && uploaded !== undefined)
      throw invalid(`channel '${channel.name}' has two sources: ${channel.source}, and the part data.${channel.name}`);
    return {
      ...channelDefaults,
      name: channel.name,
      source: uploaded === undefined ? sourceOf(channel) : { kind: 's3', bucket: trainingBucket, prefix: uploaded },
      isGzip: channel.gzip ?? false,
      contentType: channel.content_type ?? null,
    };
  });
  const named = new Set(channels.map(({ name }) => name));
  for (const [name, prefix] of data)
    if (!named.has(name)) channels.push({ ...channelDefaults, name, source: { kind: 's3', bucket: trainingBucket, prefix } });
  return channels;
}

function sourceOf({ name, source = '', manifest, gzip, since_s, rows_max }: z.output<typeof channelInput>): TrainingChannel['source'] {
  const [, endpoint] = /^captured:(.*)$/s.exec(source) ?? [];
  if (endpoint !== undefined) {
    if (manifest === true || gzip === true) throw invalid(`channel '${name}': captured calls are neither a manifest nor gzip`);
    return { kind: 'captured', endpoint, sinceMs: msOf(since_s) ?? null, rowsMax: rows_max ?? capturedRowsDefault };
  }
  if (since_s !== undefined || rows_max !== undefined)
    throw invalid(`channel '${name}': since_s and rows_max are for captured calls: expected the source captured:ENDPOINT`);
  const place = objectsAt(`channel '${name}'`, source, 's3://bucket/prefix or captured:ENDPOINT');
  return manifest === true ? { kind: 's3', ...place, isManifest: true } : { kind: 's3', ...place };
}

function outputOf({ output, packed }: TrainingInput, base: TrainingSpec | null): TrainingSpec['output'] {
  const initial = base?.output ?? { bucket: trainingBucket, prefix: '', isPacked: true };
  const place = output === undefined ? initial : objectsAt('output', output);
  return { bucket: place.bucket, prefix: place.prefix, isPacked: packed ?? initial.isPacked };
}

function checkpointsOf({ checkpoints }: TrainingInput, initial: Pick<TrainingSpec, 'checkpoints'>): TrainingSpec['checkpoints'] {
  if (checkpoints === undefined) return initial.checkpoints;
  return checkpoints === null ? null : { ...objectsAt('checkpoints', checkpoints), path: checkpointPathDefault };
}

function objectsAt(what: string, uri: string, expected = 's3://bucket/prefix'): { readonly bucket: string; readonly prefix: string } {
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(uri) ?? [];
  if (bucket !== undefined) return { bucket, prefix };
  throw invalid(`${what}: expected ${expected}, got '${uri.slice(0, 200)}'`);
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

/** Processing jobs are stored beside training jobs, under ids with a prefix, and have routes of their own. Throws `not_found`. */
export function trainingJobName(name: string): string {
  if (jobKindOf(name) === 'training') return name;
  throw new PlatformError('not_found', `there is no training job '${name.slice(0, 80)}'`);
}
