/** How much processor time others took during a measurement (Linux only): on a shared machine, a cell may be worth nothing. */
import { readFileSync } from 'node:fs';
import { cpuMsOf, ownCpuMs } from '../servers/process-tree.ts';

const ticksPerSecond = 100;

/** Time of all cores that they worked, or that the hypervisor withheld. */
function busyMs(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (
    readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] as string
  )
    .trim()
    .split(/\s+/)
    .map(Number);
  return ((user + nice + system + irq + softirq + steal) * 1000) / ticksPerSecond;
}

/** Returns a function that returns the cores that others kept busy since then. `pid`: the server under test. */
export function watchOthers(pid: number): () => number {
  const othersMs = (): number => busyMs() - cpuMsOf(pid) - ownCpuMs();
  const startMs = performance.now();
  const before = othersMs();
  return () => Math.max(0, othersMs() - before) / (performance.now() - startMs);
}
