/** `--follow` and `--tail`, for the verbs that show history and can follow it. */
import type { Command } from 'commander';
import { type CommonOptions, wholeNumber } from '../verb.ts';

export interface HistoryOptions extends CommonOptions {
  readonly follow: boolean;
  /** How many of the latest entries to show, the latest last. */
  readonly tail: number;
}

/** The server's maximum and the default number of entries. */
const bounds = {
  events: { most: 500, usual: 50 },
  lines: { most: 10_000, usual: 100 },
  decisions: { most: 500, usual: 10 },
} as const;

/** Adds both options; limit and default depend on what is shown. */
export function addHistoryOptions(command: Command, what: keyof typeof bounds): Command {
  const { most, usual } = bounds[what];
  return command
    .option('-f, --follow', 'keep printing new ones as they arrive', false)
    .option('-n, --tail <number>', `how many of the latest ${what} to show, at most ${most}`, wholeNumber(0, most), usual);
}
