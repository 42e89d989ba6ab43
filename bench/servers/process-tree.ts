/** CPU time and memory of a process and its children, from /proc (Linux only). */
import { readdirSync, readFileSync } from 'node:fs';

interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  readonly cpuMs: number;
}

/** Clock ticks per second, 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** `thread`: of one thread, by its id, in place of the whole process. */
function factsOf(pid: number, thread?: number): ProcessFacts | null {
  try {
    const stat = readFileSync(thread === undefined ? `/proc/${pid}/stat` : `/proc/${pid}/task/${thread}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid, parent: Number(fields[1]), cpuMs: ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond };
  } catch {
    return null; // the process has ended
  }
}

function tree(root: number): ProcessFacts[] {
  const all = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (factsOf(Number(name)) ?? []) : []));
  const found = all.filter(({ pid }) => pid === root);
  for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
  return found;
}

export function cpuMsOf(root: number): number {
  return tree(root).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}

/** CPU time of the process alone, of its gateway processes, and of its other children, workers above all. */
export function cpuMsByRole(root: number): { readonly home: number; readonly gateways: number; readonly others: number } {
  const sum = { home: 0, gateways: 0, others: 0 };
  for (const { pid, cpuMs } of tree(root)) sum[pid === root ? 'home' : isGateway(pid) ? 'gateways' : 'others'] += cpuMs;
  return sum;
}

/** CPU time of the main thread alone: without those that compile and collect garbage. 0 once the process has ended. */
export function mainThreadCpuMsOf(pid: number): number {
  return factsOf(pid, pid)?.cpuMs ?? 0;
}

function isGateway(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('front-main');
  } catch {
    return false; // the process has ended
  }
}

/** CPU time of this process, and of its children that have ended. */
export function ownCpuMs(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const [user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map(Number);
  return ((user + system + childrenUser + childrenSystem) * 1000) / ticksPerSecond;
}

/** Resident memory of one process alone. */
export function rssMiBOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) / 1024;
}

/**
 * Memory of a process and its children. Shared pages count in `rssMiB` once for each process, in `pssMiB` once in all. A process that
 * has ended counts nothing.
 */
export function memoryMiBOf(root: number): { readonly rssMiB: number; readonly pssMiB: number } {
  const texts = tree(root).flatMap(({ pid }) => rollupOf(pid) ?? []);
  const sum = (name: string): number =>
    texts.reduce((total, text) => total + Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0), 0) / 1024;
  return { rssMiB: sum('Rss'), pssMiB: sum('Pss') };
}

function rollupOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  } catch {
    return null; // the process has ended
  }
}
