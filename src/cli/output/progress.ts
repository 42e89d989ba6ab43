/** Reports the progress of long verbs on stderr: one line per stage. On a terminal, the running stage is animated. */
import type { Clock } from '../../clock.ts';
import type { CliContext } from '../cli-context.ts';
import { formatMsText } from './format.ts';
import { Style } from './style.ts';

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const frameMs = 80;
const clearLine = '\r\u001b[K';

/** Stages follow one another. stdout stays free for the result. */
export class Progress {
  readonly #context: Pick<CliContext, 'stderr' | 'env' | 'clock'>;
  readonly #clock: Clock;
  readonly #style: Style;
  readonly #turns: boolean;
  #stage: { readonly name: string; text: string; readonly startedMs: number } | null = null;
  #frame = 0;
  #cancel: () => void = () => {};

  constructor(context: Pick<CliContext, 'stderr' | 'env' | 'clock'>) {
    this.#context = context;
    this.#clock = context.clock;
    this.#style = new Style(context.stderr, context.env);
    this.#turns = context.stderr.isTTY === true && context.env.TERM !== 'dumb';
  }

  /** Completes the previous stage, if any, and starts the next. `name` is one or two words; `text` says what is being done. */
  stage(name: string, text: string): void {
    this.done();
    this.#stage = { name, text, startedMs: this.#clock.nowMs() };
    if (this.#turns) this.#turn();
  }

  /** Updates the text of the running stage. Without a terminal, each new text becomes a separate line. */
  write(text: string): void {
    if (this.#stage === null || this.#stage.text === text) return;
    if (!this.#turns) this.#line(' ', this.#stage.name, this.#stage.text, '');
    this.#stage.text = text;
  }

  /** Prints a remark that is not a stage. No stage may be running. */
  remark(name: string, text: string): void {
    this.#line(' ', name, text, '');
  }

  /** Completes the running stage successfully. */
  done(text?: string): void {
    if (this.#stage === null) return;
    const tookMs = this.#clock.nowMs() - this.#stage.startedMs;
    const took = tookMs < 1 ? '' : formatMsText(tookMs); // an instant stage needs no time
    this.#line(this.#style.paint('green', '✔'), this.#stage.name, text ?? this.#stage.text, took);
    this.#end();
  }

  /** Marks the running stage as failed. The caller that catches the error prints it. */
  fail(): void {
    if (this.#stage === null) return;
    this.#line(this.#style.paint('red', '✘'), this.#stage.name, this.#stage.text, '');
    this.#end();
  }

  #end(): void {
    this.#cancel();
    this.#cancel = () => {};
    this.#stage = null;
  }

  #turn(): void {
    if (this.#stage === null) return;
    const columns = this.#context.stderr.columns ?? 80;
    const line = `${frames[this.#frame++ % frames.length]} ${this.#stage.name.padEnd(nameWidth)} ${this.#stage.text}`;
    this.#context.stderr.write(`${clearLine}${line.slice(0, columns - 1)}`);
    this.#cancel = this.#clock.after(frameMs, () => this.#turn());
  }

  #line(mark: string, name: string, text: string, took: string): void {
    const suffix = took === '' ? '' : ` ${this.#style.paint('gray', `(${took})`)}`;
    this.#context.stderr.write(`${this.#turns ? clearLine : ''}${mark} ${name.padEnd(nameWidth)} ${text}${suffix}\n`);
  }
}

const nameWidth = 9;
