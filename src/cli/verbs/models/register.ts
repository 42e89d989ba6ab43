/** `penstock register`: registers a file, a folder, an archive or a catalogue model as a version. */
import type { Command } from 'commander';
import type { VersionBody } from '../../../api/index.ts';
import { messageOf } from '../../../errors.ts';
import { checkName } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import type { Client } from '../../client/client.ts';
import { nameFor, readSource, registerSource } from '../../models/model-source.ts';
import { addProcessOptions, checkProcessOptions, type ProcessOptions, runtimeFields } from '../../options/process-options.ts';
import {
  addPythonOptions,
  batchableText,
  checkPythonOptions,
  opened,
  type PythonOptions,
  pythonFields,
  sendSample,
} from '../../options/python-options.ts';
import { bytesText, tensorsText } from '../../output/format.ts';
import { Progress } from '../../output/progress.ts';
import { fields } from '../../output/table.ts';
import { type CommonOptions, numbers, pairs, parsedBy, type VerbSession, verb } from '../../verb.ts';
import { decideApproval } from './approve.ts';

interface RegisterOptions extends CommonOptions, ProcessOptions, PythonOptions {
  readonly group?: string;
  readonly description?: string;
  readonly metadata?: Record<string, string>;
  readonly metric?: Record<string, number>;
  readonly tag?: Record<string, string>;
  readonly approve: boolean;
  readonly reuse: boolean;
}

const filesListedMax = 5;

export function addRegister(program: Command, context: CliContext): void {
  verb(
    program,
    context,
    'register <model> [group]',
    'register a model: FILE.onnx, a Python model, a folder or archive with one, or catalogue:NAME',
  )
    .with((command) => {
      command
        .option(
          '--group <name>',
          'the model group, if not given as an argument (default: the file name)',
          parsedBy((name) => checkName('group', name)),
        )
        .option('--description <text>', 'description of this version')
        .option('--metadata <key=value>', 'any metadata; may be repeated', pairs)
        .option('--metric <key=number>', 'a quality metric such as accuracy=0.98; may be repeated', numbers)
        .option('--tag <key=value>', 'a tag; may be repeated', pairs)
        .option('--reuse', 'reuse an existing version with the same bytes, if there is one', false)
        .option('--approve', 'approve the version for deployment', false);
      addProcessOptions(command);
      addPythonOptions(command);
    })
    .runs(async (session, options: RegisterOptions, model: string, named: string | undefined) => {
      const { image, env } = options;
      const source = await readSource(model, { registersOnly: true, image });
      checkProcessOptions(options, source);
      await checkPythonOptions(options, source);
      const group = groupNamed(named, options.group) ?? nameFor(source);
      const details = { description: options.description, metadata: options.metadata, metrics: options.metric, tags: options.tag };
      if (source.kind === 'catalogue' && Object.values(details).some((detail) => detail !== undefined)) {
        throw new CliError('a catalogue model has its own description, metadata and metrics: remove those options', 2);
      }
      const client = await session.client();
      const progress = new Progress(session.context);
      const { version: found, reused } = await registerSource(client, progress, source, group, {
        ...details,
        image,
        env,
        environment: options.environment,
        inputs: options.input,
        reuse: options.reuse,
      });
      const version = await completed(session, client, progress, found, options);
      const next =
        version.approval === 'Approved' ? `penstock deploy ${version.name} ${version.group}` : `penstock approve ${version.name}`;
      session.print(
        { version, reused },
        fields([
          ['version', `${version.name}${reused ? ' (already registered with the same bytes)' : ''}`],
          ['approval', session.style.state(version.approval)],
          ...runtimeFields(version),
          ...pythonFields(version),
          ['inputs', tensorsText(version.signature.inputs)],
          ['outputs', tensorsText(version.signature.outputs)],
          ['files', filesText(version)],
          ['batchable', batchableText(version)],
          ['notes', version.notes.join('\n')],
          ['next', next],
        ]),
      );
      return 0;
    });
}

/** Sends the sample and approves the version, if that was requested. */
async function completed(
  session: VerbSession,
  client: Client,
  progress: Progress,
  found: VersionBody,
  { sample, approve, acceptImports }: RegisterOptions,
): Promise<VersionBody> {
  const isOpen = found.python === null || found.python.state === 'opened';
  if (sample !== undefined && found.python === null) throw new CliError(`--sample is only valid for a Python model: ${found.name} is none`);
  if (sample !== undefined && isOpen)
    throw new CliError(`${found.name} has these bytes and is open already, so --sample would change nothing: leave out --reuse`);
  const sent = sample === undefined ? found : await sendSample(client, found, sample);
  if (!approve) return sent;
  return opened(client, progress, session.context, await decideApproval(client, sent.name, 'Approved', { accepts: acceptImports }));
}

/** The files of a model with external data; empty for a model in one file. */
function filesText({ artifact: { files = [] } }: VersionBody): string {
  const listed = files.slice(0, filesListedMax).map(({ path, bytes }) => `${path} (${bytesText(bytes)})`);
  return files.length > filesListedMax ? `${listed.join(', ')} and ${files.length - filesListedMax} more` : listed.join(', ');
}

function groupNamed(provided: string | undefined, option: string | undefined): string | undefined {
  if (provided === undefined) return option;
  if (option !== undefined && option !== provided)
    throw new CliError(`two group names were given, ${provided} and ${option}: remove --group`, 2);
  try {
    return checkName('group', provided);
  } catch (error) {
    throw new CliError(messageOf(error), 2);
  }
}
