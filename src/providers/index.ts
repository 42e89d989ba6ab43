export { LocalProvider, type LocalProviderOptions } from './local-provider.ts';
export type { BorrowOptions, Provider, WorkerSpec, WorkerState, WorkerView } from './provider.ts';
