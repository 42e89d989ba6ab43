export { hasCpuQuota } from './cgroups/cgroup-files.ts';
export { ConcurrencyLimiter } from './concurrency-limiter.ts';
export { type AcceleratedTypes, devicePlaces } from './device-shares.ts';
export { freeBytesMin, freeSpaceOf } from './disk/disk-watch.ts';
export { clearTemporaryLeftovers } from './disk/temporary-leftovers.ts';
export type { IsolationStatus } from './isolation/isolation.ts';
export { type IsolationSettings, isolationSettings } from './isolation/settings.ts';
export { findIsolation } from './isolation/standalone.ts';
export { loadLimits } from './load-limits.ts';
export { LocalProvider, type LocalProviderOptions, type PythonHost } from './local-provider.ts';
export { machineTimes } from './machine-times.ts';
export { inspectionBy, openProvider, workerExitsTo } from './open-provider.ts';
export { type ProcessorTime, processorTime } from './processes/process-facts.ts';
export {
  type BorrowOptions,
  type Provider,
  type WorkerCommand,
  type WorkerLimits,
  type WorkerPython,
  type WorkerSpec,
  type WorkerState,
  type WorkerView,
} from './provider.ts';
export { findForks } from './python/fork-check.ts';
export type { ForkServerView } from './python/fork-servers.ts';
export { type PythonSettings, pythonSettings } from './python/python-settings.ts';
export type {
  FreeCapacity,
  OpenedTaskFile,
  PreparedFolder,
  TaskAddress,
  TaskBind,
  TaskEnd,
  TaskEndCause,
  TaskEviction,
  TaskFile,
  TaskFileList,
  TaskFiles,
  TaskInput,
  TaskLine,
  TaskOutput,
  TaskPaths,
  TaskRequest,
  TaskSpec,
  TaskState,
  Tasks,
  TaskView,
  WantedTask,
} from './tasks/task.ts';
export { taskFilesMax } from './tasks/task-files.ts';
export { taskOutputOf } from './tasks/task-output.ts';
