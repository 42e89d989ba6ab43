/** Copies the output of a job's task into its log stream: each line once, even if the server is killed at any moment. */
import type { LogGroups } from '../../logs/index.ts';
import type { TaskLine, TaskOutput } from '../../providers/index.ts';

/** Where the output is read from, and the log that it goes to. */
export interface OutputLogDeps {
  readonly logGroups: Pick<LogGroups, 'follow' | 'sourceOffset'>;
  /** The output of the task from an offset on. */
  readonly output: (id: string, fromOffset: number) => Promise<TaskOutput>;
  /** Of the output of one attempt, with the time and the stream of each line. Default 192 MiB. */
  readonly logBytesMax?: number;
}

/** One stream holds the lines of all attempts, so its offset is the attempt and the offset in the output of that attempt. */
const attemptUnit = 2 ** 43;
const tailLines = 20;
/** Below the limit of the log group, which would otherwise delete the first lines, and those of other jobs, without a word. */
const logBytesMaxDefault = 192 * 2 ** 20;

/** The offset is stored with the lines, so neither is ahead of the other after a kill. Lines beyond the limit are returned, but not stored. */
export class OutputLog {
  readonly #deps: OutputLogDeps;
  readonly #group: string;
  readonly #stream: string;
  readonly #attempt: number;
  #offset: number;
  /** Bytes of this attempt that an earlier server copied and that were not read again yet. */
  #earlierEnd: number;
  #errors: string[] = [];
  #all: string[] = [];

  constructor(deps: OutputLogDeps, at: { readonly group: string; readonly stream: string; readonly attempt: number }) {
    this.#deps = deps;
    this.#group = at.group;
    this.#stream = at.stream;
    this.#attempt = at.attempt;
    const stored = deps.logGroups.sourceOffset(at.group, at.stream);
    const first = at.attempt * attemptUnit;
    this.#offset = stored >= first ? stored - first : 0;
    this.#earlierEnd = this.#offset;
  }

  /** The last lines of stderr; of everything if stderr is empty. Without those that an earlier server copied. */
  get tail(): readonly string[] {
    return this.#errors.length > 0 ? this.#errors : this.#all;
  }

  /** Lines of this attempt that an earlier server copied, and possibly some later ones; returned once, unless it throws. */
  async *earlier(id: string): AsyncGenerator<readonly TaskLine[]> {
    for (let from = 0; from < this.#earlierEnd; ) {
      const { lines, nextOffset } = await this.#deps.output(id, from);
      if (nextOffset === from) break;
      yield lines;
      from = nextOffset;
    }
    this.#earlierEnd = 0;
  }

  /** Copies the next lines. Returns them; empty if there are none yet. */
  async copy(id: string): Promise<readonly TaskLine[]> {
    const { lines, nextOffset } = await this.#deps.output(id, this.#offset);
    if (nextOffset === this.#offset) return [];
    const events = this.#stored(lines, nextOffset).map(({ at, line }) => ({ atMs: at, message: line }));
    await this.#deps.logGroups.follow(this.#group, this.#stream, events, this.#attempt * attemptUnit + nextOffset);
    this.#offset = nextOffset;
    const text = lines.slice(-tailLines).map(({ line }) => line);
    const errors = lines.filter(({ from }) => from === 'err').map(({ line }) => line);
    this.#all = [...this.#all, ...text].slice(-tailLines);
    this.#errors = [...this.#errors, ...errors.slice(-tailLines)].slice(-tailLines);
    return lines;
  }

  /** The first lines of an attempt, and all that are the platform's own. Whether a line is among them follows from its offset, also after a kill. */
  #stored(lines: readonly TaskLine[], nextOffset: number): readonly TaskLine[] {
    const { logBytesMax = logBytesMaxDefault } = this.#deps;
    if (this.#offset >= logBytesMax) return lines.filter(({ from }) => from === 'task');
    if (nextOffset < logBytesMax) return lines;
    const most = `${Math.round(logBytesMax / 2 ** 20)} MiB`;
    const line = `the output of this job exceeds the ${most} that its log holds: further lines are read for metrics only. Print less`;
    return [...lines, { at: lines.at(-1)?.at ?? 0, from: 'task', line }];
  }
}
