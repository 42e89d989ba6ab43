export { hasCpuQuota } from './cgroup-files.ts';
export { LocalProvider, type LocalProviderOptions } from './local-provider.ts';
export { type ProcessorTime, processorTime } from './process-facts.ts';
export type { BorrowOptions, Provider, WorkerCommand, WorkerLimits, WorkerSpec, WorkerState, WorkerView } from './provider.ts';
