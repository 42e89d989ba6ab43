/** Runs one command of a build in a process group of its own, which ends as a whole. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import type { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';

/** A program with all of its environment: nothing is inherited from the server. */
export interface GroupCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** How the command is followed and ended. */
export interface GroupOptions {
  readonly clock: Clock;
  /** Ends the group at once. */
  readonly signal: AbortSignal;
  /** Receives each line of output, bounded. */
  readonly onLine: (line: string) => void;
  /** Called with the process id, which is also that of the group. */
  readonly onStarted?: (pid: number) => void;
}

/** How the command ended. A code other than 0 is not an error here. */
export interface GroupEnd {
  readonly code: number | null;
  /** Why the program did not run, or the signal that ended it; null if it ended by itself. */
  readonly problem: string | null;
}

const lineLengthMax = 1000;
const linesMax = 5000;
const pendingMax = 64 * 1024;
/** Serving has priority. */
const nice = 10;
const oomScoreAdjustment = '800';
/** A process that left the group may keep the output open. */
const outputWaitMs = 2000;

/** Resolves when the command and its group have ended. Never rejects. */
export function runGroup({ program, args, environment, cwd }: GroupCommand, options: GroupOptions): Promise<GroupEnd> {
  const { clock, signal, onLine, onStarted } = options;
  if (signal.aborted) return Promise.resolve({ code: null, problem: 'stopped' });
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const end = (): void => endGroup(child.pid);
    signal.addEventListener('abort', end, { once: true });
    const lines = new LineLimit(onLine);
    for (const stream of [child.stdout, child.stderr]) eachLineOf(stream, (line) => lines.add(line));
    if (child.pid !== undefined) {
      lower(child.pid);
      onStarted?.(child.pid);
    }
    let cancelWait: () => void = () => undefined;
    const done = (result: GroupEnd): void => {
      cancelWait();
      signal.removeEventListener('abort', end);
      resolve(result);
    };
    child.on('error', (error) => done({ code: null, problem: error.message }));
    child.on('exit', () => {
      end(); // processes that the command left behind
      cancelWait = clock.after(outputWaitMs, () => {
        child.stdout.destroy();
        child.stderr.destroy();
      });
    });
    child.on('close', (code, ended) => done({ code, problem: ended === null ? null : `ended by ${ended}` }));
  });
}

/** Kills every process of a group; does nothing if there is none. */
export function endGroup(pid: number | undefined): void {
  if (pid === undefined || pid <= 1) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended.
  }
}

function lower(pid: number): void {
  try {
    setPriority(pid, nice);
  } catch {
    // It has ended already.
  }
  writeFile(`/proc/${pid}/oom_score_adj`, oomScoreAdjustment).catch(() => undefined);
}

/** Passes on a bounded number of lines, without escape sequences and credentials. */
class LineLimit {
  readonly #onLine: (line: string) => void;
  #count = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  add(line: string): void {
    const text = cleanLine(line);
    if (text === '' || this.#count > linesMax) return;
    this.#count++;
    this.#onLine(this.#count > linesMax ? `further output is not recorded: more than ${linesMax} lines` : text);
  }
}

/** Without escape sequences, control characters and the credentials of URLs; at most 1,000 characters. */
export function cleanLine(line: string): string {
  return line
    .slice(0, 4 * lineLengthMax)
    .replaceAll(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, '')
    .replaceAll(/\p{Cc}/gu, ' ')
    .replaceAll(/:\/\/[^@/\s]*@/g, '://…@')
    .slice(0, lineLengthMax)
    .trimEnd();
}

function eachLineOf(stream: Readable, onLine: (line: string) => void): void {
  let pending = '';
  stream.setEncoding('utf8');
  stream.on('error', () => undefined);
  stream.on('data', (chunk: string) => {
    const lines = (pending + chunk).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) onLine(line);
    if (pending.length <= pendingMax) return;
    onLine(pending);
    pending = '';
  });
  stream.on('end', () => onLine(pending));
}
