export { copyInSlices, joinInSlices, nextTurn, Slices } from './slices.ts';
export { ThreadPool, type Threads } from './thread-pool.ts';
export { type ThreadTask, threadTask } from './thread-task.ts';
export { trimMemory, trimMemoryTask } from './trim-memory.ts';
