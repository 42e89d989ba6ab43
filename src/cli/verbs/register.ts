/** `penstock register`: a file, or a model of the catalogue, becomes a version. */
import type { Command } from 'commander';
import { messageOf } from '../../errors.ts';
import { checkName } from '../../objective.ts';
import type { Doors } from '../doors.ts';
import { Failure } from '../failure.ts';
import { nameFor, readSource, registerSource } from '../model-source.ts';
import { addProcessOptions, checkProcessOptions, type ProcessOptions, runtimeFields } from '../process-options.ts';
import { Progress } from '../progress.ts';
import { fields } from '../table.ts';
import { type CommonOptions, numbers, pairs, parsedBy, verb } from '../verb.ts';
import { tensorsText } from '../words.ts';
import { decide } from './approve.ts';

interface RegisterOptions extends CommonOptions, ProcessOptions {
  readonly group?: string;
  readonly description?: string;
  readonly metadata?: Record<string, string>;
  readonly metric?: Record<string, number>;
  readonly tag?: Record<string, string>;
  readonly approve: boolean;
  readonly reuse: boolean;
}

export function addRegister(program: Command, doors: Doors): void {
  verb(program, doors, 'register <model> [group]', 'register a model: FILE.onnx or catalogue:NAME, or a folder with --image')
    .with((command) => {
      command
        .option(
          '--group <name>',
          'the model group, if not given above (default: the file name)',
          parsedBy((name) => checkName('group', name)),
        )
        .option('--description <text>', 'what this version is')
        .option('--metadata <key=value>', 'anything worth keeping; may be repeated', pairs)
        .option('--metric <key=number>', 'how good it is, such as accuracy=0.98; may be repeated', numbers)
        .option('--tag <key=value>', 'may be repeated', pairs)
        .option('--reuse', 'take the version that has the same bytes, if there is one', false)
        .option('--approve', 'approve it for deployment at once', false);
      addProcessOptions(command);
    })
    .runs(async (session, options: RegisterOptions, model: string, named: string | undefined) => {
      const { image, env } = options;
      const source = await readSource(model, { registersOnly: true, image });
      checkProcessOptions(options, source);
      const group = groupNamed(named, options.group) ?? nameFor(source);
      const details = { description: options.description, metadata: options.metadata, metrics: options.metric, tags: options.tag };
      if (source.kind === 'catalogue' && Object.values(details).some((detail) => detail !== undefined)) {
        throw new Failure('a model of the catalogue comes with its own description, metadata and metrics: leave those options out', 2);
      }
      const client = await session.client();
      const progress = new Progress(session.doors);
      const { version: found, reused } = await registerSource(client, progress, source, group, {
        ...details,
        image,
        env,
        reuse: options.reuse,
      });
      const version = options.approve ? await decide(client, found.name, 'Approved') : found;
      const next = version.approval === 'Approved' ? `penstock deploy ${version.name}` : `penstock approve ${version.name}`;
      session.print(
        { version, reused },
        fields([
          ['version', `${version.name}${reused ? ' (the same bytes were registered before)' : ''}`],
          ['approval', session.style.state(version.approval)],
          ...runtimeFields(version),
          ['inputs', tensorsText(version.signature.inputs)],
          ['outputs', tensorsText(version.signature.outputs)],
          ['batchable', `${version.batchable ? 'yes' : 'no'}: ${version.batchable_reason}`],
          ['notes', version.notes.join('\n')],
          ['next', next],
        ]),
      );
      return 0;
    });
}

function groupNamed(given: string | undefined, option: string | undefined): string | undefined {
  if (given === undefined) return option;
  if (option !== undefined && option !== given) throw new Failure(`the group is called ${given} and ${option}: leave out --group`, 2);
  try {
    return checkName('group', given);
  } catch (error) {
    throw new Failure(messageOf(error), 2);
  }
}
