/**
 * The files in the folder of a task, through which the server and the supervisor of the task communicate. Each has one writer, and is
 * replaced as a whole, so that both may be killed at any moment.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CgroupLocation } from '../cgroups/cgroups.ts';
import type { TaskEnd } from './task.ts';

/** Names of the files, with the one writer of each. */
export const taskFiles = {
  /** Written by the server: what to run. */
  plan: 'task.json',
  /** Created by the supervisor, or by a server that gives the task up: whichever comes first decides. */
  claim: 'pid',
  /** Replaced by the supervisor every 5 s, with what it measured. */
  alive: 'alive',
  /** Written by the server: the request to stop. */
  stop: 'stop',
  /** Appended by the supervisor: a line of JSON for each line of output. */
  output: 'output.ndjson',
  /** Written by the supervisor when no process of the task runs. */
  end: 'end.json',
  /** What the supervisor itself prints, if it fails. */
  errors: 'supervisor.log',
} as const;

/** The program of the supervisor: TypeScript in a checkout, JavaScript in the package. */
export const taskMainPath = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './task-main.ts' : './task-main.js', import.meta.url));

/** Signs of life of a running task are this old at most. */
export const aliveEveryMs = 5_000;
/** Processes and threads of a task. Data loaders start a process per core, and each library threads of its own. */
export const taskProcessesMax = 4096;

/** What the supervisor must do. Complete: it has no other source. */
export interface TaskPlan {
  readonly id: string;
  /** The launch of the command, with its isolation. */
  readonly program: string;
  readonly args: readonly string[];
  /** The environment of that launch, which is not the task's. */
  readonly environment: Readonly<Record<string, string>>;
  readonly isNamespaced: boolean;
  /** The user of the command; null if it is the server's own. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
  readonly hasNetwork: boolean;
  /** Identifies its processes by their environment. */
  readonly mark: string;
  readonly groups: readonly CgroupLocation[];
  readonly memoryMiB: number;
  readonly diskMiB: number;
  /** Where it writes, on the host. */
  readonly folders: readonly string[];
  readonly maxRuntimeMs: number | null;
  readonly stopGraceMs: number;
  /** A file that running servers of the data directory touch. */
  readonly serverSign: string;
  /** Without a server for this time, the task ends. */
  readonly abandonedMs: number;
}

/** Identifies a process: pids are reused, ticks count from the start of the machine. */
export interface TaskClaim {
  readonly pid: number;
  readonly startTicks: string | null;
  readonly bootId: string | null;
  /** The process that the supervisor spawned: the root of all processes of the task. null before. */
  readonly rootPid: number | null;
  /** The command itself. null before it was found. */
  readonly commandPid: number | null;
}

/** What the supervisor measured last. */
export interface TaskAlive {
  readonly diskBytes: number;
}

/** A request to stop, with the time between SIGTERM and SIGKILL. */
export interface TaskStop {
  readonly graceMs: number;
}

interface TaskFileTypes {
  readonly plan: TaskPlan;
  readonly claim: TaskClaim;
  readonly alive: TaskAlive;
  readonly stop: TaskStop;
  readonly end: TaskEnd;
}

/** Null if it does not exist or is not complete. The files are written by this package, in a folder that the task cannot enter. */
export function readTaskFile<Name extends keyof TaskFileTypes>(folder: string, name: Name): TaskFileTypes[Name] | null {
  try {
    return JSON.parse(readFileSync(join(folder, taskFiles[name]), 'utf8')) as TaskFileTypes[Name];
  } catch {
    return null;
  }
}

/** Throws if the disk is full; then the previous content remains. */
export function writeTaskFile<Name extends keyof TaskFileTypes>(folder: string, name: Name, content: TaskFileTypes[Name]): void {
  const path = join(folder, taskFiles[name]);
  writeFileSync(`${path}.part`, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  renameSync(`${path}.part`, path);
}

/** Takes the task, unless another process has. */
export function claimTask(folder: string, claim: TaskClaim): boolean {
  try {
    writeFileSync(join(folder, taskFiles.claim), `${JSON.stringify(claim)}\n`, { mode: 0o600, flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
