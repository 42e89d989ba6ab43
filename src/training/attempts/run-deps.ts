/** The dependencies of a run of a training job. */
import type { Clock } from '../../clock.ts';
import type { Log, LogGroups } from '../../logs/index.ts';
import type { MetricStore } from '../../metrics/index.ts';
import type { Tasks } from '../../providers/index.ts';
import type { JobStates } from '../job-states.ts';
import type { StoredTraining, TrainingRows } from '../rows.ts';
import type { TrainingSpec } from '../spec.ts';
import type { AttemptFiles } from './attempt-files.ts';
import type { ContractFacts } from './contract.ts';
import type { JobPython, LaunchDeps } from './launch.ts';
import type { OutputMetrics } from './output-metrics.ts';
import type { OutputUploadDeps } from './outputs.ts';

/** What an instance type means on this machine. */
export interface JobInstance {
  readonly threads: number;
  /** Cores that it has on a machine with enough of them. */
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** The next larger type by memory; null: none. */
  readonly largerType: string | null;
  /** The price of the job: the spot price for a spot job. */
  readonly usdPerHour: number;
  readonly onDemandUsdPerHour: number;
}

/** Charges running jobs, each for exactly the time of its `usage`. */
export interface JobMeter {
  /** Idempotent. Charges the time for which the job ran while no server did, too. */
  started(job: StoredTraining): Promise<void>;
  /** The job no longer has an instance. Null: it was deleted, or the server stops. Idempotent. */
  ended(name: string, job: StoredTraining | null): void;
}

/** Everything that a run uses. Tests replace single members. */
export interface RunDeps extends LaunchDeps, OutputUploadDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly rows: TrainingRows;
  readonly states: JobStates;
  readonly tasks: Tasks;
  readonly logGroups: Pick<LogGroups, 'follow' | 'sourceOffset'>;
  readonly series: Pick<MetricStore, 'put'>;
  readonly metrics: OutputMetrics;
  readonly meter: JobMeter;
  /** Finds an environment by name, or by its lock once it is known; waits while it is built. */
  readonly python: (environment: string, lock: string | null, signal: AbortSignal) => Promise<JobPython>;
  readonly instanceOf: (spec: TrainingSpec) => JobInstance;
  readonly contractOf: (job: StoredTraining) => Omit<ContractFacts, 'ml' | 'environmentBin'>;
  /** Registers the version of a finished job, once. Returns a note if there is nothing to register. */
  readonly register: (job: StoredTraining, files: AttemptFiles) => Promise<string | null>;
  /** The folder of a job's attempts on the machine of the server. */
  readonly jobFolder: (name: string) => string;
  /** From SIGTERM to SIGKILL. */
  readonly stopGraceMs: number;
}
