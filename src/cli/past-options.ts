/** `--follow` and `-n`, of the verbs that show what was and go on with what comes. */
import type { Command } from 'commander';
import { type CommonOptions, wholeNumber } from './verb.ts';

export interface PastOptions extends CommonOptions {
  readonly follow: boolean;
  /** How many of the past, the latest last. */
  readonly lines: number;
}

/** How many of each the server tells at most, and how many are shown unless somebody asks for others. */
const bounds = {
  events: { most: 500, usual: 50 },
  lines: { most: 10_000, usual: 100 },
} as const;

export function addPastOptions(command: Command, what: keyof typeof bounds): Command {
  const { most, usual } = bounds[what];
  return command
    .option('-f, --follow', 'go on with what comes', false)
    .option('-n, --lines <number>', `how many ${what} of the past, at most ${most}`, wholeNumber(0, most), usual);
}
