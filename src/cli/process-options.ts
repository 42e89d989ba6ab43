/** The options of verbs that may register a model which is a process. */
import { type Command, Option } from 'commander';
import type { VersionBody } from '../api/index.ts';
import { Failure } from './failure.ts';
import type { ModelSource } from './model-source.ts';
import { pairs } from './verb.ts';
import { pairsText } from './words.ts';

export interface ProcessOptions {
  readonly image?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function addProcessOptions(command: Command): void {
  command
    .addOption(new Option('--image <name>', 'what serves it: an image that `images` in config.json says how to run'))
    .option('--env <key=value>', 'a variable for its process; may be repeated', pairs);
}

/** Throws `Failure` where they do not fit together, or to the model. */
export function checkProcessOptions({ image, env }: ProcessOptions, source: ModelSource): void {
  if (env !== undefined && image === undefined)
    throw new Failure('--env is for the process of an image: add --image NAME, or leave it out', 2);
  if (image !== undefined && source.kind !== 'file' && source.kind !== 'directory') {
    throw new Failure('--image is for a folder or an archive that is registered now: leave it out', 2);
  }
}

/** What is told of what runs a version: for a process in place of tensors. */
export function runtimeFields({ runtime }: VersionBody): (readonly [string, string])[] {
  if (runtime.kind === 'onnx') return [];
  return [
    ['image', runtime.image],
    ['command', `${runtime.command.join(' ')} serve`],
    ['at once', `${runtime.concurrency} ${runtime.concurrency === 1 ? 'request' : 'requests'} in an instance`],
    ['environment', pairsText(runtime.environment)],
  ];
}
