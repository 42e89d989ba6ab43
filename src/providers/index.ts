export { LocalProvider, type LocalProviderOptions } from './local-provider.ts';
export type { BorrowOptions, Provider, WorkerLimits, WorkerSpec, WorkerState, WorkerView } from './provider.ts';
