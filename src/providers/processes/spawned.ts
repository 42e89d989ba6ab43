/** A process that runs a worker, and how one is spawned. `worker-process.ts` uses it without regard to how it was started. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { LastLines } from '../../runtime/index.ts';
import { descendantOf, treeOf } from './process-facts.ts';
import { killGroup } from './process-tree.ts';
import { type ProcessExit, shellExit } from './shell-exit.ts';

/** `call`: the number of the call of a Python worker that printed the line; null if none did. */
export type LineListener = (line: string, isError: boolean, call: number | null) => void;

/** Two implementations: a process that this server spawned, and one that a fork server forked. */
export interface Spawned {
  /** The pid of the worker itself, on the host. Reliable once the worker has said hello; null if no process was started. */
  readonly pid: number | null;
  readonly exit: ProcessExit;
  /** The worker and all its processes, on the host; empty if it has ended. */
  readonly processes: readonly number[];
  /** Its last output. */
  readonly lines: LastLines;
  /** Resolves once it has ended and all its output was read: `exit code 1: last lines` or `killed by SIGKILL`. */
  readonly ended: Promise<string>;
  /** Called for each line that it prints; replaces the previous listener. */
  onLine(listener: LineListener): void;
  /** SIGTERM to the worker. */
  terminate(): void;
  /** SIGUSR2 to the worker: a Python worker prints the stack of each thread. It would end a worker that does not expect it. */
  requestStack(): void;
  /** Ends it at once, together with all processes of its namespace or group. */
  kill(): void;
}

/** How a process is spawned. */
export interface SpawnOptions {
  readonly clock: Clock;
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Shared memory, which the worker finds as its file descriptor 3; null for none. */
  readonly memoryFd: number | null;
  /** Whether it inherits a connection, as its file descriptor 4. */
  readonly hasChannel?: boolean;
  /** Whether the spawned process is `unshare`, and the worker its grandchild. */
  readonly isNamespaced: boolean;
  /** Whether it may start processes of its own, which end with it. */
  readonly startsProcesses: boolean;
}

/** A worker that is a child process of the server. */
export class SpawnedProcess implements Spawned {
  readonly lines = new LastLines();
  readonly ended: Promise<string>;
  /** The connection that it inherited; null without one, and if nothing was spawned. */
  readonly channel: Socket | null;
  readonly #child: ChildProcess;
  readonly #isNamespaced: boolean;
  readonly #startsProcesses: boolean;
  #listener: LineListener = () => undefined;

  /** Throws if the process cannot be created because of its arguments; if the system refuses it, `ended` has the reason. */
  constructor(options: SpawnOptions) {
    const { clock, program, args, cwd, environment, memoryFd, hasChannel = false, isNamespaced, startsProcesses } = options;
    this.#isNamespaced = isNamespaced;
    this.#startsProcesses = startsProcesses;
    const child = spawn(program, args, {
      cwd,
      env: { ...environment },
      // The fourth: see shared-memory.ts. The fifth: see blocking-channel.ts.
      stdio: ['ignore', 'pipe', 'pipe', memoryFd ?? 'ignore', ...(hasChannel ? (['pipe'] as const) : [])],
      detached: true, // Ctrl-C is for the server, which drains first
    });
    this.#child = child;
    this.channel = (child.stdio[4] as Socket | null | undefined) ?? null;
    this.ended = endOf(child, this.lines, isNamespaced);
    const { pid } = child;
    if (pid === undefined) return; // nothing was spawned, not even its streams
    if (child.stdout !== null) this.lines.follow(child.stdout, (line, call) => this.#listener(line, false, call), clock);
    if (child.stderr !== null) this.lines.follow(child.stderr, (line, call) => this.#listener(line, true, call), clock);
    // Its pipes may be held open by its children.
    if (startsProcesses) child.once('exit', () => killGroup(pid));
  }

  /** The pid of the spawned process, even if the worker is its grandchild; null if none was spawned. */
  get outerPid(): number | null {
    return this.#child.pid ?? null;
  }

  get pid(): number | null {
    const outer = this.outerPid;
    return outer !== null && this.#isNamespaced ? (descendantOf(outer, 2) ?? outer) : outer; // unshare, the shell, the worker
  }

  get processes(): readonly number[] {
    const outer = this.outerPid;
    return outer === null || this.#child.exitCode !== null ? [] : treeOf(outer);
  }

  get exit(): ProcessExit {
    const { exitCode, signalCode } = this.#child;
    return this.#isNamespaced ? shellExit(exitCode, signalCode) : { code: exitCode, signal: signalCode };
  }

  onLine(listener: LineListener): void {
    this.#listener = listener;
  }

  terminate(): void {
    this.#send('SIGTERM');
  }

  requestStack(): void {
    this.#send('SIGUSR2');
  }

  #send(name: NodeJS.Signals): void {
    const outer = this.outerPid;
    if (outer !== null && this.#isNamespaced) signal(descendantOf(outer, 2), name);
    else this.#child.kill(name);
  }

  kill(): void {
    const outer = this.outerPid;
    if (this.#isNamespaced) return killNamespace(this.#child);
    this.#child.kill('SIGKILL');
    if (this.#startsProcesses && outer !== null) killGroup(outer);
  }
}

/** Kills process 1 of the namespace: `unshare` then ends once the kernel has ended all others in it. */
function killNamespace(unshare: ChildProcess): void {
  const first = unshare.pid === undefined ? null : descendantOf(unshare.pid, 1);
  if (first === null) unshare.kill('SIGKILL');
  else signal(first, 'SIGKILL');
}

/** The pid was just looked up as a descendant of a living child. */
export function signal(pid: number | null, name: NodeJS.Signals): void {
  if (pid === null) return;
  try {
    process.kill(pid, name);
  } catch {
    // It ended just now.
  }
}

/** Resolves once it has ended and all its output was read. */
async function endOf(child: ChildProcess, lines: LastLines, isNamespaced: boolean): Promise<string> {
  try {
    const [exitCode, signalCode] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    const { code, signal } = isNamespaced ? shellExit(exitCode, signalCode) : { code: exitCode, signal: signalCode };
    const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
    const said = lines.toString();
    return said === '' ? how : `${how}: ${said}`;
  } catch (error) {
    return `it could not be spawned: ${messageOf(error)}`; // 'error' instead of 'close': no processes or files left
  }
}
