/** What the system says about a process. Linux tells all of it in /proc; elsewhere the answer is null and the feature rests. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** The usual page size; Node does not tell, and a wrong one would only scale a reading. */
const pageBytes = 4096;

function read(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}

/** When a process started, in ticks since boot: with its pid, the name of a process that is never given twice. */
export function startTicks(pid: number): string | null {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the name in brackets, which may itself hold blanks and brackets; the start is field 22.
  const [state, ...fields] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return state === 'Z' ? null : (fields[18] ?? null);
}

/** The command line, with blanks between its words. */
export function commandLine(pid: number): string | null {
  return read(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ') ?? null;
}

export interface MemoryUse {
  readonly addressSpaceBytes: number;
  readonly rssBytes: number;
}

/** Costs some 10 us; asks nothing of the process, which may be blocked in a run. */
export function memoryUse(pid: number): MemoryUse | null {
  const [size, resident] = read(`/proc/${pid}/statm`)?.split(' ').map(Number) ?? [];
  return size === undefined || resident === undefined ? null : { addressSpaceBytes: size * pageBytes, rssBytes: resident * pageBytes };
}

/** Of Linux on every machine that Node runs on. */
const ticksPerSecond = 100;

/** Time on processors since it began, its own and that of children whose end it was told of; in milliseconds. */
export function cpuMs(pid: number): number | null {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  // Fields 14 to 17: utime, stime, cutime, cstime.
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return fields.length < 15 ? null : (ticks * 1000) / ticksPerSecond;
}

/** The same of a process and all that descend from it. */
export function treeCpuMs(pid: number): number {
  return childrenOf(pid).reduce((sum, child) => sum + treeCpuMs(child), cpuMs(pid) ?? 0);
}

/** What became of a thread's time while it had something to do, since it began; in milliseconds. */
export interface ProcessorTime {
  readonly computedMs: number;
  /** Others had the processors; or, by a quota, it was not to have one: the system does not tell these apart. */
  readonly waitedMs: number;
}

/**
 * Of the thread that a process began with, which in a worker runs the model. Others that help it are left out: what they wait, one beside the
 * other, says little about how much later the run ended. Costs some 10 us.
 */
export function processorTime(pid: number): ProcessorTime | null {
  const [computedNs, waitedNs] = read(`/proc/${pid}/schedstat`)?.split(' ').map(Number) ?? [];
  return computedNs === undefined || waitedNs === undefined ? null : { computedMs: computedNs / 1e6, waitedMs: waitedNs / 1e6 };
}

/** Memory that is the process's alone, without files and what it shares; this is what its group is charged for. */
export function anonymousBytes(pid: number): number | null {
  const kibibytes = /^RssAnon:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

/**
 * Caps the address space of a running process, so that an allocation beyond it is refused, which onnxruntime reports
 * as an error, instead of filling the machine. Resolves to false where that is not possible.
 */
export function limitAddressSpace(pid: number, bytes: number): Promise<boolean> {
  return new Promise((resolve) => {
    execFile('prlimit', ['--pid', String(pid), `--as=${bytes}:`], (error) => resolve(error === null));
  });
}

/** The processes that were started with this variable, or descend from one that was. None where the system does not tell. */
export function markedProcesses(name: string, value: string): readonly number[] {
  const entry = `${name}=${value}`;
  return namesIn('/proc').flatMap((pid) => {
    const isMarked = /^\d+$/.test(pid) && read(`/proc/${pid}/environ`)?.split('\0').includes(entry) === true;
    return isMarked && Number(pid) !== process.pid ? [Number(pid)] : [];
  });
}

/** The memory of a process and of all that descend from it. */
export function treeRssBytes(pid: number): number {
  return childrenOf(pid).reduce((sum, child) => sum + treeRssBytes(child), memoryUse(pid)?.rssBytes ?? 0);
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
