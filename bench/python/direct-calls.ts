/** The function of a model called in a Python program, without a server: a process that measures on request and sleeps otherwise. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Models, oneThread } from './subjects.ts';

export class DirectCalls {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  /** `python`: folder of the environment. */
  static start(model: string, { folder }: Models, python: string): DirectCalls {
    const script = fileURLToPath(new URL('./models/direct.py', import.meta.url));
    const args = [script, `${folder}/${model}`, `${folder}/rows.json`];
    const child = spawn(`${python}/bin/python`, args, { env: { ...process.env, ...oneThread }, stdio: ['pipe', 'pipe', 'inherit'] });
    return new DirectCalls(child, createInterface(child.stdout)[Symbol.asyncIterator]());
  }

  /** Median milliseconds of a call. `pauseMs`: before each call, not counted. */
  async medianMs(rows: number, measureMs: number, pauseMs = 0): Promise<number> {
    this.#child.stdin?.write(`${rows} ${measureMs / 1000} ${pauseMs}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error('the Python program that calls the function has ended');
    return Number(line.value);
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }
}
