/** The schedule of a rule. Its due times are computed elsewhere; only what survives a restart is stored. */
export interface RuleSchedule {
  /** `rate(5 minutes)`, `cron(0 8 ? * MON-FRI *)`, in UTC. */
  readonly expression: string;
  /** Epoch milliseconds: rates count from here. */
  readonly sinceMs: number;
  /** Epoch milliseconds: all due times up to here are handled. */
  readonly handledMs: number;
}
