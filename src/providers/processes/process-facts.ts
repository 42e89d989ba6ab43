/** What the system reports about a process. Linux has all of it in /proc; elsewhere the result is null and the feature is off. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Clock } from '../../clock.ts';

/** The usual page size. Node does not report the actual one; a wrong value would only scale a reading. */
const pageBytes = 4096;

function read(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}

/** Start time of a process in ticks since boot. Together with the pid it identifies the process, because pids are reused. */
export function startTicks(pid: number): string | null {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the name in brackets, which can itself contain spaces and brackets; the start is field 22.
  const [state, ...fields] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return state === 'Z' ? null : (fields[18] ?? null);
}

/** The command line, joined by spaces. */
export function commandLine(pid: number): string | null {
  return read(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ') ?? null;
}

/** Memory of one process. */
export interface MemoryUse {
  readonly addressSpaceBytes: number;
  readonly rssBytes: number;
}

/** Takes about 10 us and needs nothing from the process, which may be blocked in a run. */
export function memoryUse(pid: number): MemoryUse | null {
  const [size, resident] = read(`/proc/${pid}/statm`)?.split(' ').map(Number) ?? [];
  return size === undefined || resident === undefined ? null : { addressSpaceBytes: size * pageBytes, rssBytes: resident * pageBytes };
}

/** The same on every Linux machine that Node supports. */
const ticksPerSecond = 100;

/** CPU time since the start, of the process and its reaped children; in milliseconds. */
export function cpuMs(pid: number): number | null {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  // Fields 14 to 17: utime, stime, cutime, cstime.
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return fields.length < 15 ? null : (ticks * 1000) / ticksPerSecond;
}

/** CPU time of a process and all its descendants, in milliseconds. */
export function treeCpuMs(pid: number): number {
  return childrenOf(pid).reduce((sum, child) => sum + treeCpuMs(child), cpuMs(pid) ?? 0);
}

/** CPU time of the children that a process has waited for, with theirs; in milliseconds. */
export function reapedCpuMs(pid: number): number {
  const fields = statFields(pid);
  return ((Number(fields[13] ?? 0) + Number(fields[14] ?? 0)) * 1000) / ticksPerSecond;
}

/** The fields of a process's status from its state on, which is number 3 in proc(5). */
function statFields(pid: number): readonly string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
}

/** The child that leads a process group of its own; null if there is none. */
export function leadingChild(parent: number): number | null {
  return childrenOf(parent).find((pid) => Number(statFields(pid)[2]) === pid) ?? null;
}

/** Changes at each start of the machine; null if the system does not report it. */
export function bootId(): string | null {
  return read('/proc/sys/kernel/random/boot_id')?.trim() ?? null;
}

/**
 * Memory of processes that cannot be read from files again. What they share counts once in each of them, unless `isExact`, which takes
 * milliseconds.
 */
export function heldBytesOf(pids: readonly number[], isExact: boolean): number {
  return pids.reduce((sum, pid) => sum + (isExact ? (proportionalBytes(pid) ?? heldBytes(pid)) : heldBytes(pid)), 0);
}

function heldBytes(pid: number): number {
  return kibibytesOf(read(`/proc/${pid}/status`), ['RssAnon', 'RssShmem']) ?? 0;
}

/** Null if the system does not report it, or not to this user. */
function proportionalBytes(pid: number): number | null {
  return kibibytesOf(read(`/proc/${pid}/smaps_rollup`), ['Pss_Anon', 'Pss_Shmem']);
}

function kibibytesOf(text: string | null, names: readonly string[]): number | null {
  const found = names.map((name) => new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text ?? '')?.[1]);
  return found.includes(undefined) ? null : found.reduce((sum, kibibytes) => sum + Number(kibibytes) * 1024, 0);
}

/** How a runnable thread's time was spent since its start; in milliseconds. */
export interface ProcessorTime {
  readonly computedMs: number;
  /** Waiting while other threads had the CPUs, or throttled by a quota: the system does not distinguish these. */
  readonly waitedMs: number;
}

/**
 * The times of a process's main thread, which runs the model in a worker. Helper threads are excluded: their parallel waits say little
 * about the delay of a run. Takes about 10 us.
 */
export function processorTime(pid: number): ProcessorTime | null {
  const [computedNs, waitedNs] = read(`/proc/${pid}/schedstat`)?.split(' ').map(Number) ?? [];
  return computedNs === undefined || waitedNs === undefined ? null : { computedMs: computedNs / 1e6, waitedMs: waitedNs / 1e6 };
}

/** Memory private to the process, without files and shared memory; this is what its group is charged for. */
export function anonymousBytes(pid: number): number | null {
  const kibibytes = /^RssAnon:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

/**
 * Limits the address space of a running process. An allocation beyond the limit then fails, which onnxruntime reports as an error, instead
 * of exhausting the memory of the machine. Resolves to false if that is not possible.
 */
export function limitAddressSpace(
  pid: number,
  bytes: number,
  owner: { readonly uid: number; readonly gid: number } | null,
): Promise<boolean> {
  const prlimit = ['prlimit', '--pid', String(pid), `--as=${bytes}:`];
  // Only CAP_SYS_RESOURCE allows this for a process of another user, and root lacks it in most containers. The same user is always allowed.
  const asOwner = owner === null ? [] : ['setpriv', '--reuid', String(owner.uid), '--regid', String(owner.gid), '--clear-groups'];
  const [program = '', ...args] = [...asOwner, ...prlimit];
  return new Promise((resolve) => {
    execFile(program, args, (error) => resolve(error === null));
  });
}

/** Processes that were started with this variable, and their descendants. Empty if the system does not report them. */
export function markedProcesses(name: string, value: string): readonly number[] {
  const entry = `${name}=${value}`;
  return namesIn('/proc').flatMap((pid) => {
    const isMarked = /^\d+$/.test(pid) && read(`/proc/${pid}/environ`)?.split('\0').includes(entry) === true;
    return isMarked && Number(pid) !== process.pid ? [Number(pid)] : [];
  });
}

/** The memory of a process and all its descendants. */
export function treeRssBytes(pid: number): number {
  return childrenOf(pid).reduce((sum, child) => sum + treeRssBytes(child), memoryUse(pid)?.rssBytes ?? 0);
}

/** The process and all its descendants. */
export function treeOf(pid: number): readonly number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)];
}

/** The processes of a user. */
export function processesOf(uid: number): readonly number[] {
  return namesIn('/proc').flatMap((pid) =>
    /^\d+$/.test(pid) && userOf(pid) === uid && startTicks(Number(pid)) !== null ? [Number(pid)] : [],
  );
}

/** A killed process may have started another meanwhile. */
const roundsMax = 200;
const pauseMs = 10;

/** Kills the processes that `find` returns until it returns none. Resolves to false if that fails. */
export async function endProcesses(find: () => readonly number[], clock: Pick<Clock, 'after'>): Promise<boolean> {
  for (let round = 0; round < roundsMax; round++) {
    const remaining = find();
    if (remaining.length === 0) return true;
    for (const pid of remaining) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended just now.
      }
    }
    await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
  }
  return false;
}

/** RLIMIT_NPROC of this process; infinite if there is none. */
export function ownProcessesMax(): number {
  const max = /^Max processes +(\d+)/m.exec(read('/proc/self/limits') ?? '')?.[1];
  return max === undefined ? Number.POSITIVE_INFINITY : Number(max);
}

/** Number of threads of a user's processes, which RLIMIT_NPROC counts. */
export function userThreadCount(uid: number): number {
  return processesOf(uid).reduce((sum, pid) => sum + namesIn(`/proc/${pid}/task`).length, 0);
}

function userOf(pid: string): number | null {
  const uid = /^Uid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return uid === undefined ? null : Number(uid);
}

/** The process reached by following the first child `generations` times; null if there is none. */
export function descendantOf(pid: number, generations: number): number | null {
  if (generations === 0) return pid;
  const [child] = childrenOf(pid);
  return child === undefined ? null : descendantOf(child, generations - 1);
}

/** The child that has this pid in the pid namespace just below; null if there is none. */
export function childWithInnerPid(parent: number, innerPid: number): number | null {
  const isIt = (pid: number): boolean => {
    const [, , inner] = /^NSpid:\t(\d+)\t(\d+)/m.exec(read(`/proc/${pid}/status`) ?? '') ?? [];
    return Number(inner) === innerPid;
  };
  return childrenOf(parent).find(isIt) ?? null;
}

function childrenOf(pid: number): number[] {
  const threads = namesIn(`/proc/${pid}/task`);
  const children = threads.flatMap((thread) => (read(`/proc/${pid}/task/${thread}/children`) ?? '').split(' '));
  return children.flatMap((child) => (child.trim() === '' ? [] : [Number(child)]));
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
