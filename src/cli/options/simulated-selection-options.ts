/** Options of `penstock simulate --select`. */
import { type Command, Option } from 'commander';
import { parsedAccuracy, positiveInteger } from './parsed-values.ts';

export interface SimulatedSelectionOptions {
  readonly select?: readonly string[];
  readonly set?: string;
  readonly accuracy?: number;
  readonly degradeTo?: number;
  readonly instances?: number;
  readonly scaling: string;
}

export function addSelectionOptions(command: Command): Command {
  return command
    .optionsGroup('Model selection:')
    .option(
      '--select <models>',
      'simulate a choice of model for each batch: the candidates, comma-separated (see `penstock select`); needs a server',
      (text) => text.split(','),
    )
    .option('--set <name>', 'evaluation set that the candidates have answered')
    .option('--accuracy <floor>', "the accuracy to keep, such as '>=0.97'", parsedAccuracy)
    .option('--degrade-to <accuracy>', 'plans down to this accuracy may answer if the mean stays above the floor', parsedAccuracy)
    .option('--instances <count>', 'a fixed number of instances (default: they are scaled)', positiveInteger)
    .addOption(new Option('--scaling <policy>', 'how instances are scaled').default('economic'));
}
