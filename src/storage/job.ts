/** Jobs of the durable queues, and what is known of a queue. */
import type { Clock } from '../clock.ts';
import type { Database, Dialect } from './tables.ts';

/** A job to be added. */
export interface NewJob {
  /** Names the consumer: `webhook`, `async/digits`. */
  readonly queue: string;
  /** Any JSON value. Store large data in the object store and reference it. */
  readonly payload: unknown;
  /** Generated if absent. A duplicate id is rejected by the primary key. */
  readonly id?: string;
  /** Epoch milliseconds before which the job is not leased; default: now. */
  readonly notBeforeMs?: number;
  /** Epoch milliseconds after which a job that was not leased is returned by `expired`. */
  readonly expiresAtMs?: number;
  /** Higher priorities first, default 0; then the oldest first. */
  readonly priority?: number;
  /** The partition for fair scheduling (`leaseByPartition`). */
  readonly lane?: string;
  /**
   * Jobs of one sequence run in the order they were added, whatever their priority: `leaseByPartition` skips a job until all earlier ones
   * are done or dead. At most about a hundred characters.
   */
  readonly sequence?: string | undefined;
  /** The origin of the job, by which jobs are listed and counted. */
  readonly cause?: string;
}

/** How many jobs of each partition may be leased. */
export interface PartitionCapacity {
  readonly perPartition: number;
  /** Partitions with a capacity other than the default. */
  readonly capacity: ReadonlyMap<string, number>;
}

/** A job as its consumer gets it, for the time of its lease. */
export interface Job {
  readonly id: string;
  readonly queue: string;
  readonly payload: unknown;
  /** The number of leases, including the current one. */
  readonly attempts: number;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
}

/** A job that a worker has leased. */
export interface LeasedJob extends Job {
  readonly lease: string;
}

/** A job that is not tried again, with the reason. */
export interface DeadJob extends Job {
  readonly reason: string;
}

/** A job that is not done, with the reason of its last failure, if any. */
export interface PendingJob extends Job {
  readonly state: 'open' | 'dead';
  readonly reason: string | null;
  /** When the job can be leased next; for a dead job, when it died. Epoch milliseconds. */
  readonly visibleAtMs: number;
}

/** The number of jobs in a queue with the same cause and state. */
export interface CauseCount {
  readonly cause: string;
  readonly state: 'open' | 'dead';
  /** Whether an attempt has failed with a reason. */
  readonly hasFailed: boolean;
  readonly count: number;
}

/** Counts of one queue, for metrics and views. */
export interface QueueState {
  /** Open jobs, waiting or leased. */
  readonly backlog: number;
  readonly leased: number;
  readonly dead: number;
  /** Epoch milliseconds; null if the queue has no open jobs. */
  readonly oldestAtMs: number | null;
}

/** The database and its clock. Several processes may lease from one queue, so they must agree on the time. */
export interface JobsOptions {
  readonly db: Database;
  readonly dialect: Dialect;
  readonly clock: Clock;
  /** The clock that determines due times, expiry and leases. Default: that of the database, if the database is a server. */
  readonly time?: 'database' | 'process';
}
