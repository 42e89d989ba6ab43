/** The options of verbs that can register a model that runs as a process. */
import { type Command, Option } from 'commander';
import type { VersionBody } from '../../api/index.ts';
import { CliError } from '../cli-error.ts';
import type { ModelSource } from '../models/model-source.ts';
import { pairsText } from '../output/format.ts';
import { pairs } from '../verb.ts';

export interface ProcessOptions {
  readonly image?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function addProcessOptions(command: Command): void {
  command
    .addOption(new Option('--image <name>', 'serve the model with this image, defined under `images` in config.json'))
    .option('--env <key=value>', "an environment variable of the image's process; may be repeated", pairs);
}

/** Throws `CliError` if the options contradict each other or the model. */
export function checkProcessOptions({ image, env }: ProcessOptions, source: ModelSource): void {
  if (env !== undefined && image === undefined) throw new CliError('--env is only valid with --image: add --image NAME or remove --env', 2);
  if (image !== undefined && source.kind !== 'file' && source.kind !== 'directory') {
    throw new CliError('--image is only valid for a folder or an archive that is being registered: remove --image', 2);
  }
}

/** The fields that describe the runtime of a version that runs as a process. */
export function runtimeFields({ runtime }: VersionBody): (readonly [string, string])[] {
  if (runtime.kind !== 'process') return [];
  return [
    ['image', runtime.image],
    ['command', `${runtime.command.join(' ')} serve`],
    ['concurrency', `${runtime.concurrency} ${runtime.concurrency === 1 ? 'request' : 'requests'} per instance`],
    ['environment', pairsText(runtime.environment)],
    ...(runtime.paths === undefined ? [] : [['reads', runtime.paths.join(', ')] as const]),
    ...(runtime.isolation === undefined ? [] : [['isolation', "none: it runs with the server's rights"] as const]),
  ];
}
