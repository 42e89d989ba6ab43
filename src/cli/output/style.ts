/** Colours, used on a terminal unless NO_COLOR is set. */
import { styleText } from 'node:util';
import type { Output } from '../cli-context.ts';

export type Colour = Parameters<typeof styleText>[0];

/** Without a terminal, every method returns the text unchanged. */
export class Style {
  readonly #coloured: boolean;

  constructor(output: Output, env: Readonly<Record<string, string | undefined>>) {
    this.#coloured = output.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
  }

  paint(colour: Colour, text: string): string {
    return this.#coloured ? styleText(colour, text, { validateStream: false }) : text;
  }

  /** The word in the colour of its state: endpoint, worker, approval, check, rule or alarm. */
  state(word: string): string {
    const colour = stateColours[word];
    return colour === undefined ? word : this.paint(colour, word);
  }
}

const stateColours: Readonly<Record<string, Colour>> = {
  InService: 'green',
  Approved: 'green',
  ready: 'green',
  ok: 'green',
  enabled: 'green',
  OK: 'green',
  Creating: 'yellow',
  Updating: 'yellow',
  Deleting: 'yellow',
  PendingManualApproval: 'yellow',
  starting: 'yellow',
  warning: 'yellow',
  failing: 'yellow',
  Unloaded: 'gray',
  disabled: 'gray',
  Failed: 'red',
  Rejected: 'red',
  failed: 'red',
  problem: 'red',
  'set-aside': 'red',
  'given up': 'red',
  ALARM: 'red',
};
