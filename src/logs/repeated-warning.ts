/** A warning about an attempt that is repeated until it succeeds: logged when what it says changes, and then at most once a minute. */
import type { Clock } from '../clock.ts';
import type { Log } from './logs.ts';

const againMs = 60_000;

/** One for each thing that is tried again. */
export class RepeatedWarning {
  readonly #clock: Clock;
  readonly #log: Pick<Log, 'warn'>;
  readonly #message: string;
  #said: string | null = null;
  #saidAtMs = 0;
  /** Not logged since the last line. */
  #times = 0;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Pick<Log, 'warn'> }, message: string) {
    this.#clock = clock;
    this.#log = log;
    this.#message = message;
  }

  /** A line for the same fields as before has the number of `times` since the last one. `also`: fields that differ each time. */
  warn(fields: Readonly<Record<string, unknown>>, also: Readonly<Record<string, unknown>> = {}): void {
    const nowMs = this.#clock.nowMs();
    // Figures differ each time, and change little.
    const said = JSON.stringify(fields).replaceAll(/\d+/g, '#');
    const isSame = said === this.#said;
    this.#times++;
    if (isSame && nowMs - this.#saidAtMs < againMs) return;
    this.#log.warn({ ...fields, ...also, ...(isSame ? { times: this.#times } : {}) }, this.#message);
    [this.#said, this.#saidAtMs, this.#times] = [said, nowMs, 0];
  }

  /** The attempt succeeded: the next warning is a new one. */
  over(): void {
    [this.#said, this.#times] = [null, 0];
  }
}
