/** `penstock train`: runs a script on data, and registers the model that it writes. */
import { type Command, Option } from 'commander';
import type { EnvironmentBody, TrainingJobBody, VersionBody } from '../../api/index.ts';
import { defined } from '../../defined.ts';
import { checkName, parseDurationMs } from '../../objective.ts';
import type { CliContext } from '../cli-context.ts';
import { CliError, ServerError } from '../cli-error.ts';
import { type Client, pathSegment } from '../client/client.ts';
import { formBody } from '../client/form-body.ts';
import { versionUrlPath } from '../models/model-source.ts';
import { bytesText, countText, formatMsText, formatUsd } from '../output/format.ts';
import { Progress } from '../output/progress.ts';
import { approveIfBetter, type BetterBy, parseBetterBy } from '../training/approve-if-better.ts';
import { followJob } from '../training/follow-job.ts';
import { formatMetric } from '../training/format-job.ts';
import { readTrainData, readTrainSource, sourcePart, type TrainData, type TrainSource } from '../training/train-inputs.ts';
import { type CommonOptions, pairs, parsedBy, type VerbSession, verb, wholeNumber } from '../verb.ts';

interface TrainOptions extends CommonOptions {
  readonly entry?: string;
  readonly group?: string;
  readonly name?: string;
  readonly environment?: string;
  readonly data?: readonly string[];
  readonly hyperparameter?: Record<string, string>;
  readonly metric?: Record<string, string>;
  readonly env?: Record<string, string>;
  readonly to?: string;
  readonly checkpoint?: string;
  readonly instanceType?: string;
  readonly spot: boolean;
  /** Milliseconds. */
  readonly maxRuntime?: number;
  readonly maxWait?: number;
  readonly retries?: number;
  /** False with --no-network. */
  readonly network: boolean;
  readonly wait: boolean;
  readonly detach: boolean;
  readonly approveIfBetter?: BetterBy;
}

/** The environment that is used if none is named. */
const environmentDefault = 'sklearn';
/** Instead of an environment: the programs of the machine. */
const noEnvironment = 'none';

export function addTrain(program: Command, context: CliContext): void {
  verb(program, context, 'train <path>', 'train a model: run a script, or a folder with --entry, on data, and register what it writes')
    .with(addTrainOptions)
    .runs(async (session, options: TrainOptions, path: string) => {
      const waits = options.wait && !options.detach;
      if (options.approveIfBetter !== undefined && (!waits || options.group === undefined))
        throw new CliError('--approve-if-better needs --group and the end of the job: add --group NAME, and leave --detach out', 2);
      const source = await readTrainSource(path, options.entry);
      const data = await Promise.all((options.data ?? []).map(readTrainData));
      const client = await session.client();
      const environment = await environmentOf(client, options.environment);
      const job = await startJob(session, client, options, { source, data, environment });
      if (!waits) {
        session.print(job, `${job.name} was created: follow it with penstock training logs -f ${job.name}\n`);
        return 0;
      }
      const over = await followJob(session, client, job);
      return over === null ? 1 : await reportEnd(session, client, over, options.approveIfBetter);
    });
}

function addTrainOptions(command: Command): void {
  const duration = parsedBy(parseDurationMs);
  command
    .optionsGroup('Code and data:')
    .option('--entry <script>', 'the script of a folder (default: train.py)')
    .option(
      '--data <location>',
      'a file, a folder or s3://bucket/prefix, as CHANNEL=LOCATION if not for the channel train; may be repeated',
      collected,
    )
    .option(
      '--environment <name>',
      `Python environment, or ${noEnvironment} for the programs of the machine (default: ${environmentDefault})`,
    )
    .option('--hyperparameter <key=value>', 'passed to the script as --KEY VALUE; may be repeated', pairs)
    .option('--env <key=value>', 'environment variable of the script; may be repeated', pairs)
    .optionsGroup('Results:')
    .option(
      '--group <name>',
      'register the model as the next version of this group',
      parsedBy((name) => checkName('group', name)),
    )
    .option('--metric <name=regex>', "a number in the output, such as 'accuracy=accuracy: ([0-9.]+)'; may be repeated", pairs)
    .addOption(
      new Option(
        '--approve-if-better <metric>',
        'approve the version if its metric is better than the approved one; rmse:min if lower is better',
      ).argParser(parseBetterBy),
    )
    .option('--to <location>', 's3://bucket/prefix for the model (default: s3://penstock-training)')
    .option('--checkpoint <location>', 's3://bucket/prefix that /opt/ml/checkpoints is synchronised with')
    .optionsGroup('Run:')
    .option('--name <name>', 'name of the job (default: GROUP-N, counted)')
    .option('--instance-type <type>', 'instance type: cores and memory')
    .option('--spot', 'cheaper: serving may interrupt it; it continues from its checkpoints', false)
    .option('--max-runtime <duration>', 'stop it after this time, such as 1h (default: 1d)', duration)
    .option('--max-wait <duration>', 'stop it after this time, waiting included', duration)
    .addOption(
      new Option('--retries <number>', 'further attempts after a crash of the platform (default: 2)').argParser(wholeNumber(0, 30)),
    )
    .option('--no-network', 'run it without network')
    .option('--wait', 'wait for its end; Ctrl-C detaches, a second one stops it', true)
    .option('--detach', 'return at once, while it runs', false);
}

function collected(word: string, all: readonly string[] | undefined): string[] {
  return [...(all ?? []), word];
}

/** The named environment, else the usual one. Throws `CliError` if there is none. */
async function environmentOf(client: Client, named: string | undefined): Promise<string | null> {
  if (named === noEnvironment) return null;
  const name = named ?? environmentDefault;
  try {
    const { state } = await client.get<EnvironmentBody>(`/environments/${pathSegment(name)}`);
    if (state === 'ready') return name;
    throw new CliError(`the environment ${name} is ${state}: see penstock environments describe ${name}`);
  } catch (error) {
    if (!(error instanceof ServerError && error.code === 'not_found')) throw error;
    const how = `make it with penstock environments create ${name}`;
    const else_ = named === undefined ? `, or name another with --environment (${noEnvironment}: the programs of the machine)` : '';
    throw new CliError(`there is no environment ${name}: ${how}${else_}`, 1, { cause: error });
  }
}

interface TrainInputs {
  readonly source: TrainSource;
  readonly data: readonly TrainData[];
  readonly environment: string | null;
}

async function startJob(
  session: VerbSession,
  client: Client,
  options: TrainOptions,
  { source, data, environment }: TrainInputs,
): Promise<TrainingJobBody> {
  const secondsOf = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : Math.max(1, Math.round(ms / 1000)));
  const spec = defined({
    name: options.name,
    group: options.group,
    environment,
    entry: source.entry,
    hyperparameters: options.hyperparameter,
    channels: data.map(({ channel, source: place }) => ({ name: channel, ...(place === null ? {} : { source: place }) })),
    output: options.to,
    checkpoints: options.checkpoint,
    instance_type: options.instanceType,
    max_runtime_s: secondsOf(options.maxRuntime),
    max_wait_s: secondsOf(options.maxWait),
    spot: options.spot,
    retries: options.retries,
    metrics: Object.entries(options.metric ?? {}).map(([name, regex]) => ({ name, regex })),
    environment_variables: options.env,
    isolated: !options.network,
    git: source.git,
  });
  const progress = new Progress(session.context);
  const uploaded = data.reduce((sum, { bytes }) => sum + bytes, 0);
  const code = `code ${countText(source.directory.files.length, 'file')} ${bytesText(source.directory.bytes)}`;
  const sizes = `${code}${uploaded === 0 ? '' : `, data ${bytesText(uploaded)}`}`;
  progress.stage('upload', sizes);
  try {
    const parts = [
      { name: 'spec', content: JSON.stringify(spec) },
      sourcePart(source),
      ...data.flatMap(({ part }) => (part === null ? [] : [part])),
    ];
    const job = await client.post<TrainingJobBody>('/training-jobs', formBody(parts));
    progress.done(`${job.name} (${job.environment ?? 'programs of the machine'}, ${job.instance_type}): ${sizes}`);
    for (const note of job.notes) progress.remark('note', note);
    return job;
  } catch (error) {
    progress.fail();
    throw error;
  }
}

/** Prints the end of a job. Throws `CliError` unless it completed. */
async function reportEnd(session: VerbSession, client: Client, job: TrainingJobBody, by?: BetterBy): Promise<number> {
  const version = by === undefined ? await versionOf(client, job) : await approveIfBetter(session, client, job, by);
  if (job.status !== 'Completed') {
    session.print(job, '');
    const why = job.reason ?? job.transitions.at(-1)?.message ?? '';
    throw new CliError(`${job.name} is ${job.status}: ${why}; see penstock training logs ${job.name}`);
  }
  for (const note of job.notes) session.remark(`note: ${note}`);
  session.print({ ...job, model_version: version }, await endText(client, job, version));
  return 0;
}

async function versionOf(client: Client, { version }: TrainingJobBody): Promise<VersionBody | null> {
  return version === null ? null : client.get<VersionBody>(versionUrlPath(version));
}

/** `completed in 6.9 s, $0.0004: digits/7, accuracy 0.953 (digits/6: 0.941), PendingManualApproval`, and what to do next. */
async function endText(client: Client, job: TrainingJobBody, version: VersionBody | null): Promise<string> {
  const took = formatMsText(Date.parse(job.ended_at ?? job.updated_at) - Date.parse(job.created_at));
  const cost = job.usage === null ? '' : `, ${formatUsd(job.usage.usd)}`;
  const before = version === null ? null : await versionBefore(client, version);
  const measured = job.metrics.map(({ name, value }) => {
    const old = before?.metrics[name];
    return `${name} ${formatMetric(value)}${old === undefined ? '' : ` (${before?.name}: ${formatMetric(old)})`}`;
  });
  const results = version === null ? [job.artifact ?? 'no model', ...measured] : [version.name, ...measured, version.approval];
  const done = `completed in ${took}${cost}: ${results.join(', ')}\n`;
  if (version === null) return done;
  return `${done}next: ${version.approval === 'Approved' ? `penstock deploy ${version.name} ${version.group}` : `penstock approve ${version.name}`}\n`;
}

/** The version of the group before this one, which may have been deleted. */
async function versionBefore(client: Client, { group, version }: VersionBody): Promise<VersionBody | null> {
  if (version === 1) return null;
  return client.get<VersionBody>(versionUrlPath(`${group}/${version - 1}`)).catch((error: unknown) => {
    if (error instanceof ServerError && error.code === 'not_found') return null;
    throw error;
  });
}
