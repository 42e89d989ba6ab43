export { type Foundation, openFoundation, type Product, type StandByOptions } from './open-foundation.ts';
export { openHistories } from './open-histories.ts';
export type { ClusterHome } from './server-node.ts';
export { openStorageHealth, type StorageHealth } from './storage-health.ts';
