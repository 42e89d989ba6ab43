/** Colours, where they are wanted: on a terminal, unless NO_COLOR says otherwise. */
import { styleText } from 'node:util';
import type { Output } from './doors.ts';

export type Colour = Parameters<typeof styleText>[0];

export class Style {
  readonly #coloured: boolean;

  constructor(output: Output, env: Readonly<Record<string, string | undefined>>) {
    this.#coloured = output.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
  }

  paint(colour: Colour, text: string): string {
    return this.#coloured ? styleText(colour, text, { validateStream: false }) : text;
  }

  /** The colour that the states of endpoints, workers and approvals wear everywhere. */
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
