export { type Foundation, openFoundation, type Product } from './open-foundation.ts';
export { openHistories } from './open-histories.ts';
export { openStorageHealth, type StorageHealth } from './storage-health.ts';
