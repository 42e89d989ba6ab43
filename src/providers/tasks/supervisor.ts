/**
 * Runs the command of a task, from its start to the end of its last process. It enforces the limits by itself, because possibly no server runs.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type Clock, every } from '../../clock.ts';
import { bootId, descendantOf, endProcesses, leadingChild, processesOf, reapedCpuMs, startTicks } from '../processes/process-facts.ts';
import { runningMarked } from '../processes/process-tree.ts';
import { type ProcessExit, shellExit } from '../processes/shell-exit.ts';
import type { TaskEnd, TaskEndCause } from './task.ts';
import type { TaskLimits } from './task-limits.ts';
import { TaskLog } from './task-log.ts';
import { aliveEveryMs, readTaskFile, type TaskPlan, taskFiles, writeTaskFile } from './task-plan.ts';

const tickMs = 500;
/** The command is process 3 of three: it appears within milliseconds of the start. */
const findEveryMs = 10;
/** On a busy machine, the start takes seconds, which do not count as running time; more than a minute does, so a start that hangs ends. */
const startMsMax = 60_000;
/** Without namespaces, pipes can be held open by a process that was not found. */
const closeWaitMs = 5_000;

interface Cause {
  readonly why: TaskEndCause;
  readonly detail: string | null;
}

/** Runs in a process of its own, which outlives the server. */
export class Supervisor {
  readonly #folder: string;
  readonly #plan: TaskPlan;
  readonly #clock: Clock;
  readonly #log: TaskLog;
  readonly #startedAtMs: number;
  readonly #over: Promise<void>;
  #child: ChildProcess | null = null;
  #exit: ProcessExit | null = null;
  #commandPid: number | null = null;
  /** When the command was found, or must have been. */
  #commandStartMs: number;
  #cause: Cause | null = null;
  #killAtMs: number | null = null;
  #requestedGraceMs: number | null = null;
  #isTermSent = false;
  #limits: TaskLimits | null = null;
  #aliveAtMs: number;
  readonly #server: { signMs: number; seenMs: number };
  #finish: () => void = () => undefined;

  constructor(folder: string, plan: TaskPlan, clock: Clock) {
    this.#folder = folder;
    this.#plan = plan;
    this.#clock = clock;
    this.#startedAtMs = clock.wallMs();
    const nowMs = clock.nowMs();
    this.#commandStartMs = nowMs + startMsMax;
    this.#aliveAtMs = nowMs;
    this.#server = { signMs: 0, seenMs: nowMs };
    this.#log = new TaskLog(join(folder, taskFiles.output), clock);
    this.#over = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** Resolves when no process of the task runs, and its end was written. */
  async run(): Promise<void> {
    this.#spawn();
    this.#findCommand();
    // Loaded while the command starts.
    const { TaskLimits } = await import('./task-limits.ts');
    this.#limits = new TaskLimits(this.#plan, this.#folder, this.#clock);
    void this.#tick();
    const cancel = every(this.#clock, tickMs, () => void this.#tick());
    await this.#over;
    cancel();
    await this.#untilDone(() => this.#log.end());
    const end = this.#end();
    await this.#untilDone(() => this.#writeEnd(end));
    this.#log.close();
    for (const { folder } of this.#plan.groups) removeGroup(folder);
  }

  /** SIGTERM to the process group of the command, and after the grace period SIGKILL to everything. The first cause counts. */
  stop(cause: Cause, graceMs: number): void {
    const killAtMs = this.#clock.nowMs() + graceMs;
    this.#cause ??= cause;
    this.#killAtMs = Math.min(this.#killAtMs ?? killAtMs, killAtMs);
    this.#terminate();
    this.#clock.after(graceMs, () => this.#killIfDue());
  }

  /** A SIGTERM arrived: from the server, which wrote the request, or from another program. */
  signalled(): void {
    if (!this.#stopIfRequested()) this.stop({ why: 'shutdown', detail: null }, this.#plan.stopGraceMs);
  }

  #spawn(): void {
    const { program, args, environment, isNamespaced, folders } = this.#plan;
    const child = spawn(program, args, {
      cwd: isNamespaced ? this.#folder : folders[0],
      env: { ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    if (child.stdout !== null) this.#follow('out', child.stdout);
    if (child.stderr !== null) this.#follow('err', child.stderr);
    let isOver = false;
    const over = async (): Promise<void> => {
      if (isOver) return;
      isOver = true;
      await this.#endAll();
      this.#finish();
    };
    child.on('error', (error) => {
      this.#cause ??= { why: 'unstarted', detail: error.message };
      void over();
    });
    child.on('exit', (code, signal) => {
      this.#exit = isNamespaced ? shellExit(code, signal) : { code, signal };
      void this.#endAll();
      this.#afterClose(over);
    });
    child.on('close', () => void over());
  }

  /** Calls `over` even if the pipes stay open, but not while output waits for the disk. */
  #afterClose(over: () => Promise<void>): void {
    this.#clock.after(closeWaitMs, () => {
      if (this.#log.isWaiting) this.#afterClose(over);
      else void over();
    });
  }

  #follow(from: 'out' | 'err', stream: Readable): void {
    stream.on('data', (chunk: Buffer) => {
      if (!this.#log.take(from, chunk)) stream.pause();
    });
    stream.on('error', () => undefined); // the pipe of a process that was killed
  }

  #findCommand(): void {
    const rootPid = this.#child?.pid;
    if (rootPid === undefined || this.#exit !== null) return;
    const first = this.#plan.isNamespaced ? descendantOf(rootPid, 1) : null;
    this.#commandPid = this.#plan.isNamespaced ? (first === null ? null : leadingChild(first)) : rootPid;
    if (this.#commandPid === null) {
      this.#clock.after(findEveryMs, () => this.#findCommand());
      return;
    }
    this.#commandStartMs = Math.min(this.#commandStartMs, this.#clock.nowMs());
    const own = { pid: process.pid, startTicks: startTicks(process.pid), bootId: bootId() };
    attempt(() => writeTaskFile(this.#folder, 'claim', { ...own, rootPid, commandPid: this.#commandPid }));
    if (this.#cause !== null) this.#terminate();
  }

  async #tick(): Promise<void> {
    const rootPid = this.#child?.pid;
    if (this.#log.flush()) for (const stream of [this.#child?.stdout, this.#child?.stderr]) stream?.resume();
    this.#stopIfRequested();
    this.#stopIfLate();
    this.#stopIfAbandoned();
    this.#killIfDue();
    this.#signAlive();
    if (rootPid === undefined || this.#exit !== null) return;
    const exceeded = (await this.#limits?.check(rootPid)) ?? null;
    if (exceeded === null) return;
    this.#cause ??= exceeded;
    this.#kill();
  }

  #stopIfRequested(): boolean {
    const request = readTaskFile(this.#folder, 'stop');
    if (request === null) return false;
    if (this.#requestedGraceMs !== request.graceMs) this.stop({ why: 'stopped', detail: null }, request.graceMs);
    this.#requestedGraceMs = request.graceMs;
    return true;
  }

  #stopIfLate(): void {
    const { maxRuntimeMs, stopGraceMs } = this.#plan;
    if (this.#cause !== null || maxRuntimeMs === null || this.#clock.nowMs() - this.#commandStartMs < maxRuntimeMs) return;
    this.stop({ why: 'time', detail: `it ran longer than ${maxRuntimeMs / 1000} s` }, stopGraceMs);
  }

  #stopIfAbandoned(): void {
    const nowMs = this.#clock.nowMs();
    const signMs = statSync(this.#plan.serverSign, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (signMs !== this.#server.signMs) Object.assign(this.#server, { signMs, seenMs: nowMs });
    const { abandonedMs, stopGraceMs } = this.#plan;
    if (this.#cause !== null || nowMs - this.#server.seenMs < abandonedMs) return;
    this.stop({ why: 'abandoned', detail: `no server ran in its data directory for ${Math.round(abandonedMs / 1000)} s` }, stopGraceMs);
  }

  #signAlive(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#aliveAtMs) return;
    this.#aliveAtMs = nowMs + aliveEveryMs;
    attempt(() => writeTaskFile(this.#folder, 'alive', { diskBytes: this.#limits?.diskBytes ?? 0 }));
  }

  /** Once: a program may end at once at a second SIGTERM. */
  #terminate(): void {
    if (this.#commandPid === null || this.#isTermSent) return;
    this.#isTermSent = true;
    attempt(() => process.kill(-(this.#commandPid as number), 'SIGTERM'));
  }

  #killIfDue(): void {
    if (this.#killAtMs !== null && this.#clock.nowMs() >= this.#killAtMs) this.#kill();
  }

  /** Process 1 of the namespace first: `unshare` then ends once the kernel has ended all others in it. */
  #kill(): void {
    const pid = this.#child?.pid;
    if (pid === undefined || this.#exit !== null) return;
    const first = this.#plan.isNamespaced ? descendantOf(pid, 1) : null;
    attempt(() => (first === null ? process.kill(-pid, 'SIGKILL') : process.kill(first, 'SIGKILL')));
  }

  /** The kernel ends what is in a namespace; otherwise its processes are found by their user or their mark. */
  async #endAll(): Promise<void> {
    const { owner, mark, isNamespaced } = this.#plan;
    if (isNamespaced && owner === null) return;
    await endProcesses(owner === null ? () => runningMarked(mark) : () => processesOf(owner.uid), this.#clock);
  }

  #end(): TaskEnd {
    const { code, signal } = this.#exit ?? { code: null, signal: null };
    const memory = code === 0 ? null : (this.#limits?.memoryKill() ?? null);
    const cause: Cause = this.#cause ?? memory ?? { why: 'exit', detail: null };
    // Memory that grows within milliseconds reaches the limit between two measurements.
    const reachedBytes = cause.why === 'memory' ? this.#plan.memoryMiB * 1024 ** 2 : 0;
    return {
      code,
      signal,
      ...cause,
      peakRssBytes: Math.max(this.#limits?.peakRssBytes ?? 0, reachedBytes),
      cpuMs: reapedCpuMs(process.pid),
      startedAtMs: Math.round(this.#startedAtMs),
      atMs: Math.round(this.#clock.wallMs()),
    };
  }

  #writeEnd(end: TaskEnd): boolean {
    try {
      writeTaskFile(this.#folder, 'end', end);
      return true;
    } catch (error) {
      // Removed by a server that abandoned the task.
      return (error as NodeJS.ErrnoException).code === 'ENOENT';
    }
  }

  /** Retries while the disk is full. */
  async #untilDone(run: () => boolean): Promise<void> {
    while (!run()) await new Promise<void>((resolve) => this.#clock.after(tickMs, resolve));
  }
}

function attempt(run: () => void): void {
  try {
    run();
  } catch {
    // The process ended just now, or the disk is full: the next tick tries again.
  }
}

/** A group that the kernel does not remove yet is removed by the next server. */
function removeGroup(folder: string): void {
  attempt(() => rmdirSync(folder));
}
