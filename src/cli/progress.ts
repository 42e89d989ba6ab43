/** What a verb that takes its time is doing: one line a stage, on stderr; on a terminal the running one turns. */
import type { Clock } from '../clock.ts';
import type { Doors } from './doors.ts';
import { Style } from './style.ts';
import { msText } from './words.ts';

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const frameMs = 80;
const clearLine = '\r\u001b[K';

export class Progress {
  readonly #doors: Pick<Doors, 'stderr' | 'env' | 'clock'>;
  readonly #clock: Clock;
  readonly #style: Style;
  readonly #turns: boolean;
  #stage: { readonly name: string; text: string; readonly startedMs: number } | null = null;
  #frame = 0;
  #cancel: () => void = () => {};

  constructor(doors: Pick<Doors, 'stderr' | 'env' | 'clock'>) {
    this.#doors = doors;
    this.#clock = doors.clock;
    this.#style = new Style(doors.stderr, doors.env);
    this.#turns = doors.stderr.isTTY === true && doors.env.TERM !== 'dumb';
  }

  /** Ends the stage before, if any, and starts the next. `name` is one or two words, `text` what is being done. */
  stage(name: string, text: string): void {
    this.done();
    this.#stage = { name, text, startedMs: this.#clock.nowMs() };
    if (this.#turns) this.#turn();
  }

  /** Says more about the running stage. Off a terminal each new text is a line of its own. */
  say(text: string): void {
    if (this.#stage === null || this.#stage.text === text) return;
    if (!this.#turns) this.#line(' ', this.#stage.name, this.#stage.text, '');
    this.#stage.text = text;
  }

  /** Something to know that is no stage of its own; the running one must be done. */
  remark(name: string, text: string): void {
    this.#line(' ', name, text, '');
  }

  /** The running stage has gone well. */
  done(text?: string): void {
    if (this.#stage === null) return;
    const tookMs = this.#clock.nowMs() - this.#stage.startedMs;
    const took = tookMs < 1 ? '' : msText(tookMs); // what takes no time is no news
    this.#line(this.#style.paint('green', '✔'), this.#stage.name, text ?? this.#stage.text, took);
    this.#end();
  }

  /** The running stage has failed; the error itself is told by whoever catches it. */
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
    const columns = this.#doors.stderr.columns ?? 80;
    const line = `${frames[this.#frame++ % frames.length]} ${this.#stage.name.padEnd(nameWidth)} ${this.#stage.text}`;
    this.#doors.stderr.write(`${clearLine}${line.slice(0, columns - 1)}`);
    this.#cancel = this.#clock.after(frameMs, () => this.#turn());
  }

  #line(mark: string, name: string, text: string, took: string): void {
    const suffix = took === '' ? '' : ` ${this.#style.paint('gray', `(${took})`)}`;
    this.#doors.stderr.write(`${this.#turns ? clearLine : ''}${mark} ${name.padEnd(nameWidth)} ${text}${suffix}\n`);
  }
}

const nameWidth = 9;
