/**
 * Decides which training jobs start now, and which spot jobs are interrupted. Serving has priority. Pure.
 */

/** A job that could start. */
export interface WaitingJob {
  readonly name: string;
  readonly threads: number;
  readonly priority: number;
  readonly createdAtMs: number;
  readonly isSpot: boolean;
}

/** A job that has its cores. */
export interface RunningJob extends WaitingJob {
  /** Being stopped or interrupted: its cores become free soon. */
  readonly isEnding: boolean;
  /** Its cores are those of a host. Absent: those of this machine. */
  readonly isElsewhere?: boolean;
}

/** The machine, and what serving needs of it. */
export interface MachineCapacity {
  /** Cores of the machine. */
  readonly cores: number;
  /** Cores that serving keeps busy: the 95th percentile of the last 15 minutes. */
  readonly servingCores: number;
}

/** What to do now. */
export interface CapacityDecision {
  /** In the order in which they start. */
  readonly start: readonly string[];
  /** Those of them that start on hosts. */
  readonly elsewhere: ReadonlySet<string>;
  /** Spot jobs to interrupt, the youngest first. */
  readonly interrupt: readonly string[];
  /** Whole cores beside serving and running jobs. */
  readonly freeCores: number;
}

/**
 * Cores that jobs may use. At least one core stays free for serving if the machine has more than one; a machine with one core shares it.
 */
export function coresForJobs({ cores, servingCores }: MachineCapacity): number {
  if (cores <= 1) return 1;
  return Math.max(0, Math.floor(cores - Math.max(1, servingCores)));
}

/**
 * Starts the oldest jobs of the highest priority while they fit, spot jobs after others. A job that does not fit blocks all jobs behind it, so a large job does
 * not wait forever. `takes`: whether a host has room for a job, which it then has less of; asked before the cores of this machine are used. If nothing runs here, the first job starts even if it needs more cores than are free: its CPU weight is below that of serving.
 */
export function decideCapacity<Job extends WaitingJob>(
  waiting: readonly Job[],
  allRunning: readonly RunningJob[],
  capacity: MachineCapacity,
  takes: (job: Job) => boolean = () => false,
): CapacityDecision {
  const running = allRunning.filter(({ isElsewhere = false }) => !isElsewhere);
  const used = running.reduce((sum, { threads }) => sum + threads, 0);
  let free = Math.max(0, coresForJobs(capacity) - used);
  const freeCores = free;
  const start: string[] = [];
  const elsewhere = new Set<string>();
  const queue = waiting.toSorted(startsBefore);
  let isIdle = running.length === 0;
  let blocked: WaitingJob | null = null;
  for (const job of queue) {
    if (takes(job)) {
      start.push(job.name);
      elsewhere.add(job.name);
    } else if (job.threads <= free || isIdle) {
      start.push(job.name);
      free = Math.max(0, free - job.threads);
      isIdle = false;
    } else {
      blocked = job;
      break;
    }
  }
  return { start, elsewhere, interrupt: blocked === null ? [] : interrupted(blocked, free, running), freeCores };
}

/** The youngest spot jobs whose cores an on-demand job needs; none if they would not suffice. */
function interrupted(blocked: WaitingJob, free: number, running: readonly RunningJob[]): string[] {
  if (blocked.isSpot) return [];
  let have = free + running.filter(({ isEnding }) => isEnding).reduce((sum, { threads }) => sum + threads, 0);
  const chosen: string[] = [];
  const candidates = running.filter(({ isSpot, isEnding, priority }) => isSpot && !isEnding && priority <= blocked.priority);
  for (const job of candidates.toSorted((a, b) => b.createdAtMs - a.createdAtMs)) {
    if (have >= blocked.threads) break;
    chosen.push(job.name);
    have += job.threads;
  }
  const isEnough = have >= blocked.threads || running.every(({ isSpot, isEnding }) => isSpot || isEnding);
  return isEnough ? chosen : [];
}

/** An interrupted spot job waits again and is often the oldest. First in line, it would take the cores that it was interrupted for. */
function startsBefore(one: WaitingJob, other: WaitingJob): number {
  if (one.priority !== other.priority) return other.priority - one.priority;
  if (one.isSpot !== other.isSpot) return one.isSpot ? 1 : -1;
  if (one.createdAtMs !== other.createdAtMs) return one.createdAtMs - other.createdAtMs;
  return one.name < other.name ? -1 : 1;
}
