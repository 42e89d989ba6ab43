export { Checkpointer } from './checkpointer.ts';
export { DataDirectory, type LockHolder, openDataDirectory, readLock } from './data-directory.ts';
export {
  type DatabaseLocation,
  inTransaction,
  isForeignKeyViolation,
  isUniqueViolation,
  type OpenDatabase,
  openDatabase,
} from './database.ts';
export { type FileSize, sizeOfFile } from './database-size.ts';
export { FileObjectStore, type StoredObject } from './file-object-store.ts';
export { type DeadJob, type Job, Jobs, type KeptJob, type NewJob, type QueueState, type TakenJob } from './jobs.ts';
export { KeptObjects } from './kept-objects.ts';
export { firstIdAt, OrderedIds, timeOfId } from './ordered-ids.ts';
export { inSharedTransaction } from './shared-transactions.ts';
export type { CheckpointOptions } from './sqlite-checkpoints.ts';
export type { S3ObjectsTable, S3PiecesTable } from './tables/aws.ts';
export type { HourlyCostsTable } from './tables/costs.ts';
export type { EndpointsTable } from './tables/deployment.ts';
export type { Flag } from './tables/flag.ts';
export type { AuditTable, DecisionsTable, EventsTable } from './tables/monitoring.ts';
export type { ModelGroupsTable, ModelVersionsTable, ProfilesTable } from './tables/registry.ts';
export type { Database, Dialect, Tables, Transaction } from './tables.ts';
export { writeFileAtomically } from './write-file-atomically.ts';
