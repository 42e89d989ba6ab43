/** The options that `penstock train` and `penstock tune` share, and the resulting spec. */
import { type Command, Option } from 'commander';
import type { EnvironmentBody } from '../../api/index.ts';
import { defined } from '../../defined.ts';
import { parseDurationMs } from '../../objective.ts';
import { CliError, ServerError } from '../cli-error.ts';
import { type Client, pathSegment } from '../client/client.ts';
import { bytesText, countText } from '../output/format.ts';
import { type CommonOptions, pairs, parsedBy, wholeNumber } from '../verb.ts';
import type { TrainData, TrainSource } from './train-inputs.ts';

export interface TrainedOptions extends CommonOptions {
  readonly entry?: string;
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
}

/** The environment that is used if none is named. */
const environmentDefault = 'sklearn';
/** Instead of an environment: the machine's own programs. */
const noEnvironment = 'none';

const duration = parsedBy(parseDurationMs);

export function addCodeOptions(command: Command): void {
  command
    .optionsGroup('Code and data:')
    .option('--entry <script>', 'the script of a folder (default: train.py)')
    .option(
      '--data <location>',
      'a file, a folder, s3://bucket/prefix, or captured:ENDPOINT for its captured calls with labels; as CHANNEL=LOCATION if not for the channel train; may be repeated',
      collected,
    )
    .option(
      '--environment <name>',
      `Python environment, or ${noEnvironment} for the machine's own Python and packages (default: ${environmentDefault})`,
    )
    .option('--hyperparameter <key=value>', 'passed to the script as --KEY VALUE; may be repeated', pairs)
    .option('--env <key=value>', 'environment variable of the script; may be repeated', pairs);
}

export function addMetricOption(command: Command): void {
  command.option('--metric <name=regex>', "a number in the output, such as 'accuracy=accuracy: ([0-9.]+)'; may be repeated", pairs);
}

export function addPlaceOptions(command: Command): void {
  command
    .option('--to <location>', 's3://bucket/prefix for the model (default: s3://penstock-training)')
    .option('--checkpoint <location>', 's3://bucket/prefix that /opt/ml/checkpoints is synchronised with');
}

export function addRunOptions(command: Command): void {
  command
    .option('--instance-type <type>', 'instance type: cores and memory')
    .option('--spot', 'cheaper: serving may interrupt it; it continues from its checkpoints', false)
    .option('--max-runtime <duration>', 'stop it after this time, such as 1h (default: 1d)', duration)
    .option('--max-wait <duration>', 'stop it after this time, waiting included', duration)
    .addOption(
      new Option('--retries <number>', 'further attempts after a crash of the platform (default: 2)').argParser(wholeNumber(0, 30)),
    )
    .option('--no-network', 'run it without network');
}

function collected(word: string, all: readonly string[] | undefined): string[] {
  return [...(all ?? []), word];
}

/** The named environment, else the usual one. Throws `CliError` if there is none. */
export async function environmentOf(client: Client, named: string | undefined): Promise<string | null> {
  if (named === noEnvironment) return null;
  const name = named ?? environmentDefault;
  try {
    const { state } = await client.get<EnvironmentBody>(`/environments/${pathSegment(name)}`);
    if (state === 'ready') return name;
    throw new CliError(`the environment ${name} is ${state}: see penstock environments describe ${name}`);
  } catch (error) {
    if (!(error instanceof ServerError && error.code === 'not_found')) throw error;
    const how = `create it with penstock environments create ${name}`;
    const else_ =
      named === undefined ? `, or name another with --environment (${noEnvironment}: the machine's own Python and packages)` : '';
    throw new CliError(`there is no environment ${name}: ${how}${else_}`, 1, { cause: error });
  }
}

export interface TrainInputs {
  readonly source: TrainSource;
  readonly data: readonly TrainData[];
  readonly environment: string | null;
}

/** The spec of a training job without its name and group. */
export function trainSpecOf(options: TrainedOptions, { source, data, environment }: TrainInputs) {
  const secondsOf = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : Math.max(1, Math.round(ms / 1000)));
  return defined({
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
}

/** `code 1 file 3 KiB, data 118 KiB` */
export function sizesText({ source, data }: Pick<TrainInputs, 'source' | 'data'>): string {
  const uploaded = data.reduce((sum, { bytes }) => sum + bytes, 0);
  const code = `code ${countText(source.directory.files.length, 'file')} ${bytesText(source.directory.bytes)}`;
  return `${code}${uploaded === 0 ? '' : `, data ${bytesText(uploaded)}`}`;
}
