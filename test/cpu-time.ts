/** Bounds on work, for tests: the time of the processor, which does not depend on what else runs on the machine. */
import assert from 'node:assert/strict';

/** Runs `work` in this thread. Fails if it took more of the processor than this: choose ten times of what it takes. */
export function withinCpuMs<T>(cpuMsMax: number, work: () => T): T {
  const before = process.threadCpuUsage();
  const result = work();
  const { user, system } = process.threadCpuUsage(before);
  const ms = (user + system) / 1000;
  assert(ms < cpuMsMax, `it took ${Math.round(ms)} ms of the processor, more than ${cpuMsMax} ms`);
  return result;
}
