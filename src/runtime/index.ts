export { type Hello, isSameToken, receiveHello } from './hello.ts';
export type { Inspection } from './inspect.ts';
export { type Loaded, type LoadRequest, type RunResult, WorkerGone, WorkerLink, type WorkerStatus } from './link.ts';
export { sampleInputs } from './sample-inputs.ts';
export { SharedMemory } from './shared-memory.ts';
export type { RunTimings, TensorParts } from './tensor-frames.ts';
export { workerMainPath } from './worker-main-path.ts';
