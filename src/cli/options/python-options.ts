/** The options of verbs that can register or approve a Python model, and what is shown of one. */
import { readFile, stat } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { VersionBody } from '../../api/index.ts';
import { checkName } from '../../objective.ts';
import { isDatatype, type TensorSpec } from '../../tensor.ts';
import type { CliContext } from '../cli-context.ts';
import { CliError } from '../cli-error.ts';
import type { Client } from '../client/client.ts';
import { pause } from '../client/pause.ts';
import { type ModelSource, versionUrlPath } from '../models/model-source.ts';
import type { Progress } from '../output/progress.ts';
import { parsedBy } from '../verb.ts';

export interface PythonOptions {
  readonly sample?: string;
  readonly environment?: string;
  readonly input?: readonly TensorSpec[];
  readonly acceptImports?: boolean;
}

const sampleBytesMax = 2 ** 20;
const pollMs = 200;
const listedMax = 8;

const contentTypes: Readonly<Record<string, string>> = {
  csv: 'text/csv',
  npy: 'application/x-npy',
  json: 'application/json',
  jsonl: 'application/jsonlines',
  txt: 'text/plain',
};

export function addPythonOptions(command: Command): void {
  command
    .addOption(new Option('--sample <file>', 'real rows for opening a Python model: .csv with a header, .npy, .json, .jsonl or .txt'))
    .addOption(
      new Option('--environment <name>', 'the environment in which a Python model runs').argParser(
        parsedBy((name) => checkName('environment', name)),
      ),
    )
    .addOption(
      new Option(
        '--input <spec>',
        "an input of a TorchScript file, which does not say it, such as 'x FP32 [-1,30]'; may be repeated",
      ).argParser(inputs),
    )
    .addOption(acceptImports());
}

/** Adds `x FP32 [-1,30]` to the inputs. */
function inputs(text: string, before: readonly TensorSpec[] = []): readonly TensorSpec[] {
  const [, name, datatype, sizes] = /^\s*(\S+)\s+(\S+)\s+\[\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\]\s*$/.exec(text) ?? [];
  if (name === undefined || sizes === undefined || !isDatatype(datatype)) {
    throw new InvalidArgumentError("expected a name, a datatype and a shape in which -1 varies, such as 'x FP32 [-1,30]'");
  }
  return [...before, { name, datatype, shape: sizes.split(',').map(Number) }];
}

/** Approving such a model is a decision of its own, so there is no default that allows it. */
export function acceptImports(): Option {
  return new Option('--accept-imports', 'approve a Python model that imports names outside of the known libraries').default(false);
}

/**
 * Before anything is uploaded: throws `CliError` if the model is registered already, or comes from the catalogue, if the sample cannot be
 * sent, and if imports are accepted without an approval.
 */
export async function checkPythonOptions(
  { sample, environment, input, acceptImports: accepts = false, approve }: PythonOptions & { readonly approve: boolean },
  { kind }: ModelSource,
): Promise<void> {
  if (accepts && !approve) throw new CliError('--accept-imports is part of an approval: add --approve, or remove it', 2);
  if (kind === 'file' || kind === 'directory') {
    if (sample !== undefined) await sampleTypeOf(sample);
    return;
  }
  const option = sample !== undefined ? '--sample' : environment !== undefined ? '--environment' : input !== undefined ? '--input' : null;
  if (option !== null) throw new CliError(`${option} is only valid for a file or a folder that is being registered: remove it`, 2);
}

/** Sends the sample of a version that was just registered. */
export async function sendSample(client: Client, { name }: VersionBody, path: string): Promise<VersionBody> {
  const contentType = await sampleTypeOf(path);
  return client.put<VersionBody>(`${versionUrlPath(name)}/sample`, { body: await readFile(path), contentType });
}

/** The content type of a sample. Throws `CliError` if it cannot be sent. */
async function sampleTypeOf(path: string): Promise<string> {
  const contentType = contentTypes[path.slice(path.lastIndexOf('.') + 1).toLowerCase()];
  if (contentType === undefined) throw new CliError(`cannot use ${path} as a sample: expected a .csv, .npy, .json, .jsonl or .txt file`, 2);
  const { size } = await stat(path).catch((cause: Error) => {
    throw new CliError(`cannot read the sample ${path}: ${cause.message}`, 1, { cause });
  });
  if (size > sampleBytesMax) throw new CliError(`the sample ${path} has more than 1 MiB: a few rows are enough`);
  return contentType;
}

/**
 * Waits until a Python model is open. Prints the last lines and throws `CliError` with the reason if it cannot be opened. Ctrl-C ends the
 * waiting, not the opening.
 */
export async function opened(
  client: Client,
  progress: Progress,
  { clock, interrupted }: Pick<CliContext, 'clock' | 'interrupted'>,
  version: VersionBody,
): Promise<VersionBody> {
  if (version.python?.state !== 'opening') return version;
  progress.stage('open', `${version.name}: ${stageText(version)}`);
  let current = version;
  while (current.python?.state === 'opening') {
    progress.write(`${version.name}: ${stageText(current)}`);
    await pause(clock, pollMs, interrupted);
    if (interrupted.aborted) {
      const todo = `check with \`penstock describe ${version.name}\`, or end it with \`penstock reject ${version.name}\``;
      throw new CliError(`interrupted: the server continues to open ${version.name}; ${todo}`);
    }
    current = await client.get<VersionBody>(versionUrlPath(version.name));
  }
  if (current.approval === 'Approved') {
    progress.done(current.name);
    return current;
  }
  progress.fail();
  const { reason, last_lines: lines = [] } = current.python ?? {};
  for (const line of lines) progress.remark('log', line);
  throw new CliError(`${version.name} is not approved: ${reason ?? 'its opening was cancelled'}`);
}

/** What a running opening does now. */
function stageText({ runtime, python }: VersionBody): string {
  const stage = python?.stage ?? 'loading';
  if (stage === 'probe') return 'tests whether rows can share a batch';
  if (stage === 'loading' || runtime.kind !== 'python') return 'runs its code in a worker, and reads its signature';
  const { name } = runtime.environment;
  const requirements = python?.requirements ?? null;
  if (name === null && requirements !== null) return `builds the environment of its ${requirements}, unless it exists`;
  return `prepares the environment ${name ?? 'default'}`;
}

/** The fields that describe a Python model; none for others. */
export function pythonFields(version: VersionBody): (readonly [string, string])[] {
  const { runtime, python } = version;
  if (runtime.kind !== 'python' || python === null) return [];
  const { environment } = runtime;
  const name = environment.name ?? (python.requirements === null ? 'default' : `of its ${python.requirements}`);
  const loaded = Object.entries(python.libraries ?? {});
  // A library can be installed under a longer name: `xgboost-cpu` is `xgboost`.
  const main = python.needs.flatMap((each) => {
    const found = loaded.find(([name]) => name === each) ?? loaded.find(([name]) => name.startsWith(`${each}-`));
    return found === undefined ? [] : [found.join(' ')];
  });
  const libraries = main.length === 0 ? (python.needs.length === 0 ? '' : ` (needs ${python.needs.join(', ')})`) : ` (${main.join(', ')})`;
  const state = python.state === 'opened' ? `python ${python.python}` : 'python, opened at approval';
  return [
    ['runtime', `${state}, environment ${name}${libraries}`],
    ['flavour', runtime.form === null ? runtime.flavour : `${runtime.flavour}, takes ${runtime.form}`],
    ['opens', importsText(runtime.flavour, python)],
    ...(python.state === 'opening' ? [['opening', `${stageText(version)}, requested by ${python.requested_by}`] as const] : []),
    ...(python.state === 'failed' ? [['failed', python.reason ?? ''] as const] : []),
    ...(python.columns === null ? [] : [['columns', listed(python.columns)] as const]),
  ];
}

/** The option of `penstock invoke` that fits what a model takes. */
export function requestOption(version: Pick<VersionBody, 'runtime'> | null): string {
  const runtime = version?.runtime;
  if (runtime?.kind === 'process') return '--file BODY --type CONTENT-TYPE';
  if (runtime?.kind !== 'python') return '--file ROWS.csv';
  const options = {
    tensors: '--file ROWS.csv',
    json: '--file ROWS.jsonl',
    bytes: '--file BODY --type CONTENT-TYPE',
    stream: '--data JSON',
  };
  return options[runtime.form ?? 'tensors'];
}

/** Whether a batch can hold several requests, which is unknown before the model is opened. */
export function batchableText({ batchable, batchable_reason: reason, python }: VersionBody): string {
  if ((python?.state ?? 'opened') !== 'opened') return 'unknown: tested when the model is opened, at its approval';
  return `${batchable ? 'yes' : 'no'}: ${reason}`;
}

/** Files of these libraries describe trees: they hold no code. */
const withoutCode: ReadonlySet<string> = new Set(['xgboost', 'lightgbm', 'catboost']);

function importsText(flavour: string, { imports }: NonNullable<VersionBody['python']>): string {
  if ((withoutCode.has(flavour) && imports === null) || imports?.all.length === 0) return 'a file without code';
  if (imports === null) return 'its code runs when it is opened and with every request';
  const packages = [...new Set(imports.all.map((name) => name.split('.')[0] ?? name))];
  const outside =
    imports.outside.length === 0 ? 'no names outside of the libraries' : `outside of the libraries: ${listed(imports.outside)}`;
  return `${flavour === 'skops' ? 'a list of types' : 'a pickle'}: opening it runs code of ${listed(packages)} (${outside})`;
}

function listed(names: readonly string[]): string {
  const more = names.length > listedMax ? ` and ${names.length - listedMax} more` : '';
  return `${names.slice(0, listedMax).join(', ')}${more}`;
}
