export { openInstalledStores } from './backup/installed-stores.ts';
export { migrate } from './backup/migrate.ts';
export { restoreBackup } from './backup/restore-backup.ts';
export { removeUnfinishedCopies } from './backup/staging-folder.ts';
export { verifyDataDirectory } from './backup/verify.ts';
export { writeBackup } from './backup/write-backup.ts';
export { bindObjects, otherPlace } from './bind-objects.ts';
export {
  type Availability,
  createTables,
  type DatabaseLocation,
  inTransaction,
  isForeignKeyViolation,
  isUniqueViolation,
  type OpenDatabase,
  openDatabase,
  openMigrated,
} from './database.ts';
export { databaseTime, limitIdleTime } from './database-time.ts';
export { bindInstallation, databaseName, rejectMissingDatabase } from './installation.ts';
export type { DeadJob, Job, LeasedJob, NewJob, PendingJob, QueueState } from './job.ts';
export { type JobFilter, type JobSortColumn, jobSortKey, nameKeyContaining, pageOfJobs } from './job-pages.ts';
export { Jobs } from './jobs.ts';
export { FileHasher } from './objects/file-hasher.ts';
export { FileObjectStore } from './objects/file-object-store.ts';
export { ObjectCache } from './objects/object-cache.ts';
export { objectPlaceOf, parseObjectLocation } from './objects/object-location.ts';
export type { ObjectStore, ObjectTrash, StagedObject, StoredObject } from './objects/object-store.ts';
export { type OpenObjectStores, openObjectStores } from './objects/open-object-stores.ts';
export { RetainedObjects } from './objects/retained-objects.ts';
export { type DamagedObject, Scrub } from './objects/scrub.ts';
export { type SweepOptions, sweepObjects } from './objects/sweep.ts';
export { TrashEmptier, type TrashSize } from './objects/trash.ts';
export { VerifiedFiles } from './objects/verified-files.ts';
export { firstIdAt, OrderedIds, timeOfId } from './ordered-ids.ts';
export { ConnectionLost, isOutcomeUnknown } from './postgres/postgres-errors.ts';
export { isKeyAbsent, Presence, presentKeys } from './postgres/presence.ts';
export { endLockOfNode, type NodeLock } from './postgres/server-lock.ts';
export { knownSteps, needAllSteps, neededAfter, readSchema, type SchemaState, type StepNumbers } from './schema-compat.ts';
export { inSharedTransaction } from './shared-transactions.ts';
export { Checkpointer } from './sqlite/checkpointer.ts';
export { CommittedSequence } from './sqlite/committed-sequence.ts';
export { type FileSize, sizeOfFile } from './sqlite/database-size.ts';
export { checkDatabaseFiles } from './sqlite/quick-check.ts';
export type { CheckpointOptions } from './sqlite/sqlite-checkpoints.ts';
export type { S3ObjectsTable, S3PiecesTable } from './tables/aws.ts';
export type { ClusterHostsTable, ClusterNodesTable, ClusterRolesTable, ClusterSlotsTable } from './tables/cluster.ts';
export type { HourlyCostsTable } from './tables/costs.ts';
export type { EndpointsTable } from './tables/deployment.ts';
export type { EnvironmentLocksTable, EnvironmentsTable } from './tables/environments.ts';
export type { Flag } from './tables/flag.ts';
export type { AuditTable, DecisionsTable, EventsTable } from './tables/monitoring.ts';
export type { PipelineExecutionsTable, PipelineRunsTable } from './tables/pipelines.ts';
export type { ModelGroupsTable, ModelVersionsTable, ProfilesTable } from './tables/registry.ts';
export type { TrainingJobsTable, TuningJobsTable } from './tables/training.ts';
export type { Database, Dialect, Tables, Transaction } from './tables.ts';
export { WritePace } from './write-pace.ts';
